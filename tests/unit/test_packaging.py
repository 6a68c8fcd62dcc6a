"""What is in the tree is what gets installed, and what gets installed is what was locked."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from mcphub.postgres.migrate import load, migrations_folder
from tests.support.tracked import tracked

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()


def packages_in_the_tree() -> set[str]:
    folders = {path.parent for path in (ROOT / "src").rglob("*.py")}
    names = {".".join(["mcphub", *folder.relative_to(ROOT / "src").parts]) for folder in folders}
    return names | {"mcphub.migrations"}


def test_every_folder_of_code_is_a_package_that_is_installed() -> None:
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages_in_the_tree()


def test_every_folder_of_code_says_it_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "src").rglob("*.py")}

    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_installed_package_finds_its_migrations() -> None:
    installed = [str(migration) for migration in load(migrations_folder())]

    assert installed == sorted(path.stem for path in (ROOT / "migrations").glob("*.sql"))
    assert installed[0] == "0001_ledger"


@pytest.mark.slow
def test_the_wheel_built_from_the_source_archive_holds_every_file_and_the_built_interface(tmp_path: Path) -> None:
    """Built with the locked setuptools and nothing else, from a copy that holds only tracked files."""
    copy = tracked_copy(tmp_path / "tree")
    for name in ("src/api/static/index.html", "src/api/static/assets/x-1.js.br", "frontend/node_modules/x/index.js"):
        (copy / name).parent.mkdir(parents=True)
        (copy / name).write_text("built")
    build(copy, "sdist", tmp_path / "dist")
    shutil.unpack_archive(next((tmp_path / "dist").glob("*.tar.gz")), tmp_path / "unpacked")
    build(next((tmp_path / "unpacked").iterdir()), "wheel", tmp_path / "dist")

    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))) as wheel:
        held = set(wheel.namelist())

    sources = {str(path) for path in next((tmp_path / "unpacked").iterdir()).rglob("*")}
    assert any(name.endswith("frontend/package-lock.json") for name in sources)
    assert not any("node_modules" in name for name in sources | held)
    assert {"mcphub/api/static/index.html", "mcphub/api/static/assets/x-1.js.br"} <= held
    wanted = {f"mcphub/{path.relative_to(copy / 'src')}" for path in (copy / "src").rglob("*.py")}
    wanted |= {f"mcphub/{path.relative_to(copy / 'src')}" for path in (copy / "src").rglob("*.sql")}
    wanted |= {f"mcphub/migrations/{path.name}" for path in (copy / "migrations").glob("*.sql")}
    assert wanted - held == set()
    assert {"mcphub/py.typed", "mcphub/demo_server.py"} <= held
    assert any(name.endswith("/licenses/LICENSE") for name in held)
    assert not any(name.startswith(("tests/", "mcphub/tests/")) for name in held)


def tracked_copy(folder: Path) -> Path:
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def build(folder: Path, kind: str, out: Path) -> None:
    code = f"from setuptools import build_meta as b; b.build_{kind}({str(out)!r})"
    out.mkdir(exist_ok=True)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_lock_names_no_address() -> None:
    assert re.findall(r"https?://\S+|file://\S+|--(?:extra-)?index-url.*|--find-links.*", LOCK) == []


def test_every_locked_package_has_hashes() -> None:
    entries = re.findall(r"^([a-z0-9][\w.-]*)==\S+.*\\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", LOCK, re.M)

    assert [name for name, _ in entries] == re.findall(r"^([a-z0-9][\w.-]*)==", LOCK, re.M)
    assert len(entries) > 50


def test_every_requirement_is_locked() -> None:
    locked = set(re.findall(r"^([a-z0-9][\w.-]*)==", LOCK, re.M))
    asked = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["dev"]
    names = {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in asked}

    assert names - locked == {"mcphub"}  # with an extra of its own
