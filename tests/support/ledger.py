"""A ledger in PostgreSQL to tell things to, and connections of others to cut."""

import threading
from contextlib import contextmanager

import psycopg
from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem
from eventsourcing.dcb.domain import Tagged

from mcphub.domain.actor import acting, system
from mcphub.domain.codec import JsonMapper
from mcphub.domain.hub import plugged
from mcphub.postgres.ledger import Factory
from mcphub.postgres.pool import command_pool

ANYTHING = DCBAppendCondition(DCBQuery([DCBQueryItem([], ["never:matches"])]), after=None)
SLOW = """
    select ledger_append('[{"types":[],"tags":["never"]}]', null, array[gen_random_uuid()], array['UserActivated'],
        array['user:slow'], array['{"actor":"slow"}'], array['{"type":"UserActivated","user_id":"slow"}'])
"""


class Teller:
    """Records facts, and runs commands, in one database."""

    def __init__(self, database, pool):
        self.database = database
        Factory.use(pool)
        self.hub = plugged("mcphub.postgres.ledger:Factory", {})
        self.recorder = self.hub.recorder

    def tell(self, *facts):
        """Appends the facts at once; returns the position of the last."""
        mapper = JsonMapper()
        with acting(system("test")):
            return self.recorder.append(
                [mapper.to_dcb_event(Tagged(tags=list(tags), decision=event)) for event, tags in facts], ANYTHING
            )

    def run(self, build, **how):
        with acting(system("test")):
            return self.hub.execute(build, **how)

    def cut(self, application):
        """Ends the connections of that name, as a failover does; returns how many there were."""
        with psycopg.connect(self.database.admin_dsn, autocommit=True) as db:
            return db.execute(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where application_name = %s and datname = current_database()",
                (application,),
            ).fetchone()[0]

    @contextmanager
    def slow_append(self):
        """An append that has its position and is not committed inside the block; committed at its end."""
        with psycopg.connect(self.database.app_dsn) as db:
            db.execute(SLOW)
            yield
            db.commit()

    def in_thread(self, *facts):
        thread = threading.Thread(target=self.tell, args=facts)
        thread.start()
        return thread


@contextmanager
def telling(database):
    with command_pool(database.app_dsn) as pool:
        teller = Teller(database, pool)
        yield teller
        teller.hub.close()
