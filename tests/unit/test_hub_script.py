"""./hub itself: what it says before anything is prepared, and what it checks that no linter knows."""

import ast
import os
import shutil
import subprocess
import sys
from functools import partial
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VERBS = ["up", "test", "lint", "fix", "dev", "bench", "lock", "doctor"]


def run_hub(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "hub", *arguments], cwd="/", capture_output=True, text=True, timeout=30
    )


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module that works on an empty tree, with a lock that always fits."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("hub_script", str(ROOT / "hub"))
    module = module_from_spec(spec_from_loader("hub_script", loader))  # type: ignore[arg-type]
    loader.exec_module(module)
    for folder in ("src", "migrations", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "requirements.lock").write_text("aiohttp==3.14.5\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    lock, sources = tmp_path / "requirements.lock", module.LOCKS[module.LOCK]
    monkeypatch.setattr(module, "LOCK", lock)
    monkeypatch.setattr(module, "LOCKS", {lock: sources})
    module.check_lock = partial(module.lock_problems, lock, sources)
    monkeypatch.setattr(module, "lock_problems", lambda lock, sources: [])
    return module


def test_an_old_python_gets_as_far_as_saying_so() -> None:
    tree = ast.parse((ROOT / "hub").read_text(), feature_version=(3, 5))

    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)] == []
    assert os.access(ROOT / "hub", os.X_OK)
    assert os.access(ROOT / ".ci/run", os.X_OK)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_without_preparing_anything(verb: str) -> None:
    done = run_hub(verb, "--help")

    assert done.returncode == 0
    assert done.stdout.startswith(f"./hub {verb}")
    assert f"    ./hub {verb} " in run_hub().stdout


def test_an_unknown_verb_is_a_usage_error() -> None:
    done = run_hub("tset")

    assert done.returncode == 2
    assert "'tset'" in done.stderr


def test_migrations_with_a_gap_are_found(hub: Any) -> None:
    for name in ("0001_ledger.sql", "0003_tracking.sql"):
        (hub.ROOT / "migrations" / name).touch()

    assert hub.tree_problems() == ["migrations are not numbered in a row: [1, 3]"]


def test_two_migrations_with_one_number_are_found(hub: Any) -> None:
    for name in ("0001_ledger.sql", "0001_other.sql"):
        (hub.ROOT / "migrations" / name).touch()

    assert hub.tree_problems() == ["migrations are not numbered in a row: [1, 1]"]


@pytest.mark.parametrize("line", ["--index-url x", "--extra-index-url x", "--find-links x", "a @ https://x/a.whl"])
def test_an_address_in_the_lock_is_found(hub: Any, line: str) -> None:
    hub.LOCK.write_text(f"{line}\n")

    assert hub.tree_problems() == ["requirements.lock holds an address; write it with ./hub lock"]


def test_resolved_addresses_of_npm_are_found(hub: Any) -> None:
    (hub.ROOT / "frontend").mkdir()
    (hub.ROOT / "frontend/package-lock.json").write_text('{"packages": {"node_modules/a": {"resolved": "x"}}}')

    assert hub.tree_problems() == ["frontend/package-lock.json holds resolved addresses"]


OFFLINE = "error: No solution found\n  cause: Because a was not found in the cache\nhint: the network was disabled."
REFUSED = "error: Request failed after 3 retries\n  cause: Connection refused (os error 111)"
NO_SOLUTION = "error: No solution found\n  cause: Because a==1 needs b<2 and you need b>2, we can conclude …"


@pytest.mark.parametrize(
    ("stderr", "ci", "problems"),
    [
        (OFFLINE, "", 0),
        (REFUSED, "", 0),
        (NO_SOLUTION, "", 1),
        (OFFLINE, "true", 1),
        (REFUSED, "true", 1),
    ],
)
def test_without_an_index_only_ci_insists_on_comparing_the_lock(
    hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stderr: str, ci: str, problems: int
) -> None:
    uv = hub.ROOT / "uv"
    uv.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{stderr}\nEND\nexit 1\n")
    uv.chmod(0o755)
    monkeypatch.setattr(hub, "pinned_uv", lambda: str(uv))
    monkeypatch.setenv("CI", ci)

    found = hub.check_lock()

    assert len(found) == problems
    assert problems or "was not compared" in capsys.readouterr().err


def test_a_lock_that_would_come_out_otherwise_is_found(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = hub.ROOT / "uv"
    uv.write_text('#!/bin/sh\nfor last; do :; done\necho "aiohttp==3.15.0" > "$last"\n')
    uv.chmod(0o755)
    monkeypatch.setattr(hub, "pinned_uv", lambda: str(uv))

    assert hub.check_lock() == ["requirements.lock does not fit pyproject.toml: ./hub lock"]


@pytest.mark.parametrize(("here", "found"), [(True, "machine/uvx"), (False, "boot/lent/uvx")])
def test_servers_find_the_uvx_of_the_machine_or_else_the_one_fetched_here_without_its_python(
    hub: Any, monkeypatch: pytest.MonkeyPatch, here: bool, found: str
) -> None:
    for name in ("machine/uvx" if here else "machine/other", "boot/bin/uv", "boot/bin/uvx", "boot/bin/python"):
        program = hub.ROOT / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch(0o755)
    monkeypatch.setattr(hub, "BOOT", hub.ROOT / "boot")
    monkeypatch.setenv("PATH", str(hub.ROOT / "machine"))

    hub.lend_uvx()
    hub.lend_uvx()

    assert shutil.which("uvx") == str(hub.ROOT / found)
    assert shutil.which("python") is None


def test_tests_run_fastest_tier_first_and_none_is_left_out(hub: Any) -> None:
    for folder in ("faults", "unit", "e2e/pages", "brand_new", "support"):
        (hub.ROOT / "tests" / folder).mkdir(parents=True)
    for file in ("faults/test_a.py", "unit/test_a.py", "e2e/pages/test_a.py", "brand_new/test_a.py", "support/a.py"):
        (hub.ROOT / "tests" / file).touch()

    tiers = hub.tiers()

    assert tiers == ["tests/unit", "tests/e2e", "tests/faults", "tests/brand_new"]


def test_a_changed_a_new_and_a_removed_source_are_noticed(hub: Any) -> None:
    source, migration = hub.ROOT / "src/a.py", hub.ROOT / "migrations/0001_a.sql"
    source.touch()
    first = hub.sources()
    migration.touch()
    second = hub.sources()
    os.utime(source, (1, 1))
    third = hub.sources()
    source.unlink()

    assert first != second != third != hub.sources()
