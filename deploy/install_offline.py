"""Installs the hub from the folder this file is in, without a network: python3 install.py TARGET

TARGET becomes a virtual environment of its own. Run again with a newer folder it becomes the newer release, and the
data stays, as that is in the hub's home. Every file is checked by its hash first. Standard library only.
"""

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(target: Path) -> None:
    wanted = (HERE / "python-version").read_text().strip()
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here != wanted:
        raise SystemExit(
            f"install: these wheels are for Python {wanted}, and this is {here}: run python{wanted} {__file__}"
        )
    if not (target / "bin" / "python").exists():
        try:
            venv.create(target, with_pip=True)
        except subprocess.CalledProcessError:
            raise SystemExit(
                "install: this Python has no ensurepip. On Debian and Ubuntu: apt install python3-venv"
            ) from None
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    local = ["--no-index", "--find-links", str(HERE / "wheels"), "--no-deps", "--require-hashes"]
    done = subprocess.run([*pip, *local, "--requirement", str(HERE / "requirements.txt")], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    print(f"Installed. Start the hub: {target}/bin/mcphub up")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("python3 install.py TARGET, for example /opt/mcphub")
    main(Path(sys.argv[1]).absolute())
