"""The cog for Red-DiscordBot without Red: what it asks of Sonneteer, and what it shows.

Sonneteer is the real web server with a fake engine. `test_red.py` loads the cog into Red.
"""

from __future__ import annotations

import asyncio
import doctest
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import web

from bot.core.errors import ShuttingDown
from bot.core.records import FORMS, FREE
from integrations.red import sonneteer
from integrations.red.sonneteer import api, messages
from integrations.red.sonneteer.api import (
    BadAddress,
    NoAnswer,
    NotSonneteer,
    Poem,
    PoemRequest,
    Refused,
    SonneteerClient,
    SonneteerError,
    read_address,
    read_answer,
    read_poem,
)
from integrations.red.sonneteer.messages import escape, poem_messages, read_request
from tests.bot.web.conftest import serving
from tests.fakes import VERSE, FakeEngine, fake_service

FOLDER = Path(sonneteer.__file__).parent
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def client() -> AsyncIterator[SonneteerClient]:
    client = SonneteerClient()
    yield client
    await client.close()


@asynccontextmanager
async def answering(answer: Answering) -> AsyncIterator[str]:
    """Serve something that is no Sonneteer; gives its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


# What is sent


@pytest.mark.parametrize(
    ("typed", "request_"),
    [
        ("", PoemRequest()),
        ("the old pond", PoemRequest("the old pond")),
        ("--form Haiku the old pond", PoemRequest("the old pond", form="haiku")),
        ("--FORM=haiku --model Sea-Songs\nO", PoemRequest("O", form="haiku", model="Sea-Songs")),
        ("--form", PoemRequest("--form")),
        ("--lines 4 the sea", PoemRequest("--lines 4 the sea")),
        ("the --form haiku", PoemRequest("the --form haiku")),
    ],
)
def test_options_stand_before_the_seed(typed: str, request_: PoemRequest) -> None:
    assert read_request(typed) == request_


def test_the_longest_seed_fits_into_what_sonneteer_takes() -> None:
    body = PoemRequest("🌹" * 10_000, "sonnet", "m" * 100).body()
    assert len(json.dumps(body)) < 64 * 1024


def test_the_forms_are_those_of_sonneteer() -> None:
    assert set(messages.FORMS) == {*FORMS, FREE}


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "http://"),
        ("ftp://example.org", "http://"),
        ("localhost:8080", "http://"),
        ("file:///etc/passwd", "http://"),
        ("http://ann:secret@example.org", "password"),
        ("http://ann@example.org", "password"),
        ("http://example.org/?key=1", "first ?"),
        ("http://example.org/#top", "first ?"),
        ("http://exam ple.org", "space"),
        ("http://example.org/`x`", "space"),
        ("http://example.org\n", ""),
        ("http://bücher.example", "space"),
        ("http://", "http://"),
        ("http://:8080", "the name"),
        ("http://[::1", "the name"),
        ("http://example.org:0", "port"),
        ("http://example.org:99999", "port"),
        ("http://example.org/" + "a" * 300, "300"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_the_reason(
    typed: str, problem: str
) -> None:
    if not problem:  # white space around it does no harm
        assert read_address(typed) == "http://example.org"
        return
    with pytest.raises(BadAddress) as refusal:
        read_address(typed)
    assert problem in str(refusal.value)
    assert "secret" not in str(refusal.value)


# What comes back


async def test_a_poem_comes_from_the_real_web_server(client: SonneteerClient) -> None:
    engine = FakeEngine()
    async with serving(fake_service(engine)) as address:
        poem = await client.write(address, PoemRequest("The sea", "quatrain", "sea-songs"))
        assert await client.models(address) == ("sonnets", "sea-songs")
    assert poem == Poem("The sea" + VERSE, "A Title", "sea-songs", 7, ())
    assert engine.engine_requests[0].settings.form == "quatrain"


async def test_refusals_come_with_sonneteers_sentence(client: SonneteerClient) -> None:
    engine = FakeEngine()
    async with serving(fake_service(engine)) as address:
        with pytest.raises(Refused, match="form is 'ode'; it must be") as wrong:
            await client.write(address, PoemRequest(form="ode"))
        with pytest.raises(Refused, match="no model called 'x'") as unknown:
            await client.write(address, PoemRequest(model="x"))
        with pytest.raises(Refused, match="nothing at this address"):
            await client.write(f"{address}/elsewhere", PoemRequest())
        engine.full = True
        with pytest.raises(Refused, match="The queue is full") as full:
            await client.write(address, PoemRequest())
        engine.full, engine.failure = False, ShuttingDown()
        with pytest.raises(Refused, match="about to restart"):
            await client.write(address, PoemRequest())
        engine.failure = RuntimeError("a fault")
        with pytest.raises(Refused, match="admin this ID") as fault:
            await client.write(address, PoemRequest())
    assert (wrong.value.status, unknown.value.status, fault.value.status) == (400, 404, 500)
    assert (full.value.status, full.value.retry_seconds) == (503, 30)
    assert str(full.value).lower().count("try again") == 1


async def test_a_limit_of_one_address_is_told_as_one_of_the_bot(client: SonneteerClient) -> None:
    async with serving(fake_service(), poems_per_minute=1) as address:
        await client.write(address, PoemRequest())
        with pytest.raises(Refused, match=r"from this bot\. Try again in \d+ s\.") as refusal:
            await client.write(address, PoemRequest())
    assert refusal.value.status == 429


@pytest.mark.parametrize(
    ("status", "headers", "raw", "kind"),
    [
        (200, {}, b"<html>", NotSonneteer),
        (200, {}, b"[1]", NotSonneteer),
        (200, {}, b"[" * 100_000, NotSonneteer),
        (200, {}, b"\xff\xfe", NotSonneteer),
        (204, {}, b"", NotSonneteer),
        (301, {"Location": "http://127.0.0.1/"}, b"", NotSonneteer),
        (401, {}, b"password?", NotSonneteer),
        (404, {}, b"{}", NotSonneteer),
        (404, {}, b'{"error": {"code": 1}}', NotSonneteer),
        (502, {}, b"<html>", NoAnswer),
        (504, {}, b"", NoAnswer),
        (418, {}, b'{"error": "No."}', Refused),
    ],
)
def test_whatever_answers_gets_a_sentence(
    status: int, headers: dict[str, str], raw: bytes, kind: type[SonneteerError]
) -> None:
    with pytest.raises(kind) as error:
        read_answer(status, headers, raw)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("5", 5), ("0", 1), ("999999999999999", 3600), ("soon", None), ("-1", None), ("٣", None)],
)
def test_the_wait_is_read_if_it_is_a_number(header: str, seconds: int | None) -> None:
    with pytest.raises(Refused) as refusal:
        read_answer(503, {"Retry-After": header}, b'{"error": "Full."}')
    assert refusal.value.retry_seconds == seconds
    assert (f"in {seconds} s" in str(refusal.value)) is (seconds is not None)


@pytest.mark.parametrize("text", [None, "", " \n", 7, ["a"]])
def test_an_answer_without_a_poem_is_no_poem(text: object) -> None:
    with pytest.raises(NotSonneteer):
        read_poem({"text": text})


def test_wrong_values_beside_the_text_are_left_out() -> None:
    poem = read_poem(
        {"text": "a\ud800", "title": 1, "notes": ["one", 2, None], "ending": "cancelled"}
    )
    assert poem == Poem("a?", "", "", 0, ("one", "Stopped early."))


# What does not answer


async def test_nobody_there_is_told_without_the_address(client: SonneteerClient) -> None:
    async with serving(fake_service()) as gone:
        pass
    for address in (gone, "http://..", "http://" + "a" * 70):
        with pytest.raises(NoAnswer, match="does not answer") as error:
            await client.models(address)
        assert address not in str(error.value)


async def test_an_answer_that_does_not_come_is_not_waited_for_for_ever() -> None:
    client, asked = SonneteerClient(poem_seconds=0.1), asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with answering(silent) as address:
        with pytest.raises(NoAnswer, match=r"within 0\.1 s"):
            await client.write(address, PoemRequest())
    assert asked.is_set()
    await client.close()


async def test_an_answer_without_end_is_given_up(client: SonneteerClient) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None:
            await response.write(bytes(2**16))
        return response

    async with answering(endless) as address:
        with pytest.raises(NotSonneteer, match="more than"):
            await client.models(address)


async def test_an_answer_that_breaks_off_is_no_answer(client: SonneteerClient) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"text": ')
        assert request.transport is not None
        request.transport.abort()
        return response

    async with answering(broken) as address:
        with pytest.raises(NoAnswer):
            await client.models(address)


async def test_a_redirect_is_not_followed(client: SonneteerClient) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/other"})

    async with answering(elsewhere) as address:
        with pytest.raises(NotSonneteer, match="leads to another address"):
            await client.write(address, PoemRequest("secret"))
    assert asked == ["/api/poems"]


async def test_after_closing_nothing_is_asked(client: SonneteerClient) -> None:
    await client.close()
    with pytest.raises(NoAnswer):
        await client.models("http://127.0.0.1:1")


# What is shown


def test_no_mark_of_markdown_is_left_alive() -> None:
    live = (
        "# a\n## b\n- c\n + d\n1. e\n-# f\n> g\n*h* _i_ ~~j~~ ||k|| `l` <@1> @everyone :m: [n](o)\\"
    )
    assert escape(live) == (
        "\\# a\n\\#\\# b\n\\- c\n \\+ d\n1\\. e\n\\-\\# f\n\\> g\n\\*h\\* \\_i\\_ \\~\\~j\\~\\~ "
        "\\|\\|k\\|\\| \\`l\\` \\<\\@1\\> \\@everyone \\:m: \\[n](o)\\\\"
    )
    assert escape("so - and 2.5: a - b\nYes.") == "so - and 2.5: a - b\nYes."


def test_a_poem_has_its_title_above_and_its_model_below() -> None:
    poem = Poem("one\n\ntwo", "On *It*", "sonnets", 7, ())
    assert poem_messages(["one", "\n\ntwo"], poem) == [
        "### On \\*It\\*\none",
        "two\n-# sonnets · random seed 7",
    ]


def test_no_message_is_longer_than_discord_takes() -> None:
    for mark in "*🌹":
        poem = Poem(mark, mark * 900, mark * 900, 10**300, (mark * 900,))
        longest = poem_messages([mark * messages.PIECE_CHARACTERS], poem)
        assert [len(text.encode("utf-16-le")) // 2 <= 2000 for text in longest] == [True]


@pytest.mark.parametrize("module", [api, messages])
def test_the_examples_are_true(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


# What Red reads of the folder


def test_what_red_reads_of_the_cog_is_whole() -> None:
    repository = json.loads((FOLDER.parent / "info.json").read_text("utf-8"))
    cog = json.loads((FOLDER / "info.json").read_text("utf-8"))
    for info in (repository, cog):
        assert all(isinstance(info[key], str) for key in ("short", "description", "install_msg"))
    assert cog["requirements"] == []
    assert api.DEFAULT_ADDRESS in cog["install_msg"]
    assert cog["end_user_data_statement"] == sonneteer.__red_end_user_data_statement__
