"""Writes `events/NAME.jsonl`: the tour of every event type as the hub exports it today.

    python -m tests.golden.write NAME

Run it when an event type was added, and commit the file. A file that is there is never written again: its lines are
what hubs have in their ledgers.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import psycopg

from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.migrate import migrate, migrations_folder
from mcphub.postgres.transfer import export
from tests.support.ledger import telling
from tests.support.life import TOUR, Life

FOLDER = Path(__file__).parent / "events"


def main(name: str) -> None:
    home = Path(tempfile.mkdtemp(prefix="mcphub-golden-"))
    server = EmbeddedPostgres(home)
    server.open()
    try:
        migrate(server.dsn("mcphub_owner"), migrations_folder())
        with telling(SimpleNamespace(app_dsn=server.dsn("mcphub_app"))) as teller:
            Life(teller.hub).run(TOUR)
        with psycopg.connect(server.dsn("mcphub_ro"), autocommit=True) as db:
            lines = [line + b"\n" for line in export(db)]
        with open(FOLDER / f"{name}.jsonl", "xb") as file:
            file.writelines(lines)
    finally:
        server.close()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
