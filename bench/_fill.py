"""Many users in a home whose hub is stopped: python _fill.py HOME SERVER USERS; prints the keys of the first ten.

Each is registered, given a key and a saved value by the hub's own commands, as the command line runs them, without a
password. Only the disk is not waited for.
"""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from _hub import secret_of

from mcphub.api.auth.accounts import NewAccount
from mcphub.cli.shared import operator
from mcphub.domain.actor import acting
from mcphub.domain.ids import new_id
from mcphub.domain.keys import IssueKey, new_key
from mcphub.domain.tokens import SaveValues, SealedValue
from mcphub.domain.vault import masked
from mcphub.foundation import Foundation
from mcphub.gateway.values import PURPOSE, place
from mcphub.settings import read

SHOWN = 10
VARIABLE = "SERVICE_TOKEN"


async def main(home: Path, server: str, users: int) -> None:
    os.environ["PGOPTIONS"] = "-c synchronous_commit=off"
    async with Foundation(read({}, home=home)) as base:
        with base.pool.connection() as db:
            found = db.execute("select server_id::text from read.servers where name = %s", (server,)).fetchone()
        if found is None:
            raise SystemExit(f"the hub has no server {server}")
        server_id = str(found[0])

        def make(number: int) -> str:
            with acting(operator()):
                account = NewAccount(base.vault, f"filled-{number}", None)
                base.hub.execute(account.register)
                key = new_key()
                body = key.removeprefix("mcphub_")
                made = IssueKey(
                    account.user_id,
                    new_id(),
                    datetime.now(UTC),
                    name="bench",
                    days=30,
                    digest=base.vault.key_digest(key),
                    shown=(body[:4], body[-4:]),
                )
                base.hub.execute(lambda: made)
                value = secret_of(number)
                where = place(account.user_id, server_id, VARIABLE)
                data_key, sealed = base.vault.seal_new(account.user_id, PURPOSE, where, value)
                print_of = base.vault.fingerprint(value)
                saved = SealedValue(server_id, VARIABLE, data_key, sealed, masked(value), print_of)
                base.hub.execute(lambda: SaveValues(account.user_id, [saved]))
            return key

        with ThreadPoolExecutor(4) as pool:
            keys = list(pool.map(make, range(users)))
    print("\n".join(keys[:SHOWN]))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
