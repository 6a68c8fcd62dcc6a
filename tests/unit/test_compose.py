"""compose.yaml and what it refers to, against the schema of the Compose specification as check-jsonschema ships it."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from mcphub.settings import KNOWN, SECRET_FILES

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SCHEMA = json.loads((files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json").read_text())


def faults(document: Any) -> list[str]:
    return [error.message for error in jsonschema_rs.validator_for(SCHEMA).iter_errors(document)]


def test_the_file_fits_the_compose_specification() -> None:
    assert faults(COMPOSE) == []


@pytest.mark.parametrize(
    "change",
    [
        {"services": {"hub": {"imagee": "mcphub"}}},
        {"services": {"hub": {"healthcheck": {"interval": 10}}}},
        {"services": {"hub": {"depends_on": {"database": {"condition": "healthy"}}}}},
        {"volume": {}},
    ],
)
def test_the_schema_notices_mistakes(change: dict[str, Any]) -> None:
    assert faults(change) != []


def test_every_service_says_when_it_is_ready() -> None:
    hub, database = COMPOSE["services"]["hub"], COMPOSE["services"]["database"]

    assert "/readyz" in " ".join(hub["healthcheck"]["test"])
    assert "pg_isready" in database["healthcheck"]["test"]
    assert hub["depends_on"] == {"database": {"condition": "service_healthy"}}


def test_the_hub_is_published_on_the_loopback_address_only() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]

    assert ports == ["127.0.0.1:3000:3000"]


def test_what_the_file_refers_to_exists() -> None:
    hub, database = COMPOSE["services"]["hub"], COMPOSE["services"]["database"]
    mounted = [volume.split(":")[0] for service in (hub, database) for volume in service["volumes"]]

    assert (ROOT / hub["build"]["dockerfile"]).is_file()
    assert {name for name in mounted if not name.startswith("./")} == set(COMPOSE["volumes"])
    assert [name for name in mounted if name.startswith("./") and not (ROOT / name).is_file()] == []
    assert all((ROOT / f"{service['env_file']}.example").is_file() for service in (hub, database))


def test_the_hub_knows_every_variable_it_is_given() -> None:
    example = (ROOT / "deploy/hub.env.example").read_text()
    names = set(re.findall(r"^([A-Z_]+)=", example, re.M)) | set(COMPOSE["services"]["hub"]["environment"])

    assert names - KNOWN - SECRET_FILES == {"DATABASE_URL"}


def test_the_image_copies_only_what_is_there() -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.M) for word in line.split()]
    ignored = (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines()

    assert {"src", "migrations", "requirements.lock"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists() or f"!{name}" not in ignored] == []


def test_the_image_uses_the_uv_that_writes_the_lock() -> None:
    version = re.search(r'^UV_VERSION = "(.*)"$', (ROOT / "hub").read_text(), re.M)

    assert version is not None
    assert f"uv=={version[1]}" in (ROOT / "deploy/Dockerfile").read_text()
