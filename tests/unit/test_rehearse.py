"""deploy/rehearse.py reads the Dockerfile as it is; that it does so to a good end is tests/e2e/test_images.py."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "deploy"))

from rehearse import DOCKERFILE, ignored, needed, stages_of  # noqa: E402

STAGES = stages_of(DOCKERFILE.read_text())
KNOWN = {"ARG", "CMD", "COPY", "ENV", "EXPOSE", "RUN", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}


def test_it_knows_every_instruction_of_the_dockerfile() -> None:
    assert {word for stage in STAGES.values() for word, _ in stage.steps} <= KNOWN


def test_stages_come_in_the_order_they_are_needed() -> None:
    assert [stage.name for stage in needed(STAGES, "hub")] == ["tools", "ui", "package", "hub"]
    assert [stage.name for stage in needed(STAGES, "web")] == ["tools", "ui", "web"]
    assert STAGES["hub"].base == "debian:13.8-slim"


def test_lines_that_go_on_are_one_step_and_comments_in_between_are_none() -> None:
    stages = stages_of("ARG B=x\nFROM ${B} AS a\n# c\nRUN one \\\n    # not this\n    && two\nUSER 1:2\n")

    assert stages["a"].base == "x"
    assert stages["a"].steps == [("RUN", "one && two"), ("USER", "1:2")]


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("src/mcphub/settings.py", False),
        ("src/mcphub/__pycache__/settings.pyc", True),
        ("src/api/static/index.html", True),
        ("deploy/hub.env", True),
        ("deploy/hub.env.example", False),
        ("frontend/node_modules/x", True),
        (".git/config", True),
        ("tests/unit/test_rehearse.py", True),
    ],
)
def test_what_the_image_must_not_hold_is_not_copied(path: str, out: bool) -> None:
    patterns = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()

    assert ignored(path, patterns) is out
