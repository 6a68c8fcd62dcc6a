"""`frontend/openapi.json`: the description of the API that the user interface's types are made from.

`python -m mcphub.api.openapi_file --write` writes it, `--check` says whether it is stale.

It is that of `/api/openapi.json` but for the version, so that a release alone changes no generated file. No database is
needed: routes are described, not served.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from mcphub.api.app import put_together
from mcphub.api.described import describe

FILE = Path(__file__).parents[2] / "frontend" / "openapi.json"
# What handlers ask for by name is no parameter of a request, whatever it is.
NAMES = """
    services signer guard passwords throttle links providers flows arrivals people catalog values upkeep env_scheduler
    keyring requests history past undo rehearsal why table_work health scrape
""".split()


def openapi_file() -> bytes:
    """JSON with sorted keys and a newline at the end."""
    described = describe(put_together({name: _giver() for name in NAMES}, _nobody, "development"))
    return msgspec.json.format(msgspec.json.encode(described, order="sorted", enc_hook=str), indent=2) + b"\n"


def _giver() -> Callable[[], None]:
    """One for each name, as a provider is known by itself; nothing is served."""
    return lambda: None


def _nobody(*_: Any) -> None:
    """Nobody asks."""


def main(arguments: list[str]) -> int:
    now = openapi_file()
    if arguments == ["--write"]:
        FILE.write_bytes(now)
    elif not FILE.exists() or FILE.read_bytes() != now:
        print("frontend/openapi.json is not what the API says of itself now: ./hub fix", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
