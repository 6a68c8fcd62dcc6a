"""What the interface promises beside its pages: its own unit tests pass, it keeps to its weight, and it knows every
problem the hub can answer with, in both languages.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import problem_codes

ROOT = Path(__file__).parents[2]
FRONTEND = ROOT / "frontend"
BUILT = ROOT / "src" / "api" / "static" / ".vite" / "manifest.json"


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("node")
    if program is None or not (FRONTEND / "node_modules" / ".mcphub-stamp").exists():
        pytest.skip("the interface's tools are not installed: ./hub lint installs them")
    return subprocess.run([program, *arguments], cwd=FRONTEND, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
def test_the_units_of_the_interface_pass_their_tests() -> None:
    done = node("node_modules/vitest/vitest.mjs", "run")

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert re.search(r"Tests.*[1-9]\d* passed", done.stdout)


def test_the_built_interface_keeps_to_its_weight() -> None:
    if not BUILT.exists():
        pytest.skip("the interface is not built: ./hub up or ./hub test builds it")

    done = node("scripts/budget.mjs")

    assert done.returncode == 0, done.stderr


def said(language: str, feature: str, block: str) -> set[str]:
    """The codes that a block of texts has sentences for."""
    text = (FRONTEND / "src" / "i18n" / language / f"{feature}.ts").read_text()
    (inside,) = re.findall(rf"^const {block}\b[^{{]*\{{\n(.*?)^\}};", text, re.S | re.M)
    return set(re.findall(r"^  ([a-z_]+):", inside, re.M))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_problem_of_the_hub_has_a_sentence(language: str) -> None:
    assert problem_codes.of_problems() - said(language, "errors", "codes") == set()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_finding_in_a_settings_document_has_a_sentence(language: str) -> None:
    assert problem_codes.of_findings() - said(language, "config", "findings") == set()


def test_codes_are_found_wherever_the_hub_writes_them() -> None:
    ways = {
        "admin_required",  # of a problem
        "unknown_field",  # said by name
        "last_admin",  # of a refusal
        "body_too_large",  # of a refusal in a room of its own
        "masked_value",  # of a field, from a table
        "bad_cursor",  # of a field
        "not_a_member",  # of a refused sign-in
    }

    assert ways - problem_codes.of_problems() == set()
    assert {"duplicate_key", "type_conflict", "literal_secret"} - problem_codes.of_findings() == set()


def test_features_do_not_import_each_other() -> None:
    """What two need stands in `components`, `lib` or `app`. The start page alone asks another feature."""
    wrong = []
    for file in sorted((FRONTEND / "src" / "features").rglob("*.ts*")):
        own = file.relative_to(FRONTEND / "src" / "features").parts[0]
        others = set(re.findall(r"@/features/([\w-]+)", file.read_text())) - {own}
        wrong += [f"{file.relative_to(FRONTEND)} imports {other}" for other in sorted(others)]

    assert wrong == []


def test_only_the_wrappers_know_the_library_behind_them() -> None:
    allowed = {"components/ui", "components/time.tsx", "app/palette.tsx"}
    users = [
        str(file.relative_to(FRONTEND / "src"))
        for file in sorted((FRONTEND / "src").rglob("*.tsx"))
        if "@base-ui/" in file.read_text()
    ]

    assert [name for name in users if not any(name.startswith(start) for start in allowed)] == []
