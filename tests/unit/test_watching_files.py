"""The dashboard and the alerts ask only for what a hub tells, by labels it has; promtool has the last word on both."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mcphub.api.metrics import FAMILIES, OF_THE_PROCESS

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES, TESTS = DEPLOY / "prometheus/mcphub.rules.yml", DEPLOY / "prometheus/mcphub.rules.test.yml"
DASHBOARD = json.loads((DEPLOY / "grafana/mcphub.json").read_text())
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
OF_PROMETHEUS = {"instance", "job"}
METRIC = re.compile(r"\b((?:mcphub|process)_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


def panels() -> Iterator[tuple[str, str]]:
    """(title, query) of every panel."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


QUERIES = [*panels(), *((alert["alert"], alert["expr"]) for alert in ALERTS)]


def labels_of(name: str) -> set[str] | None:
    """The labels a metric has in Prometheus; None for one that no hub tells."""
    if name == "up" or name in OF_THE_PROCESS:
        return OF_PROMETHEUS
    if name in FAMILIES and FAMILIES[name].kind != "histogram":
        return {*FAMILIES[name].labels, *OF_PROMETHEUS}
    stem, _, part = name.rpartition("_")
    if stem in FAMILIES and FAMILIES[stem].kind == "histogram" and part in {"bucket", "sum", "count"}:
        return {*FAMILIES[stem].labels, *OF_PROMETHEUS, *({"le"} if part == "bucket" else ())}
    return None


def faults(query: str) -> list[str]:
    found, known = [], set(OF_PROMETHEUS)
    for name, matchers in METRIC.findall(query):
        labels = labels_of(name)
        if labels is None:
            found.append(f"no hub tells {name}")
            continue
        known |= labels
        found += [f"{name} has no label {label}" for label in MATCHER.findall(matchers) if label not in labels]
    for grouping in GROUPING.findall(query):
        found += [f"nothing in it has {label}" for label in grouping.replace(" ", "").split(",") if label not in known]
    return found


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_asks_for_metrics_and_labels_that_there_are(title: str, query: str) -> None:
    assert faults(query) == []
    assert METRIC.search(query)


@pytest.mark.parametrize(
    "query",
    [
        "rate(mcphub_calls_total[5m])",
        "mcphub_request_added_seconds",
        'mcphub_requests_total{user="ann"}',
        "sum by (tool) (mcphub_requests_total)",
        "histogram_quantile(0.9, sum by (le) (rate(mcphub_loop_lag_seconds_count[5m])))",
    ],
)
def test_a_query_for_something_else_is_found(query: str) -> None:
    assert faults(query) != []


def test_the_bounds_that_queries_name_are_among_those_that_are_counted() -> None:
    from mcphub.metrics import OWN_MS

    named = {bound for _, query in QUERIES for bound in re.findall(r'le="([^"]+)"', query)}

    assert named <= {repr(bound / 1000) for bound in OWN_MS}


def test_each_alert_says_how_bad_it_is_what_is_wrong_and_what_to_do() -> None:
    assert {alert["labels"]["severity"] for alert in ALERTS} == {"critical", "warning"}
    assert all(set(alert["annotations"]) == {"summary", "description"} for alert in ALERTS)


def test_the_panels_lie_side_by_side_and_have_names_of_their_own() -> None:
    shown = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    places = [
        {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        for at in (panel["gridPos"] for panel in shown)
    ]  # fmt: skip

    assert len(set().union(*places)) == sum(map(len, places))
    assert all(at["x"] + at["w"] <= 24 for at in (panel["gridPos"] for panel in shown))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize(
    "command",
    [["check", "config", "prometheus.yml"], ["check", "rules", RULES.name], ["test", "rules", TESTS.name]],
)
def test_promtool_finds_nothing_wrong(command: list[str]) -> None:
    if not (promtool := shutil.which("promtool")):
        pytest.skip("promtool is not installed; it comes with Debian's package prometheus")

    checked = subprocess.run([promtool, *command], cwd=RULES.parent, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_document_names_every_metric() -> None:
    text = (DEPLOY.parent / "docs/observability.md").read_text()

    assert [name for name in FAMILIES if f"`{name}`" not in text] == []
    assert set(re.findall(r"`(mcphub_[a-z_]+)`", text)) - FAMILIES.keys() == set()
