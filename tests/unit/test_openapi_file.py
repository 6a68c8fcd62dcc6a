"""What the user interface's types are made from is what the API says of itself now."""

from pathlib import Path

import msgspec

from mcphub.api.openapi_file import openapi_file

FRONTEND = Path(__file__).parents[2] / "frontend"


def test_the_description_the_types_come_from_is_the_apis_own() -> None:
    same = (FRONTEND / "openapi.json").read_bytes() == openapi_file()

    assert same, "frontend/openapi.json is stale: ./hub fix"


def test_no_part_of_the_hub_is_taken_for_a_parameter() -> None:
    assert b'"name": "services"' not in openapi_file()


def test_every_operation_says_whom_it_is_for() -> None:
    described = msgspec.json.decode(openapi_file())["paths"]
    said = {op["operationId"]: op["x-audience"] for methods in described.values() for op in methods.values()}

    assert set(said.values()) == {"public", "user", "auditor", "admin"}
    assert (said["login"], said["saveVariables"], said["whoCould"], said["makeUser"]) == (
        *("public", "user", "auditor", "admin"),
    )
