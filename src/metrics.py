"""What the hub counts while it works: plain numbers, which `api/metrics.py` puts into words when somebody asks.

Labels are bounded whatever clients send: a server's slug (so many of them, then `other`), a class of methods, how it
ended, and the hub's own reason codes. Never a user, a tool, a key or anything of a payload.

Not the library's own counters: one of its observations takes 1.7 µs and this one 0.3 (Python 3.11), five times a call,
and to import it takes 70 ms of a start. For one thread, the event loop's.
"""

import re
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import TypeVar

from mcphub.domain.codec import Recorded

Key = TypeVar("Key", bound=Hashable)

MOST_SERVERS, MOST_REASONS = 200, 64
OTHER = "other"
REASON = re.compile(r"[a-z][a-z0-9_]{0,39}")
TOOL_ERROR = "tool_error"  # how a call ended that was answered, and with an error of the tool itself

# method → its class
KINDS = {
    "tools/call": "call",
    "tasks/result": "call",
    "tools/list": "list",
    "prompts/list": "list",
    "resources/list": "list",
    "resources/templates/list": "list",
    "prompts/get": "read",
    "resources/read": "read",
    "completion/complete": "read",
    "initialize": "session",
    "server/discover": "session",
    "subscriptions/listen": "session",
    "resources/subscribe": "session",
    "resources/unsubscribe": "session",
    "logging/setLevel": "session",
    "ping": "session",
}

# Upper bounds in milliseconds. What the hub adds is promised to stay below 0.8 and 1.5.
OWN_MS = (0.25, 0.5, 0.8, 1.0, 1.5, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0)
REQUEST_MS = (
    *(1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0),
    *(1_000.0, 2_500.0, 5_000.0, 10_000.0, 30_000.0, 60_000.0, 120_000.0),
)
QUICK_MS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0)


class Histogram:
    """Counts by upper bound; the last one is of what is above all of them. Milliseconds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        if value < 0.0:  # two clocks; a sum that falls would be taken for a restart
            value = 0.0
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> "Histogram":
        """As it stands, for another thread."""
        made = Histogram(self.bounds)
        made.counts, made.total = list(self.counts), self.total
        return made


class Way:
    """Requests to one server, of one class, that ended alike."""

    __slots__ = ("added", "count", "duration", "upstream", "wait")

    def __init__(self, duration: Histogram, added: Histogram, wait: Histogram, upstream: Histogram) -> None:
        self.count = 0
        self.duration = duration
        self.added = added
        self.wait = wait
        self.upstream = upstream


class Metrics:
    """One for a process.

    Args:
        known: is this the slug of a server? Asked once for each.
    """

    def __init__(self, known: Callable[[str], bool] = lambda _: True) -> None:
        self._known = known
        self._servers: set[str] = set()  # that have a label of their own
        self.ways: dict[tuple[str, str, str], Way] = {}  # (server, class, outcome)
        self.reasons: Counter[tuple[str, str]] = Counter()  # (outcome, reason)
        self.durations: dict[str, Histogram] = {}  # class
        self.added: dict[str, Histogram] = {}  # class
        self.waits: dict[str, Histogram] = {}  # server
        self.upstreams: dict[tuple[str, str], Histogram] = {}  # (server, class)
        self.connects: dict[tuple[str, str], Histogram] = {}  # (server, outcome)
        self.authentications: dict[str, Histogram] = {}  # outcome
        self.visible: dict[str, Histogram] = {}  # to whom
        self.loop_late = Histogram(QUICK_MS)

    # what the hub says as it works

    def ended(
        self,
        server: str,
        method: str,
        outcome: str,
        reason: str,
        took: float,
        wait: float | None,
        upstream: float | None,
    ) -> None:
        """The one end of a request; times in milliseconds, the last two None when it went to no server.

        What the hub added is the rest of them: its decisions, the row, both ways through its code, and the time the
        request waited for others of its user.
        """
        kind = KINDS.get(method, OTHER)
        if reason:
            if reason == TOOL_ERROR:
                outcome = TOOL_ERROR
            self._reason(outcome, reason)
        way = self.ways.get((server, kind, outcome))
        if way is None:
            way = self._way(self._server(server), kind, outcome)
        way.count += 1
        way.duration.observe(took)
        if upstream is not None:
            waited = wait or 0.0
            way.upstream.observe(upstream)
            way.wait.observe(waited)
            way.added.observe(took - upstream - waited)

    def connected(self, server: str, outcome: str, took: float) -> None:
        """A process was started or a connection opened; `outcome` is `opened`, `failed` or `refused`."""
        _kept(self.connects, (self._server(server), outcome), REQUEST_MS).observe(took)

    def authenticated(self, outcome: str, took: float) -> None:
        """A key was looked at: `accepted`, `refused`, or `undecided` when that was not to be told."""
        _kept(self.authentications, outcome, QUICK_MS).observe(took)

    def shown(self, to: str, took: float) -> None:
        """A fact reached the `decisions` or the `read_tables`, so long after it was recorded."""
        _kept(self.visible, to, REQUEST_MS).observe(took)

    def late(self, took: float) -> None:
        """So much later than it was meant to did the event loop come back."""
        self.loop_late.observe(took)

    def forget(self, there: Collection[str]) -> None:
        """Servers that are gone leave their places to others.

        Args:
            there: slugs of the servers there are.
        """
        gone = self._servers.difference(there)
        self._servers -= gone
        for by_server in (self.ways, self.upstreams, self.connects):
            for key in [key for key in by_server if key[0] in gone]:
                del by_server[key]  # type: ignore[arg-type]  # of its own
        for slug in gone:
            self.waits.pop(slug, None)

    # bounds

    def _server(self, slug: str) -> str:
        if slug in self._servers or not slug:
            return slug
        if len(self._servers) >= MOST_SERVERS or not self._known(slug):
            return OTHER
        self._servers.add(slug)
        return slug

    def _reason(self, outcome: str, reason: str) -> None:
        key = (outcome, reason)
        if key not in self.reasons and (len(self.reasons) >= MOST_REASONS or not REASON.fullmatch(reason)):
            key = (outcome, OTHER)
        self.reasons[key] += 1

    def _way(self, server: str, kind: str, outcome: str) -> Way:
        way = self.ways.get((server, kind, outcome))
        if way is None:
            way = self.ways[server, kind, outcome] = Way(
                _kept(self.durations, kind, REQUEST_MS),
                _kept(self.added, kind, OWN_MS),
                _kept(self.waits, server, REQUEST_MS) if server else Histogram(REQUEST_MS),
                _kept(self.upstreams, (server, kind), REQUEST_MS) if server else Histogram(REQUEST_MS),
            )
        return way


class FactTimes:
    """How long facts take until they count and until they can be read; by the clocks of PostgreSQL and this machine.

    Args:
        shown: told where they came, and after how many milliseconds.
    """

    REMEMBERED = 10_000  # facts that the read tables do not show yet

    def __init__(self, shown: Callable[[str, float], None]) -> None:
        self._shown = shown
        self._on_the_way: deque[tuple[int, float]] = deque(maxlen=self.REMEMBERED)  # (position, recorded at)

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """A sink of the tail, behind all that decide."""
        now = time.time()
        for recorded in facts:
            at = recorded.at.timestamp()
            self._shown("decisions", (now - at) * 1000)
            self._on_the_way.append((recorded.position, at))

    def tables_advanced(self, position: int) -> None:
        """The read tables are so far."""
        now = time.time()
        while self._on_the_way and self._on_the_way[0][0] <= position:
            self._shown("read_tables", (now - self._on_the_way.popleft()[1]) * 1000)


def _kept(kept: dict[Key, Histogram], key: Key, bounds: Sequence[float]) -> Histogram:
    found = kept.get(key)
    if found is None:
        found = kept[key] = Histogram(bounds)
    return found
