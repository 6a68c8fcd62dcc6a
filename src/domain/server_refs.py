"""How groups name servers.

Each way to name one is kept once, and groups have its number: so a rename, which every group that means the server
takes part in, is said once, however many groups there are.
"""

from collections.abc import Container, Iterable

from mcphub.domain.events import ServerRef


class ServerRefs:
    """Numbers, from 0, and the references they stand for now."""

    def __init__(self) -> None:
        self._refs: list[ServerRef] = []
        self._numbers: dict[ServerRef, int] = {}  # of what may be named anew; a former name is another reference

    def numbers(self, refs: Iterable[ServerRef]) -> tuple[int, ...]:
        """Of references as a fact writes them."""
        known = self._numbers
        return tuple([known[ref] if ref in known else self._number(ref) for ref in refs])

    def of(self, numbers: Iterable[int]) -> list[ServerRef]:
        return [self._refs[number] for number in numbers]

    def rename(self, former: str, now: ServerRef, living: Container[str]) -> None:
        """Whatever means the server is this reference from now on: it has its id, or that of a server that is gone and
        the name that this one had.

        Args:
            living: ids of servers.
        """
        meant = [
            number
            for number, ref in enumerate(self._refs)
            if ref.server_id == now.server_id or (ref.name == former and ref.server_id not in living)
        ]
        for number in meant:
            self._numbers.pop(self._refs[number], None)
            self._refs[number] = now
        if meant:
            self._numbers[now] = meant[-1]

    def branch(self) -> "ServerRefs":
        """The same, to go on by itself."""
        branch = ServerRefs()
        branch._refs, branch._numbers = list(self._refs), dict(self._numbers)
        return branch

    def _number(self, ref: ServerRef) -> int:
        self._numbers[ref] = number = len(self._refs)
        self._refs.append(ref)
        return number
