"""A real Prometheus scrapes a running hub with the configuration of deploy/, and every panel of the dashboard has
something to show.
"""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.ide import Ide, RpcError
from tests.support.rest import Person
from tests.support.running import RunningHub, free_port
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

DEPLOY = Path(__file__).parents[2] / "deploy"
TOKEN = "token-of-the-scraper-0"  # scan:allow
VARIABLES = {"$__rate_interval": "10s", "$instance": ".*", "$server": ".*"}


@dataclass
class Prometheus:
    """The server itself, scraping every second."""

    url: str
    hub: RunningHub
    names: dict[str, str]
    person: Person

    def get(self, path: str, **params: str) -> Any:
        answer = httpx.get(f"{self.url}{path}", params=params, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def ask(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/api/v1/query", query=query)["result"]
        return found

    def up(self) -> bool:
        try:
            return any(float(one["value"][1]) == 1 for one in self.ask("up"))
        except (httpx.TransportError, AssertionError):  # 503 while it starts
            return False


@pytest.fixture(scope="module")
def prometheus(
    make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams
) -> Iterator[Prometheus]:
    if not (program := shutil.which("prometheus")):
        pytest.skip("prometheus is not installed; Debian has a package of that name")
    folder, port, own = tmp_path_factory.mktemp("prometheus"), free_port(), free_port()
    env = {"MCPHUB_METRICS_ADDR": f"0.0.0.0:{port}", "MCPHUB_METRICS_TOKEN": TOKEN}
    hub = RunningHub(make_home(), tmp_path_factory.mktemp("scraped"), env=env)
    process = None
    try:
        hub.start()
        names = {"good": "scraped-good", "gone": "scraped-gone"}
        gone = upstreams.http(names["gone"])
        hub.admin.add_servers({names["good"]: upstreams.http(names["good"]).config(), names["gone"]: gone.config()})
        person = hub.admin.user("scraped")
        process = subprocess.Popen(
            [
                program,
                f"--config.file={configuration(folder, port)}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{own}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("w"),
            env={"PATH": os.environ["PATH"]},
        )
        yield Prometheus(f"http://127.0.0.1:{own}", hub, names, person)
    finally:
        if process is not None:
            process.terminate()
            process.wait(30)
        hub.end()


def configuration(folder: Path, port: int) -> Path:
    """The one of deploy/, with the hub's port, its token and less patience."""
    settings = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    (folder / "token").write_text(TOKEN)
    [job] = settings["scrape_configs"]
    job["scrape_interval"] = "1s"
    job["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
    job["authorization"] = {"credentials_file": str(folder / "token")}
    settings["global"] = {"evaluation_interval": "1s"}
    settings["rule_files"] = [str(DEPLOY / "prometheus" / name) for name in settings["rule_files"]]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


def queries() -> Iterator[tuple[str, str]]:
    """(panel, query) with the dashboard's variables filled in."""
    for panel in json.loads((DEPLOY / "grafana/mcphub.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            yield panel["title"], query


async def use(ide: Ide, prometheus: Prometheus, upstreams: Upstreams) -> None:
    """Calls that succeed and fail, a key that is none, a server that goes."""
    good, gone = prometheus.names["good"], prometheus.names["gone"]
    await ide.tools()
    await ide.call(f"{good}__echo", text="x")
    await ide.call(f"{gone}__echo", text="x")
    next(server for server in upstreams.started if server.name == gone).kill()
    for _ in range(4):
        await ide.call(f"{good}__echo", text="x")
        await ide.call(f"{gone}__echo", text="x")
        with pytest.raises(RpcError):
            await ide.request("tools/call", {"name": "no_such_tool", "arguments": {}})
        stranger = Ide(prometheus.hub.mcp, "mcphub_no_key_at_all")
        await stranger.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        await stranger.http.aclose()
        await asyncio.sleep(1.2)  # the scraper's own pace


async def test_every_panel_has_something_to_show_and_a_server_that_went_is_about_to_be_told(
    prometheus: Prometheus, upstreams: Upstreams
) -> None:
    await until(prometheus.up, within=30, what="the first scrape")
    asked = list(queries())

    def empty() -> list[tuple[str, str]]:
        return [(title, query) for title, query in asked if not prometheus.ask(query)]

    def alerts() -> set[str]:
        return {alert["labels"]["alertname"] for alert in prometheus.get("/api/v1/alerts")["alerts"]}

    async with Ide(f"{prometheus.hub.mcp}?mode=tools", prometheus.person.key()) as ide:
        await use(ide, prometheus, upstreams)
        await until(lambda: not empty(), within=10, what=lambda: f"something for {empty()}")
        await until(lambda: "MCPHubServerFails" in alerts(), within=10, what="an alert that waits for its time")

    [group] = prometheus.get("/api/v1/rules")["groups"]
    assert len(asked) > 40
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
