"""compose.yaml, deploy/Dockerfile and what they refer to; the former against the schema of the Compose specification as
check-jsonschema ships it. That the images work is tests/e2e/test_images.py.
"""

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
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
SCHEMA = json.loads((files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json").read_text())


def faults(document: Any) -> list[str]:
    return [error.message for error in jsonschema_rs.validator_for(SCHEMA).iter_errors(document)]


def in_profile(name: str) -> set[str]:
    return {service for service, said in SERVICES.items() if said["profiles"] == [name]}


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


def test_each_profile_is_complete_and_has_data_of_its_own() -> None:
    volumes = {
        profile: {volume.split(":")[0] for name in in_profile(profile) for volume in SERVICES[name].get("volumes", [])}
        for profile in ("prod", "dev")
    }

    assert in_profile("prod") == {"database", "hub", "web"}
    assert in_profile("dev") == {"dev-database", "dev"}
    assert volumes["prod"] & volumes["dev"] == {"./deploy/database.sh"}
    assert {name for names in volumes.values() for name in names if name[0] != "."} == set(COMPOSE["volumes"])


def test_every_service_says_when_it_is_ready_and_waits_for_what_it_needs() -> None:
    checks = {name: " ".join(service["healthcheck"]["test"]) for name, service in SERVICES.items()}
    waits = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    conditions = {need["condition"] for service in SERVICES.values() for need in service.get("depends_on", {}).values()}

    assert all("pg_isready" in check if "database" in name else "/readyz" in check for name, check in checks.items())
    assert waits == {
        "database": set(),
        "hub": {"database"},
        "web": {"hub"},
        "dev-database": set(),
        "dev": {"dev-database"},
    }
    assert conditions == {"service_healthy"}


def test_what_runs_for_long_is_started_again() -> None:
    assert {SERVICES[name]["restart"] for name in in_profile("prod")} == {"unless-stopped"}


def test_the_hub_and_nginx_have_no_powers_and_write_nowhere_but_where_they_must() -> None:
    for name in ("hub", "web"):
        service = SERVICES[name]

        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert SERVICES["hub"]["volumes"] == ["home:/var/lib/mcphub"]
    assert "volumes" not in SERVICES["web"]


def test_everything_is_published_on_the_loopback_address_only() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert ports == {
        "web": ["127.0.0.1:3000:8080"],
        "dev": ["127.0.0.1:3000:3000", "127.0.0.1:5173:5173"],
    }


def test_the_hub_believes_what_nginx_says_of_the_caller_and_nobody_else() -> None:
    addresses = {name: SERVICES[name]["networks"]["inside"]["ipv4_address"] for name in ("hub", "web")}

    assert addresses == {"hub": "172.29.77.3", "web": "172.29.77.2"}
    assert SERVICES["hub"]["environment"]["MCPHUB_TRUSTED_PROXIES"] == "${MCPHUB_TRUSTED_PROXIES:-172.29.77.2}"
    assert "server hub:3000 " in (ROOT / "deploy/nginx.conf").read_text()


def test_what_the_file_refers_to_exists() -> None:
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    built = [service["build"] for service in SERVICES.values() if "build" in service]

    assert [name for name in mounted if name.startswith("./") and not (ROOT / name).is_file()] == []
    assert {build["dockerfile"] for build in built} == {"deploy/Dockerfile"}
    assert {build["target"] for build in built} <= stages()
    assert all((ROOT / f"{said['env_file']}.example").is_file() for said in SERVICES.values() if "env_file" in said)


def test_the_hub_knows_every_variable_it_is_given() -> None:
    example = (ROOT / "deploy/hub.env.example").read_text()
    names = set(re.findall(r"^([A-Z_]+)=", example, re.M))
    names |= set(SERVICES["hub"]["environment"]) | set(SERVICES["dev"]["environment"])
    names |= set(re.findall(r"\b(MCPHUB_[A-Z_]+)=", DOCKERFILE)) - {"MCPHUB_WEB_OUT"}  # of the interface's build

    assert names - KNOWN - SECRET_FILES == {"DATABASE_URL"}


# the images


def stages() -> set[str]:
    return set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.M))


def test_the_hub_is_what_is_built_when_no_target_is_named() -> None:
    assert re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.M)[-1] == "hub"


def test_images_begin_with_a_version_of_debian_and_end_as_an_ordinary_user() -> None:
    started = [stage for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.M)[1:] if "\nCMD " in stage]

    assert re.search(r"^ARG DEBIAN=debian:\d+\.\d+-slim$", DOCKERFILE, re.M)
    assert set(re.findall(r"^FROM (\S+) AS", DOCKERFILE, re.M)) <= {"${DEBIAN}", *stages()}
    assert len(started) == 3
    assert all(re.findall(r"^USER (\d+):(\d+)$", stage, re.M) for stage in started)


def test_the_image_copies_only_what_is_there() -> None:
    copied = [
        word
        for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.M)
        if "--from" not in line
        for word in line.split()
    ]
    kept = (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines()
    paths = [word for word in copied if not word.startswith("--")]

    assert {"src", "migrations", "requirements.lock", "frontend"} <= set(paths)
    assert [name for name in paths if not (ROOT / name).exists() or f"!{name.split('/')[0]}" not in kept] == []


def test_no_secret_and_nothing_built_here_gets_into_an_image() -> None:
    kept = (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines()

    assert kept[0] == "*"
    assert {"deploy/*.env", "frontend/node_modules", "src/api/static"} <= set(kept)


def test_the_image_uses_the_uv_that_writes_the_lock() -> None:
    version = re.search(r'^UV_VERSION = "(.*)"$', (ROOT / "hub").read_text(), re.M)

    assert version is not None
    assert f"uv=={version[1]} " in (ROOT / "deploy/tools.lock").read_text()
