"""Makes a folder from which the hub is installed where there is no network: python wheelhouse.py DIR UV

In it are wheels of everything the hub needs, its PostgreSQL and the built user interface among them, each with its hash
in `requirements.txt`, and `install.py`, which needs nothing but a Python of the same version on a machine of the same
kind. `./hub wheelhouse DIR` prepares and calls this.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
EXTRAS = ("otel",)
WHEEL = re.compile(r"([^-]+)-([^-]+)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")


def main(folder: Path, uv: str) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"wheelhouse: {folder} is not empty: name a folder that does not exist yet")
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    run(uv, "venv", "--quiet", "--seed", "--python", sys.executable, folder / "made-with")
    try:
        fetch(uv, folder / "made-with" / "bin" / "python", wheels)
    finally:
        shutil.rmtree(folder / "made-with")
    build = ("build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable)
    run(uv, *build, "--out-dir", wheels, cwd=ROOT)
    (wheels / ".gitignore").unlink(missing_ok=True)
    lines = [pinned(path) for path in sorted(wheels.iterdir())]
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))
    shutil.copy(ROOT / "deploy" / "install_offline.py", folder / "install.py")
    (folder / "python-version").write_text(f"{sys.version_info.major}.{sys.version_info.minor}\n")
    size = sum(path.stat().st_size for path in wheels.iterdir())
    print(f"{len(lines)} packages, {size >> 20} MB, in {folder}. There: python3 {folder.name}/install.py /opt/mcphub")


def fetch(uv: str, python: Path, wheels: Path) -> None:
    """What requirements.lock pins of the hub's own needs, checked by hash; built here where a package has no wheel."""
    wanted = wheels.with_name("wanted.txt")
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    # The lock pins what developers need as well: of its pins only those that are reached from the hub.
    pins = subprocess.run(
        [uv, "pip", "compile", "--quiet", "--no-annotate", "--no-header", "--no-emit-index-url", *extras,
         "--constraint", LOCK, "--python", sys.executable, "--generate-hashes", ROOT / "pyproject.toml"],
        check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ).stdout  # fmt: skip
    wanted.write_text(pins)
    try:
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
        run(python, "-m", "pip", "wheel", *options, "--wheel-dir", wheels, "--requirement", wanted)
    finally:
        wanted.unlink()


def pinned(path: Path) -> str:
    """A wheel as a line of requirements."""
    found = WHEEL.fullmatch(path.name)
    if found is None:
        raise SystemExit(f"wheelhouse: {path.name} is no wheel")
    return f"{found[1]}=={found[2]} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def run(*command: "str | Path", cwd: "Path | None" = None) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=cwd)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2])
