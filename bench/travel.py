"""How long a state of the past takes: the first one, and those near it, beside a raw scan of the ledger.

./hub bench travel [EVENTS]
"""

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from rebuild import copied, fill

from mcphub.domain.access import AccessModel
from mcphub.domain.state import SECTIONS, state_of
from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.migrate import migrate, migrations_folder
from mcphub.postgres.pool import command_pool
from mcphub.projections.history import History

BACK = (0, 100, 5_000, 12_345)  # facts before the head


def timed(what: str, work: Callable[[], Any]) -> Any:
    clock, cpu = time.perf_counter(), time.process_time()
    found = work()
    print(f"{what:42} {time.perf_counter() - clock:8.3f} s   {time.process_time() - cpu:8.3f} s CPU of the hub")
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    home = Path(tempfile.mkdtemp(prefix="mcphub-bench-"))
    server = EmbeddedPostgres(home)
    server.open()
    try:
        migrate(server.dsn("mcphub_owner"), migrations_folder())
        dsn = server.dsn("mcphub_app")
        os.environ["PGOPTIONS"] = "-c synchronous_commit=off"
        fill(dsn, count)
        print(
            f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()}"
        )
        with psycopg.connect(dsn, autocommit=True) as db:
            timed(f"raw COPY of {count:,} facts", lambda: copied(db))
        with command_pool(dsn, size=1) as pool:
            history = History(pool, AccessModel)
            now = history.moment(None)
            timed("state of now, cold", lambda: history.ask(now.position, lambda model: len(model.users)))
            for back in BACK:
                position = now.position - back
                ask = lambda position=position: history.ask(position, lambda model: len(model.users))  # noqa: E731
                timed(f"state {back:,} facts earlier", ask)
            timed("time to position", lambda: history.moment(now.recorded_at))
            history.forget()
            timed("state half-way, cold", lambda: history.ask(count // 2, lambda model: len(model.users)))
            for name in SECTIONS:
                timed(f"all {name} of it", lambda name=name: history.ask(
                    count // 2, lambda model: state_of(model, now.at, sections=[name])
                ))  # fmt: skip
    finally:
        server.close()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
