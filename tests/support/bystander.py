"""A process that does nothing but sleep a little, again and again: how late it wakes is the machine's doing.

Run as `python -m tests.support.bystander`; prints the worst lateness in milliseconds once its input closes.
"""

import select
import sys
import time

EVERY_S = 0.01


def main() -> None:
    worst = 0.0
    while True:
        asked = time.monotonic()
        if select.select([sys.stdin], [], [], EVERY_S)[0]:
            break
        worst = max(worst, time.monotonic() - asked - EVERY_S)
    print(round(worst * 1000, 1))


if __name__ == "__main__":
    main()
