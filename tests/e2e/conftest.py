"""Fixtures of the end-to-end tier: hubs started by their own command, real servers behind and real clients in front.

`hub` is one hub for the whole run: every test makes users, servers and keys of its own on it and leaves it lived in.
Tests that stop, kill or configure a hub take one from `start_hub`.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support import peers
from tests.support.recorder import Recorder
from tests.support.rest import Admin, Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams

NUMBERS = itertools.count(1)


class StartHub(Protocol):
    def __call__(self, *, demo: bool = False, home: Path | None = None, **env: str) -> RunningHub: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The replay of the lived-in hub comes when it has been lived in."""
    here = [at for at, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    last = sorted((items[at] for at in here), key=lambda item: item.path.name == "test_replay.py")
    for at, item in zip(here, last, strict=True):
        items[at] = item


@pytest.fixture(scope="session")
def recorder() -> Iterator[Recorder]:
    """What every test server of this run received."""
    made = Recorder()
    yield made
    made.close()


@pytest.fixture(scope="session")
def upstreams(recorder: Recorder) -> Iterator[Upstreams]:
    made = Upstreams(recorder)
    yield made
    made.end()


@pytest.fixture(scope="session")
def hub(
    make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams
) -> Iterator[RunningHub]:
    """The hub of this run; it ends before the servers behind it."""
    running = RunningHub(make_home(), tmp_path_factory.mktemp("hub"), env={"PATH": peers.path_with_uvx()})
    try:
        yield running.start()
    finally:
        running.end()


@pytest.fixture
def start_hub(make_home: Callable[[], Path], tmp_path: Path, upstreams: Upstreams) -> Iterator[StartHub]:
    """Starts hubs of this test's own; `env` are variables of their environment."""
    started: list[RunningHub] = []

    def start(*, demo: bool = False, home: Path | None = None, **env: str) -> RunningHub:
        started.append(RunningHub(home or make_home(), tmp_path, env=env, demo=demo))
        return started[-1].start()

    yield start
    for running in started:
        running.end()


@pytest.fixture
def admin(hub: RunningHub) -> Admin:
    """The administrator of `hub`."""
    return hub.admin


@pytest.fixture
def fresh_name() -> Callable[[str], str]:
    """Names nobody else on the shared hub has: users, servers and groups of one test."""
    return lambda stem: f"{stem}-{next(NUMBERS)}"


@pytest.fixture
def make_user(admin: Admin, fresh_name: Callable[[str], str]) -> Callable[[str], Person]:
    """New users of `hub`, signed in."""
    return lambda stem: admin.user(fresh_name(stem))


@pytest.fixture
def serve(admin: Admin) -> Iterator[Callable[..., None]]:
    """Adds entries to `hub`'s settings document by one save; they are removed after the test."""
    added: list[str] = []

    def add(servers: dict[str, dict[str, Any]]) -> None:
        added.extend(servers)
        admin.add_servers(servers)

    yield add
    admin.remove_servers(*added)


@pytest.fixture(scope="session")
def npm_peers() -> Path:
    """Where npm's peers are installed."""
    return peers.npm_peers()


@pytest.fixture(scope="session")
def time_server() -> Path:
    """The program of PyPI's mcp-server-time."""
    return peers.time_server()
