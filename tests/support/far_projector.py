"""A projector on another machine, which is a network namespace here: python -m tests.support.far_projector DSN LOCK

It runs until it is killed.
"""

import asyncio
import sys

from mcphub.projections import projector
from tests.support.dying_projector import projections


async def main(dsn: str, lock: int) -> None:
    projector.LEADER_LOCK = lock  # another one than the others' for one that leads whatever they do
    running = projector.Projector(dsn, projections())
    running.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
