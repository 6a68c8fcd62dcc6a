"""Fixtures of this tier."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.support.api import Api, running_api


@pytest.fixture
async def api(database: Database, home: Path) -> AsyncIterator[Api]:
    """The management API on a database of its own, with nobody in it."""
    async with running_api(database.app_dsn, home) as running:
        yield running
