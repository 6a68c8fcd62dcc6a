"""What Prometheus is told, and who else."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mcphub.api.metrics import FAMILIES, OF_THE_PROCESS, Scrape
from mcphub.api.metrics_port import MetricsPort
from mcphub.gateway.upstream.runtime import RuntimeInfo, ServerStatus
from tests.support.api import problem, running_api

TOKEN = "a-token-of-sixteen-or-more"  # scan:allow


def told(text):
    """Metric and labels → value."""
    families = text_string_to_metric_families(text)
    return {(sample.name, *sorted(sample.labels.items())): sample.value for one in families for sample in one.samples}


async def asked(app, path="/metrics", method="GET", **headers):
    """(status, text) of an ASGI application."""
    said = []

    async def send(message):
        said.append(message)

    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await app({"type": "http", "method": method, "path": path, "headers": sent}, None, send)
    return said[0]["status"], said[1]["body"].decode()


async def test_an_administrator_reads_what_the_hub_counts_and_measures(api):
    admin, user = await api.user("admin", admin=True), await api.user("bob")
    await admin.post("/api/servers", {"name": "git", "config": {"command": "npx", "args": ["x"]}})
    git = api.services.model.settings.by_name("git").server_id
    api.gateway.statuses[git] = ServerStatus(state="error", since=1.0)
    api.gateway.open = [
        RuntimeInfo(
            id=str(leases), server_id=git, user_id=None, session_id="", kind="stdio", pid=1, opened_at=0, last_used=0,
            in_flight=leases,
        )
        for leases in (0, 0, 2)
    ]  # fmt: skip
    api.services.metrics.ended("git", "tools/call", "Completed", "", 12.0, 3.0, 8.0)
    api.services.metrics.ended("git", "tools/call", "Completed", "tool_error", 2.0, 0.0, 1.5)

    answer, refused = await admin.get("/metrics"), await user.get("/metrics")

    found = told(answer.text)
    assert problem(refused) == (403, "admin_required")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    call = (("kind", "call"),)
    assert found["mcphub_requests_total", *call, ("outcome", "completed"), ("server", "git")] == 1
    assert found["mcphub_requests_total", *call, ("outcome", "tool_error"), ("server", "git")] == 1
    assert found["mcphub_upstream_duration_seconds_sum", *call, ("server", "git")] == pytest.approx(0.0095)
    assert found["mcphub_request_wait_seconds_sum", ("server", "git")] == pytest.approx(0.003)
    assert found["mcphub_request_added_seconds_sum", *call] == pytest.approx(0.0015)
    assert found["mcphub_request_added_seconds_bucket", *call, ("le", "0.0005")] == 1
    assert found["mcphub_request_added_seconds_bucket", *call, ("le", "0.001")] == 2
    assert found["mcphub_server_failing", ("server", "git")] == 1
    assert found["mcphub_servers", ("state", "error")] == 1
    assert found["mcphub_upstream_runtimes", ("state", "idle"), ("transport", "stdio")] == 2
    assert found["mcphub_upstream_runtimes", ("state", "busy"), ("transport", "stdio")] == 1
    assert found["mcphub_projection_lag_facts", ("table", "servers")] == 0
    assert found["mcphub_database_connections", ("application", "mcphub-commands")] >= 1
    assert found["mcphub_history_rows_waiting",] == 7
    assert found["mcphub_ledger_position",] == api.services.tail.position


async def test_what_is_told_is_what_the_table_of_metrics_names_and_nothing_of_users(api):
    admin = await api.user("admin", admin=True)

    text = (await admin.get("/metrics")).text

    names = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
    assert names == FAMILIES.keys() | OF_THE_PROCESS
    assert admin.user_id not in text
    assert {sample for sample in told(text) if {"user", "tool", "key"} & {name for name, _ in sample[1:]}} == set()


async def test_a_table_that_stands_still_and_a_database_that_is_away_are_told(api):
    admin = await api.user("admin", admin=True)
    async with api.services.read.connection() as db:
        await db.execute("update public.tracking set status = 'failed' where name = 'groups'")
    scrape = Scrape(api.services)

    still = (await scrape.look()).values
    await api.services.read.close()
    away = (await scrape.look()).values

    assert still["mcphub_projection_parked"]["groups",] == 1
    assert still["mcphub_database_up"][()] == 1
    assert away["mcphub_database_up"][()] == 0
    assert away["mcphub_projection_parked"] == {}
    assert away["mcphub_servers"] != {}
    assert (await admin.get("/metrics")).status_code == 200


async def test_a_reader_may_have_it_in_the_form_of_openmetrics(api):
    admin = await api.user("admin", admin=True)

    answer = await admin.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


async def test_the_port_of_metrics_answers_who_names_this_machine_and_nothing_but_metrics(api):
    port = MetricsPort(api.services.settings, Scrape(api.services))

    here, rebound, post, other = [
        await asked(port, host="127.0.0.1:9464"),
        await asked(port, host="evil.example"),
        await asked(port, host="localhost", method="POST"),
        await asked(port, "/api/servers", host="localhost"),
    ]

    assert here[0] == 200
    assert "mcphub_build_info" in here[1]
    assert [status for status, _ in (rebound, post, other)] == [401, 405, 404]
    assert "mcphub_" not in rebound[1]


async def test_with_a_token_the_port_of_metrics_asks_for_it_whatever_the_host(database, home):
    env = {"MCPHUB_METRICS_ADDR": "0.0.0.0:9464", "MCPHUB_METRICS_TOKEN": TOKEN}
    async with running_api(database.app_dsn, home, env) as api:
        port = MetricsPort(api.services.settings, Scrape(api.services))

        answers = [
            await asked(port, host="127.0.0.1"),
            await asked(port, host="hub.example", authorization="Bearer another-token-of-some"),
            await asked(port, host="hub.example", authorization=f"Basic {TOKEN}"),
            await asked(port, host="hub.example", authorization=f"Bearer {TOKEN}"),
        ]

    assert [status for status, _ in answers] == [401, 401, 401, 200]
