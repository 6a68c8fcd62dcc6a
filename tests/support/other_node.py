"""Another node of the same database that writes many facts at once: python -m tests.support.other_node DSN USER COUNT

Prints the last position.
"""

import sys

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

from mcphub.domain.actor import Meta
from mcphub.domain.codec import LedgerEvent, encode
from mcphub.domain.events import SignedIn, session_tag, user_tag
from mcphub.domain.ids import new_id
from mcphub.postgres.ledger import Ledger
from mcphub.postgres.pool import command_pool

BATCH = 2000
ANYTHING = DCBAppendCondition(DCBQuery([DCBQueryItem(["Never"], ["never:matches"])]), after=None)


def signed_in(user_id: str) -> LedgerEvent:
    session = new_id()
    event = SignedIn(user_id=user_id, session_id=session)
    meta = encode(Meta(actor=user_id, source="ui", request_id=new_id(), command="SignIn"))
    tags = sorted([user_tag(user_id), session_tag(session)])
    return LedgerEvent(type=event.TOPIC, data=encode(event), tags=tags, meta=meta)


def main(dsn: str, user_id: str, count: int) -> None:
    position = 0
    with command_pool(dsn, size=1) as pool:
        ledger = Ledger(pool)
        for _ in range(count // BATCH):
            position = ledger.append([signed_in(user_id) for _ in range(BATCH)], ANYTHING)
    print(position)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
