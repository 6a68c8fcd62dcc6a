"""No secret in the tracked tree. A line that must look like one, as a fixture does, says `scan:allow`."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcphub.domain import keys
from tests.support.tracked import tracked

ROOT = Path(__file__).parents[2]
ALLOW = "scan:allow"

PATTERNS = {
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})",
    "GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{20,}",
    "AWS key id": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "AWS secret key": r"(?i)aws_?secret(?:_?access)?_?key\W{1,5}[A-Za-z0-9/+]{40}\b",
    "Google API key": r"\bAIza[A-Za-z0-9_-]{35}",
    "API key": r"\bsk-[A-Za-z0-9_-]{32,}",
    "npm or PyPI token": r"\b(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,})",
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "JWT": r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}",
    "password in a URL": r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"`]*:(?!(?i:password|secret|\.\.\.|…|\*+)@)[^\s/:@'\"`<>{}$%]+@",
    "MCPHub key": r"\bmcphub_[0-9A-Za-z]{38}\b",
}
COMPILED = {name: re.compile(pattern) for name, pattern in PATTERNS.items()}
PRIVATE_FILES = re.compile(r"(?:^|/)(?:\.env|id_(?:rsa|ecdsa|ed25519)|master\.key|pg\.password|.*\.(?:pem|p12|pfx))$")


def secrets_in(text: str) -> Iterator[tuple[int, str]]:
    """(line number, kind) of whatever looks like a secret; the secret itself is never part of a report."""
    for number, line in enumerate(text.splitlines(), 1):
        if ALLOW not in line:
            for kind, pattern in COMPILED.items():
                if any(kind != "MCPHub key" or keys.well_formed(found[0]) for found in pattern.finditer(line)):
                    yield number, kind


def test_the_tracked_tree_holds_no_secret() -> None:
    names = tracked()

    found = [
        f"{name}:{line}: {kind}"
        for name in names
        for line, kind in secrets_in((ROOT / name).read_bytes().decode("utf-8", "replace"))
    ]

    assert len(names) > 50
    assert found == []


def test_no_file_that_is_private_by_its_name_is_tracked() -> None:
    assert [name for name in tracked() if PRIVATE_FILES.search(name)] == []


# Put together here, so that this file itself holds none.
SECRETS = {
    "GitHub token": "ghp" + "_" + "a1B2" * 9,
    "GitLab token": "glpat" + "-" + "a1B2" * 5,
    "Slack token": "xoxb" + "-" + "1234567890-abcdefghij",
    "AWS key id": "AKIA" + "ABCDEFGHIJKLMNOP",
    "AWS secret key": "aws_secret_access_key" + " = " + "a1B2" * 10,
    "Google API key": "AIza" + "a1B2c" * 7,
    "API key": "sk" + "-ant-" + "a1B2" * 8,
    "npm or PyPI token": "npm" + "_" + "a1B2" * 9,
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "JWT": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0." + "a1B2" * 6,
    "password in a URL": "postgresql://hub:" + "hunter2" + "@db/mcphub",
    "MCPHub key": keys.new_key(),
}


@pytest.mark.parametrize("kind", PATTERNS)
def test_each_kind_of_secret_is_found_where_it_stands(kind: str) -> None:
    text = f"# nothing here\nvalue = '{SECRETS[kind]}'\n"

    assert list(secrets_in(text)) == [(2, kind)]


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_marked_line_is_a_fixture(kind: str) -> None:
    assert list(secrets_in(f"value = '{SECRETS[kind]}'  # scan:allow")) == []


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:password@host/name",
        "postgresql://hub:{PASSWORD}@db/mcphub",
        "postgresql://hub:${PASSWORD}@db/mcphub",
        "http://127.0.0.1:3000/mcp",
        "mcphub_" + "a" * 38,  # the checksum does not fit
        "Authorization: Bearer mcphub_…",
    ],
)
def test_what_only_resembles_a_secret_passes(text: str) -> None:
    assert list(secrets_in(text)) == []
