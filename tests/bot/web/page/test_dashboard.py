"""The dashboard in a browser: what it reads, what it works out, and what it draws."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.bot.web.page.conftest import Open
from tests.bot.web.page.test_theme import CONTRASTS

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 320, "height": 640}
POLL_MS = 2000
IDLE = """
process_start_time_seconds 1000
process_resident_memory_bytes 2.5e+08
sonneteer_build_info{version="9.8.7"} 1.0
sonneteer_rows_running 0.0
sonneteer_rows_waiting 0.0
"""


class Bot:
    """Answers for /metrics in the bot's place."""

    def __init__(self) -> None:
        self.figures = IDLE
        self.refusal: str | None = None
        self.gone = False

    async def answer(self, route: Route) -> None:
        if self.gone:
            await route.abort()
        elif self.refusal is not None:
            await route.fulfill(status=403, json={"error": self.refusal})
        else:
            await route.fulfill(body=self.figures, content_type="text/plain; version=0.0.4")


class Dashboard:
    """The page, on a clock that a test moves, and the figures that it gets."""

    def __init__(self, page: Page, bot: Bot) -> None:
        self.page = page
        self.bot = bot

    async def hear(self, figures: str, *, times: int = 1) -> None:
        """Let the page poll so often, with these figures beside the idle ones."""
        self.bot.figures = IDLE + figures
        for _ in range(times):
            await self.poll()

    async def poll(self) -> None:
        """Wait for one more poll, to be drawn."""
        panels = self.page.locator("#panels")
        before = int(await panels.get_attribute("data-polls") or 0)
        await self.page.clock.run_for(POLL_MS)
        await expect(panels).to_have_attribute("data-polls", str(before + 1))

    def panel(self, title: str) -> Any:
        return self.page.locator(".panel", has=self.page.locator(f"h3:text('{title}')"))


@pytest_asyncio.fixture(loop_scope="session")
async def dashboard(read: Open) -> Any:
    async def open_it(**options: Any) -> Dashboard:
        reader = await read(path=None, alone=True, **options)
        bot, page = Bot(), reader.page
        await page.clock.install(time=2000)
        await page.clock.pause_at(2001)
        await page.route("**/metrics", bot.answer)
        await page.goto(f"{reader.url}/dashboard")
        await expect(page.locator("#panels")).to_have_attribute("data-polls", "1")
        return Dashboard(page, bot)

    return open_it


async def work_out(read: Open, script: str) -> Any:
    """Evaluate a script that has what dashboard.figures.js and dashboard.panels.js export."""
    reader = await read(path=None)
    await reader.page.goto(f"{reader.url}/favicon.svg")  # anything of the site: no page is needed
    return await reader.page.evaluate(
        f"""async () => {{
            const {{ History, quantile, readFigures }} = await import("/dashboard.figures.js");
            const panels = await import("/dashboard.panels.js");
            const {{ axisOf, spanOf }} = await import("/dashboard.chart.js");
            {script}
        }}"""
    )


async def test_figures_are_read_with_whatever_their_labels_hold(read: Open) -> None:
    read_figures = await work_out(
        read,
        r"""
        const text = [
            "# HELP a_total Words { } \" here.", "# TYPE a_total counter",
            'a_total{why="a \\"b\\" {c}, d=\\"e\\"",how="\\\\n\\n"} 1.5e+03',
            'a_bucket{le="+Inf"} 2.0', "b 3 1700000000", "c +Inf", "", "no figure",
        ].join("\n");
        return readFigures(text).map(({ name, labels, value }) =>
            [name, labels, value === Infinity ? "infinite" : value]);
        """,
    )
    assert read_figures[:4] == [
        ["a_total", {"why": 'a "b" {c}, d="e"', "how": "\\n\n"}, 1500],
        ["a_bucket", {"le": "+Inf"}, 2],
        ["b", {}, 3],
        ["c", {}, "infinite"],
    ]


@pytest.mark.parametrize(
    ("share", "counts", "seconds"),
    [
        (0.5, [0, 10, 10, 10], 0.3),  # in the middle of (0.1, 0.5]
        (0.95, [0, 10, 10, 10], 0.48),
        (0.5, [10, 10, 10, 10], 0.05),  # the first bucket begins at nothing
        (0.5, [5, 5, 10, 10], 0.1),  # just at a bound
        (0.9, [0, 0, 0, 4], 1.0),  # above all bounds nothing is known
        (0.5, [0, 0, 0, 0], None),
        (0.5, [], None),
    ],
)
async def test_a_percentile_lies_within_its_bucket(
    read: Open, share: float, counts: list[int], seconds: float | None
) -> None:
    found = await work_out(
        read,
        f"""
        const bounds = [0.1, 0.5, 1.0, Infinity];
        const buckets = {counts}.map((count, index) => ({{ bound: bounds[index], count }}));
        const found = quantile({share}, buckets);
        return Number.isNaN(found) ? null : found;
        """,
    )
    assert found == (None if seconds is None else pytest.approx(seconds))


HEAR = """
const history = new History(1800);
let time = 0;
const hear = (value, start = 1) => history.add((time += 10_000), readFigures(
    `process_start_time_seconds ${start}\\n` + (value === null ? "" : `x_total{k="v"} ${value}`)));
const rates = () => history.times.map((_, index) => history.rate("x_total", {}, index, 10))
    .map((rate) => Number.isNaN(rate) ? null : rate);
"""


async def test_a_rate_is_of_what_a_counter_rose_by(read: Open) -> None:
    rates = await work_out(
        read, f"{HEAR} [100, 150, 150, 170].forEach((v) => hear(v)); return rates()"
    )
    assert rates == [None, 5, 0, 2]


async def test_a_restart_is_no_fall(read: Open) -> None:
    """What is counted after it counts, even where it has overtaken what was before."""
    fell = await work_out(read, f"{HEAR} [100, 110, 30].forEach((v) => hear(v)); return rates()")
    assert fell == [None, 1, 3]
    overtook = await work_out(read, f"{HEAR} hear(100); hear(110); hear(150, 2); return rates()")
    assert overtook == [None, 1, 15]


async def test_a_counter_that_comes_later_began_at_nothing(read: Open) -> None:
    rates = await work_out(
        read, f"{HEAR} hear(null); hear(null); hear(20); hear(20); return rates()"
    )
    assert rates == [None, 0, 2, 0]


async def test_nothing_is_made_up_for_the_time_when_nothing_was_heard(read: Open) -> None:
    rates = await work_out(
        read,
        f"{HEAR} hear(1); hear(11); history.miss(time += 10_000); hear(500); hear(510);"
        "return rates()",
    )
    assert rates == [None, 1, None, None, 1]


async def test_half_an_hour_is_kept_and_no_more(read: Open) -> None:
    kept = await work_out(
        read,
        """
        const history = new History(1800);
        for (let time = 0; time <= 4_000_000; time += 2_000) {
            history.add(time, readFigures(`a ${time}\\nb_total{c="${time % 5}"} ${time}`));
        }
        const lengths = [...history.series.values()].map(({ values }) => values.length);
        return [history.times[0], history.times.length, [...new Set(lengths)]];
        """,
    )
    assert kept == [2_200_000, 901, [901]]


async def test_an_axis_has_round_ticks_and_room_for_all(read: Open) -> None:
    axes = await work_out(
        read,
        """
        const most = [0, 1e-9, 0.04, 1, 2.9, 3, 7, 99, 100.5, 1e12];
        return most.flatMap((value) =>
            [true, false].map((whole) => ({ value, whole, ...axisOf(value, whole) })));
        """,
    )
    for axis in axes:
        assert axis["top"] >= axis["value"]
        assert len(axis["ticks"]) <= 4
        assert not axis["whole"] or all(tick == int(tick) for tick in axis["ticks"])
        assert axis["value"] == 0 or axis["whole"] or axis["top"] <= 4 * axis["value"]


async def test_figures_are_written_as_people_say_them(read: Open) -> None:
    written = await work_out(
        read,
        """
        const { formatSeconds, formatBytes, formatNumber, formatDuration, plain } = panels;
        return [
            [0, 0.00066, 0.0123, 0.9999, 1.26, 45, 5400, NaN].map(formatSeconds),
            [2.45e8, 1.5e9, NaN].map(formatBytes),
            [0, 0.25, 9.96, 12.4, 12345.6, NaN].map(formatNumber),
            [0, 59, 3600, 90061, NaN].map(formatDuration),
            ["cut_off", "QueueFull", "complete"].map(plain),
        ];
        """,
    )
    assert written == [
        ["0", "0.66 ms", "12 ms", "1 s", "1.3 s", "45 s", "1 h 30 min", "–"],
        ["245 MB", "1.50 GB", "–"],
        ["0", "0.3", "10", "12", "12,346", "–"],
        ["0 min", "0 min", "1 h 0 min", "1 d 1 h", "–"],
        ["cut off", "queue full", "complete"],
    ]


async def test_what_there_is_stands_at_the_top(dashboard: Any) -> None:
    board = await dashboard()
    await board.hear(
        'sonneteer_requests_total{door="web",outcome="complete"} 7\n'
        'sonneteer_requests_total{door="web",outcome="cut_off"} 1\n'
        'sonneteer_requests_total{door="web",outcome="QueueFull"} 2\n'
        'sonneteer_discord_shard_up{shard="0"} 1\nsonneteer_discord_shard_up{shard="1"} 0\n'
    )
    facts = await board.page.locator("#vitals dd").all_text_contents()
    assert facts == ["9.8.7", "16 min", "8", "2", "1 of 2 shards up"]


async def test_poems_are_drawn_by_what_became_of_them(dashboard: Any) -> None:
    board = await dashboard()
    for count in range(35):
        await board.hear(
            f'sonneteer_requests_total{{door="web",outcome="complete"}} {count}\n'
            f'sonneteer_requests_total{{door="discord",outcome="complete"}} {count}\n'
            f'sonneteer_requests_total{{door="web",outcome="QueueFull"}} {count}\n'
        )
    panel = board.panel("Poems per minute")
    await expect(panel.locator(".legend li")).to_have_text(["complete 60", "queue full 30"])
    await expect(panel.locator(".headline")).to_have_text("90")
    assert await panel.locator("polygon").count() == 2
    label = await panel.get_by_role("img").get_attribute("aria-label")
    assert label == "Poems per minute: complete 60, queue full 30."


async def test_a_panel_without_figures_says_so(dashboard: Any) -> None:
    board = await dashboard()
    waiting = board.panel("Time to first text").locator(".untold")
    await expect(waiting).to_have_text("Collecting data…")
    await board.hear("", times=36)
    await expect(waiting).to_have_text("No poem in the last 30 minutes.")
    shards = board.panel("Shards").locator(".untold")
    await expect(shards).to_have_text("Not connected to Discord.")
    mute = await board.page.evaluate(
        "[...document.querySelectorAll('.body')].filter((e) => !e.textContent.trim()).length"
    )
    assert mute == 0


async def test_a_shard_that_is_down_is_told_from_one_that_is_up(dashboard: Any) -> None:
    board = await dashboard()
    await board.hear(
        'sonneteer_discord_shard_up{shard="10"} 0\nsonneteer_discord_shard_up{shard="2"} 1\n'
        'sonneteer_discord_shard_latency_seconds{shard="2"} 0.123\n'
        'sonneteer_discord_connects_total{how="identified",shard="2"} 1\n'
        'sonneteer_discord_connects_total{how="resumed",shard="2"} 4\n'
        'sonneteer_discord_disconnects_total{shard="2",why="1006"} 3\n'
        'sonneteer_discord_disconnects_total{shard="2",why="4000"} 2\n'
        'sonneteer_discord_sessions_lost_total{shard="10"} 1\n'
    )
    cells = await board.panel("Shards").locator("td").all_text_contents()
    assert cells[:7] == ["2", "up", "123 ms", "1", "4", "5", "0"]
    assert cells[7:] == ["10", "down", "–", "0", "0", "0", "1"]


async def test_that_the_bot_is_gone_is_said_until_it_is_back(dashboard: Any) -> None:
    board = await dashboard()
    trouble = board.page.locator("#trouble")
    await expect(trouble).to_be_hidden()
    board.bot.gone = True
    await board.poll()
    await expect(trouble).to_have_text("Sonneteer is not reachable. Retrying every two seconds.")
    board.bot.gone = False
    await board.poll()
    await expect(trouble).to_be_hidden()
    pieces = board.panel("Memory").locator("polyline")
    assert await pieces.count() == 2  # before and after, and nothing between


async def test_a_refusal_is_shown_in_the_bots_own_words(dashboard: Any) -> None:
    board = await dashboard()
    board.bot.refusal = "Metrics are available only on this machine <b>."
    await board.poll()
    await expect(board.page.locator("#trouble")).to_have_text(board.bot.refusal)


async def test_labels_are_text_and_never_markup(dashboard: Any) -> None:
    board = await dashboard()
    await board.hear(
        'sonneteer_discord_shard_up{shard="0"} 1\n'
        'sonneteer_discord_disconnects_total{shard="0",why="<img src=x onerror=alert(1)>"} 1\n'
        'sonneteer_training_jobs_total{outcome="<b>done</b>"} 1\n',
        times=2,
    )
    assert await board.page.locator("#panels :is(img, b:not(.legend b))").count() == 0
    await expect(board.panel("Finished trainings").locator("dt")).to_have_text("<b>done</b>")


async def test_pointing_at_a_chart_reads_a_moment_in_all_of_them(dashboard: Any) -> None:
    board = await dashboard(viewport={"width": 1400, "height": 2000})
    for megabytes in (100, 200, 300, 400):
        await board.hear(
            f"process_resident_memory_bytes {megabytes}e6\nprocess_open_fds {megabytes}\n"
        )
    headlines = [board.panel(title).locator(".headline") for title in ("Memory", "Open files")]
    await expect(headlines[0]).to_have_text("400 MB")
    plot = await board.panel("Memory").locator(".plot").bounding_box()
    now = plot["x"] + plot["width"] - 6
    minute = (plot["width"] - 66) / 2
    await board.page.mouse.move(now - minute * 4 / 60, plot["y"] + 60)
    await expect(headlines[0]).to_have_text("200 MB")
    await expect(headlines[1]).to_have_text("200")
    await board.page.mouse.move(2, 2)
    await expect(headlines[0]).to_have_text("400 MB")


async def test_a_phone_never_scrolls_the_dashboard_sideways(dashboard: Any) -> None:
    board = await dashboard(viewport=PHONE)
    await board.hear(
        'sonneteer_discord_shard_up{shard="0"} 1\n'
        + "".join(f'sonneteer_requests_total{{outcome="{"Long" * n}"}} 1\n' for n in range(1, 12)),
        times=12,
    )
    assert await board.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("look", ["light", "dark"])
async def test_text_of_the_dashboard_stands_out_from_its_ground(dashboard: Any, look: str) -> None:
    """WCAG 2.2 asks for a contrast of 4.5."""
    board = await dashboard(color_scheme=look)
    await board.hear(
        'sonneteer_discord_shard_up{shard="0"} 1\nsonneteer_discord_shard_up{shard="1"} 0\n',
        times=2,
    )
    contrasts = await board.page.evaluate(CONTRASTS)
    assert len(contrasts) > 40
    # Of drawn text the colour is its fill, which is the colour of the chart: tested with it.
    assert {name: value for name, value in contrasts if value < 4.5} == {}
