"""The page of figures: who may open it, and that what it asks for is counted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bot.core.metrics import Metrics
from bot.web.page import FOLDER
from tests.bot.web.conftest import Serve

ROOT = Path(__file__).resolve().parents[3]
GRAFANA = ROOT / "deploy" / "grafana-dashboard.json"
ALERTS = ROOT / "deploy" / "alerts.yml"
PARTS = sorted(FOLDER.glob("dashboard.*"))
OF_THE_PLATFORM = {  # what the Discord door counts
    "sonneteer_discord_shard_up",
    "sonneteer_discord_shard_latency_seconds",
    "sonneteer_discord_connects_total",
    "sonneteer_discord_disconnects_total",
    "sonneteer_discord_sessions_lost_total",
    "sonneteer_discord_http_requests_total",
    "sonneteer_discord_rate_limits_total",
    "sonneteer_discord_repeated_events_total",
    "sonneteer_discord_unreadable_events_total",
}
NAME = re.compile(r"\b(?:sonneteer|process)_[a-z0-9_]+")
KINDS = {"histogram": ("", "_bucket", "_count", "_sum"), "counter": ("_total",), "info": ("_info",)}


def counted() -> set[str]:
    """Return every name that a query may use."""
    metrics = Metrics().registry.collect()
    return OF_THE_PLATFORM | {
        metric.name + ending for metric in metrics for ending in KINDS.get(metric.type, ("",))
    }


def queries() -> list[str]:
    """Return the queries of the Grafana dashboard, its variables' included."""
    dashboard = json.loads(GRAFANA.read_text("utf-8"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    targets = [target["expr"] for panel in panels for target in panel["targets"]]
    return [*targets, *(str(each["query"]) for each in dashboard["templating"]["list"])]


async def test_the_dashboard_is_for_loopback_unless_the_figures_are_public(serve: Serve) -> None:
    proxied = {"X-Forwarded-For": "127.0.0.1"}
    client = await serve()
    async with client.get("/dashboard") as response:
        assert response.status == 200
        assert response.content_type == "text/html"
    async with client.get("/dashboard", headers=proxied) as response:
        assert response.status == 403
        assert "only on this machine" in (await response.json())["error"]
    client = await serve(metrics_public=True)
    async with client.get("/dashboard", headers=proxied) as response:
        assert response.status == 200


async def test_the_dashboard_has_one_address(serve: Serve) -> None:
    client = await serve()
    async with client.get("/dashboard.html") as response:
        assert response.status == 404


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
async def test_the_dashboard_needs_no_other_host_and_nothing_inline(part: Path) -> None:
    text = part.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//cdn|<style| style=| onclick|setAttribute\(.style", text)


def test_every_figure_that_the_page_draws_is_counted() -> None:
    text = (FOLDER / "dashboard.panels.js").read_text("utf-8")
    text += (FOLDER / "dashboard.figures.js").read_text("utf-8")
    assert len(set(NAME.findall(text))) > 20
    assert set(NAME.findall(text)) <= counted()


def test_every_figure_that_grafana_asks_for_is_counted() -> None:
    names = {name for query in queries() for name in NAME.findall(query)}
    assert len(names) > 20
    assert names <= counted()


def test_every_figure_that_an_alert_asks_for_is_counted() -> None:
    names = set(NAME.findall(ALERTS.read_text("utf-8")))
    assert len(names) > 5
    assert names <= counted()


def test_grafana_shows_what_the_page_shows() -> None:
    page = set(NAME.findall((FOLDER / "dashboard.panels.js").read_text("utf-8")))
    grafana = {name.removesuffix("_bucket") for q in queries() for name in NAME.findall(q)}
    assert page <= grafana


def test_no_two_panels_of_grafana_share_a_number_or_a_place() -> None:
    panels: list[dict[str, Any]] = json.loads(GRAFANA.read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
