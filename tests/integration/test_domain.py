"""The rules once more, on the ledger in PostgreSQL: what holds in the in-memory twin holds there."""

import psycopg
import pytest

from mcphub.domain.hub import plugged
from mcphub.domain.testing import Scenario
from mcphub.postgres.ledger import Factory
from mcphub.postgres.pool import command_pool
from tests.conftest import drop_database
from tests.support.settings import Settings
from tests.unit import test_groups, test_keys, test_servers, test_sign_in, test_tokens, test_users
from tests.unit.test_groups import *  # noqa: F403
from tests.unit.test_keys import *  # noqa: F403
from tests.unit.test_servers import *  # noqa: F403
from tests.unit.test_sign_in import *  # noqa: F403
from tests.unit.test_tokens import *  # noqa: F403
from tests.unit.test_users import *  # noqa: F403

SUITES = (test_groups, test_keys, test_servers, test_sign_in, test_tokens, test_users)
SIZE_ONLY = "test_5000_servers_are_saved_in_time"  # of the fold and the document, not of the recorder
globals().pop(SIZE_ONLY)

EMPTIED = """
    set session_replication_role = replica;
    truncate ledger;
    update ledger_head set position = 0, recorded_at = '-infinity', hash = sha256('');
    set session_replication_role = origin;
"""


@pytest.fixture(scope="module")
def hub(make_database, template):
    database = make_database(template)
    with command_pool(database.app_dsn) as pool, psycopg.connect(database.admin_dsn, autocommit=True) as admin:
        Factory.use(pool)
        made = plugged("mcphub.postgres.ledger:Factory", {})
        made.empty = lambda: admin.execute(EMPTIED)
        yield made
        made.close()
    drop_database(database)


@pytest.fixture
def scenario(hub):
    hub.empty()
    return Scenario(hub)


@pytest.fixture
def settings(hub):
    hub.empty()
    return Settings(hub)


def test_every_rule_has_a_name_of_its_own():
    """Two suites with one name for two tests: the second would have hidden the first here."""
    names = [name for suite in SUITES for name in vars(suite) if name.startswith("test_") and name != SIZE_ONLY]

    assert sorted(names) == sorted(set(names))
    assert set(names) <= set(globals())
