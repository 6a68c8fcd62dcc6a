"""What a list did not show, counted by why."""

from collections.abc import Mapping

from msgspec import Struct


class LeftOut(Struct, frozen=True, omit_defaults=True):
    """Counts by reason. Which items and servers they were follows from `decide` at the position of the request's row.

    Args:
        items: that access hid, of the lists known for the user: reasons of `access.decide`.
        servers: missing as a whole: reasons of `access.decide`, and of those that may be seen why their list could not
            be had (`variables_missing`, `unavailable`, `late`, …).
        stale: servers shown by an older list, by why there was no new one.
    """

    items: Mapping[str, int] = {}
    servers: Mapping[str, int] = {}
    stale: Mapping[str, int] = {}

    @property
    def filtered(self) -> int:
        """Items that access hid."""
        return sum(self.items.values())
