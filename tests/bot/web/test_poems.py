"""POST /api/poems: JSON and streams, refusals, disconnects."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from bot.core.errors import MemberFull
from bot.web.admission import MAX_BODY_BYTES
from bot.web.events import StreamTiming
from bot.web.server import ConnectionLimits
from tests.bot.web.conftest import Serve, events_of, until
from tests.conftest import LogLines
from tests.fakes import SEA_SONGS, SONNETS, VERSE, Clock, FakeEngine, fake_service

STREAM = {"Accept": "text/event-stream"}


async def post(client: ClientSession, body: object, **headers: str) -> tuple[int, Any]:
    async with client.post("/api/poems", json=body, headers=headers) as response:
        return response.status, await response.json()


async def test_a_poem_comes_as_one_json_object(serve: Serve) -> None:
    status, poem = await post(await serve(), {"seed": "The moon"})
    assert status == 200
    assert poem["text"] == "The moon" + VERSE
    assert poem["lines"] == ("The moon" + VERSE).split("\n")
    assert (poem["seed"], poem["model"], poem["random_seed"]) == ("The moon", "sonnets", 7)
    assert poem["model_sha256"] == SONNETS.sha256
    assert (poem["notes"], poem["ending"]) == ([], "complete")


async def test_every_setting_reaches_the_poet(serve: Serve) -> None:
    engine = FakeEngine()
    asked = {
        "seed": "Sea",
        "model": "sea-songs",
        "characters": 300,
        "temperature": 1,
        "top_k": 5,
        "top_p": 0.9,
        "min_p": 0.05,
        "repetition_guard": 20,
        "greedy": True,
        "stop": ["The End", "\n\n"],
        "avoid": ["Sand"],
        "random_seed": 2**53 - 1,
    }
    status, poem = await post(await serve(fake_service(engine)), asked)
    assert status == 200
    engine_request = engine.engine_requests[0]
    assert engine_request.model == SEA_SONGS
    assert engine_request.random_seed == poem["random_seed"] == 2**53 - 1
    assert poem["settings"] == {
        "temperature": 1,
        "top_k": 5,
        "top_p": 0.9,
        "min_p": 0.05,
        "greedy": True,
        "lines": None,
        "characters": 300,
        "repetition_guard": 20,
        "stop": ["The End", "\n\n"],
        "form": "free",
        "avoid": ["sand"],
    }


async def test_an_empty_object_draws_everything(serve: Serve) -> None:
    _, poem = await post(await serve(), {})
    assert poem["seed"] == "an opening, number 7"


async def test_a_stream_tells_start_text_and_end_in_this_order(serve: Serve) -> None:
    client = await serve()
    async with client.post("/api/poems", json={"seed": "The moon"}, headers=STREAM) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        events = await events_of(response)
    names = [name for name, _ in events]
    assert names[0] == "start"
    assert names[-1] == "end"
    assert set(names[1:-1]) == {"text"}
    written = "".join(text for name, text in events if name == "text")
    assert written == events[-1][1]["text"] == "The moon" + VERSE


async def test_the_permanent_link_leaves_no_setting_open(serve: Serve) -> None:
    client = await serve()
    asked = {"seed": "Été & <b>", "temperature": 0.75}
    async with client.post("/api/poems", json=asked, headers=STREAM) as response:
        start = (await events_of(response))[0][1]
    assert start["link"] == (
        "?model=a1a1a1a1a1a1&seed=%C3%89t%C3%A9+%26+%3Cb%3E&random_seed=7&form=free&lines=14"
        "&temperature=0.75&top_k=0&top_p=1.0&min_p=0.05&repetition_guard=12"
    )


async def test_the_permanent_link_of_a_drawn_opening_keeps_the_seed_empty(serve: Serve) -> None:
    client = await serve()
    async with client.post("/api/poems", json={"seed": ""}, headers=STREAM) as response:
        start = (await events_of(response))[0][1]
    assert start["seed"] == "an opening, number 7"
    assert "&seed=&" in start["link"]


async def test_the_place_in_line_is_told_until_the_turn_comes(serve: Serve) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    engine.place, engine.expected_wait = 3, 4.2
    client = await serve(fake_service(engine), stream_timing=StreamTiming(place_seconds=0.001))
    async with client.post("/api/poems", json={"seed": "Wait"}, headers=STREAM) as response:
        seen = b""
        while b'"place": 3' not in seen:
            assert not response.content.at_eof()
            seen += await response.content.readany()
        assert b'"wait_seconds": 4.2' in seen
        assert b"2 poems before yours, about 5 s." in seen
        engine.place = 0
        while b'"place": 0' not in seen:
            assert not response.content.at_eof()
            seen += await response.content.readany()
        for _ in range(20):
            engine.gate.release()
        assert (await events_of(response))[-1][0] == "end"


async def test_a_long_wait_is_kept_alive_by_comments(serve: Serve) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    client = await serve(fake_service(engine), stream_timing=StreamTiming(heartbeat_seconds=0.001))
    async with client.post("/api/poems", json={"seed": "Wait"}, headers=STREAM) as response:
        seen = b""
        while seen.count(b": still here\n\n") < 2:
            seen += await response.content.readany()


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_a_client_that_goes_away_frees_its_row_and_is_no_error(
    serve: Serve, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    service = fake_service(engine)
    client = await serve(service)
    asking = asyncio.create_task(post(client, {"seed": "Gone"}, Accept=accept))
    await until(lambda: engine.running)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await client.close()
    await until(lambda: engine.drafts[0].cancelled)
    counted = {"door": "web", "outcome": "cancelled"}
    assert service.metrics.registry.get_sample_value("sonneteer_requests_total", counted) == 1
    assert caplog.text == ""


async def test_a_client_that_leaves_at_the_last_event_had_a_whole_poem(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    service = fake_service()
    client = await serve(service)
    async with client.post("/api/poems", json={"seed": "Moon"}, headers=STREAM) as response:
        async for line in response.content:
            if line == b"event: end\n":
                response.close()
                break
    counted = {"door": "web", "outcome": "complete"}
    registry = service.metrics.registry
    await until(lambda: registry.get_sample_value("sonneteer_requests_total", counted) == 1)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"temperature": 9}, "temperature is 9.0; it must be between 0.05 and 2.0."),
        ({"temperature": "hot"}, "temperature is 'hot'; it must be a number between 0.05 and 2"),
        ({"lines": 2.5}, "lines is 2.5; it must be a whole number between 1 and 500."),
        ({"lines": True}, "lines is True; it must be a whole number between 1 and 500."),
        ({"greedy": 1}, "greedy is 1; it must be true or false."),
        ({"seed": None}, "seed is None; it must be text."),
        ({"model": "m" * 101}, "it must be a model's name or hash, of at most 100 characters."),
        ({"random_seed": 2**53}, "it must be between 0 and 9,007,199,254,740,991."),
        ({"lines": 3, "characters": 3}, "it must be one of the two."),
        ({"colour": "red"}, "Unknown setting 'colour'. Known settings: seed, model, lines"),
        ([], "The request body must be one JSON object in UTF-8. This is an array."),
    ],
)
async def test_a_bad_body_gets_400_and_a_sentence(
    serve: Serve, body: object, sentence: str
) -> None:
    status, answer = await post(await serve(), body)
    assert status == 400
    assert sentence in answer["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"seed": "\xff"}',
        b'{"seed": "\\ud800"}',
        b'{"lines": ' + b"9" * 5000 + b"}",
        b'{"lines": ' + b"9" * 100 + b"}",
        b'{"temperature": NaN}',
        b'{"temperature": 1e999}',
        b"[" * 10_000,
    ],
)
async def test_a_mangled_body_gets_400_and_a_short_sentence(serve: Serve, body: bytes) -> None:
    client = await serve()
    headers = {"Content-Type": "application/json"}
    async with client.post("/api/poems", data=body, headers=headers) as response:
        assert response.status == 400
        assert len((await response.json())["error"]) < 250


async def test_an_unknown_model_gets_404(serve: Serve) -> None:
    status, answer = await post(await serve(), {"model": "odes"})
    assert status == 404
    assert answer["error"].startswith("There is no model called 'odes'. Choose one of: sonnets")


async def test_a_damaged_model_gets_503(serve: Serve) -> None:
    engine = FakeEngine()
    engine.unusable.add("sonnets")
    status, answer = await post(await serve(fake_service(engine)), {})
    assert status == 503
    assert answer["error"] == "The model 'sonnets' cannot be used. Its file is damaged."


async def test_a_body_of_64_kib_is_read_and_a_larger_one_gets_413(serve: Serve) -> None:
    client = await serve()
    frame = len(json.dumps({"seed": ""}))
    status, _ = await post(client, {"seed": "a" * (MAX_BODY_BYTES - frame)})
    assert status == 200
    status, answer = await post(client, {"seed": "a" * (MAX_BODY_BYTES - frame + 1)})
    assert status == 413
    assert answer["error"] == "The request body is too large. The limit is 64 KiB."


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_that_is_not_json_gets_415(serve: Serve, kind: str) -> None:
    client = await serve()
    headers = {"Content-Type": kind}
    async with client.post("/api/poems", data=b"{}", headers=headers) as response:
        assert response.status == 415


async def test_a_member_with_too_many_poems_gets_429_and_may_ask_again_soon(serve: Serve) -> None:
    engine = FakeEngine()
    engine.refusal = MemberFull(4)
    client = await serve(fake_service(engine))
    async with client.post("/api/poems", json={}) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "5")
        assert "4 poems" in (await response.json())["error"]


async def test_all_visitors_of_the_page_share_rows_as_one_guild(serve: Serve) -> None:
    engine = FakeEngine()
    client = await serve(fake_service(engine))
    async with client.post("/api/poems", json={}):
        pass
    assert engine.engine_requests[0].asker.guild == "web"


async def test_a_full_queue_gets_503_and_when_to_ask_again(serve: Serve) -> None:
    engine = FakeEngine()
    engine.full = True
    client = await serve(fake_service(engine))
    async with client.post("/api/poems", json={}, headers=STREAM) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "30"
        assert "64 poems waiting" in (await response.json())["error"]


async def test_a_cooldown_gets_429_and_when_to_ask_again(serve: Serve) -> None:
    service = fake_service(cooldown_seconds={"web": 20})
    client = await serve(service)
    assert (await post(client, {}))[0] == 200
    async with client.post("/api/poems", json={}) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "20")


async def test_too_many_poems_in_a_minute_get_429_until_time_has_passed(serve: Serve) -> None:
    clock = Clock()
    client = await serve(poems_per_minute=2, clock=clock)
    assert [(await post(client, {}))[0] for _ in range(2)] == [200, 200]
    async with client.post("/api/poems", json={}) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "30")
    clock.now += 30
    assert (await post(client, {}))[0] == 200


async def test_too_many_poems_at_once_get_429_until_one_ends(serve: Serve) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    client = await serve(fake_service(engine), max_streams_per_client=1)
    first = asyncio.create_task(post(client, {}))
    await until(lambda: engine.running)
    status, answer = await post(client, {})
    assert status == 429
    assert "already has one poem being written" in answer["error"]
    for _ in range(20):
        engine.gate.release()
    assert (await first)[0] == 200
    engine.gate = None
    assert (await post(client, {}))[0] == 200


async def test_a_bot_that_is_stopping_gets_503(serve: Serve) -> None:
    service = fake_service()
    client = await serve(service)
    await service.close()
    status, answer = await post(client, {})
    assert status == 503
    assert "about to restart" in answer["error"]


async def test_an_unexpected_error_shows_its_id_and_is_logged_with_its_stack(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine()
    engine.failure = RuntimeError("the network is on fire")
    client = await serve(fake_service(engine))
    status, answer = await post(client, {"seed": "A secret seed"})
    assert status == 500
    assert answer["id"] in answer["error"]
    assert answer["id"] in caplog.text
    assert "Traceback" in caplog.text
    assert "on fire" not in answer["error"]


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
async def test_the_id_of_an_error_finds_all_lines_of_the_request(
    serve: Serve, log_lines: LogLines, accept: str
) -> None:
    engine = FakeEngine()
    engine.failure = RuntimeError("the network is on fire")
    client = await serve(fake_service(engine))
    async with client.post("/api/poems", json={}, headers={"Accept": accept}) as response:
        told = await response.text()
    await until(lambda: any("outcome" in line for line in log_lines()))
    (number,) = {line["request"] for line in log_lines() if "request" in line}
    assert f'"id": "{number}"' in told
    assert any("on fire" in line.get("error", "") for line in log_lines())


async def test_each_request_on_a_connection_has_a_number_of_its_own(
    serve: Serve, log_lines: LogLines
) -> None:
    client = await serve()
    for _ in range(2):
        await post(client, {})
    await until(lambda: len([line for line in log_lines() if "outcome" in line]) == 2)
    first, second = [line for line in log_lines() if "outcome" in line]
    assert first["request"] != second["request"]
    assert first["door"] == "web"


async def test_an_unexpected_error_in_a_stream_comes_as_its_last_event(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine()
    engine.failure = RuntimeError("the network is on fire")
    client = await serve(fake_service(engine))
    async with client.post("/api/poems", json={"seed": "x"}, headers=STREAM) as response:
        name, payload = (await events_of(response))[-1]
    assert name == "error"
    assert payload["id"] in payload["error"]
    assert payload["id"] in caplog.text


async def test_no_seed_and_no_address_is_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client = await serve()
    await post(client, {"seed": "zephyrs"})
    async with client.get("/", params={"seed": "zephyrs"}) as response:
        assert response.status == 200
    assert "zephyrs" not in caplog.text
    assert "127.0.0.1" not in caplog.text


async def test_a_reader_who_takes_nothing_more_loses_the_row(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine("x" * 30_000_000, piece_characters=100_000)
    client = await serve(
        fake_service(engine), connection_limits=ConnectionLimits(read_seconds=0.05)
    )
    async with client.post("/api/poems", json={"seed": "Slow"}, headers=STREAM):
        await until(lambda: engine.drafts[0].cancelled)
    assert caplog.text == ""


async def test_a_body_that_does_not_come_gets_408(serve: Serve) -> None:
    async def dawdle() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    client = await serve(stream_timing=StreamTiming(max_body_seconds=0.01))
    headers = {"Content-Type": "application/json"}
    async with client.post("/api/poems", data=dawdle(), headers=headers) as response:
        assert response.status == 408
