"""/v1, asked by OpenAI's own client and by hand."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import openai
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from bot.core.poems import PoemService
from bot.core.records import Defaults, Ending
from bot.web.admission import MAX_BODY_BYTES
from bot.web.events import StreamTiming
from tests.bot.web.conftest import Serve, until
from tests.conftest import LogLines
from tests.fakes import SEA_SONGS, SONNETS, VERSE, FakeEngine, fake_service

KEY = "key-of-programs-0123456789"
SEED = "The moon"
MOON: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You are a pirate."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello yourself"},
    {"role": "user", "content": SEED},
]

Client = Callable[..., Awaitable[AsyncOpenAI]]


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[Client]:
    """Serve, and return OpenAI's client for it, which asks once only."""
    async with AsyncExitStack() as stack:

        async def begin(
            service: PoemService | None = None, *, key: str = "none", **options: Any
        ) -> AsyncOpenAI:
            address = (await serve(service, **options))._base_url
            made = AsyncOpenAI(api_key=key, base_url=f"{address}/v1", max_retries=0)
            return await stack.enter_async_context(made)

        yield begin


async def ask(
    session: ClientSession, body: object, path: str = "chat/completions", **headers: str
) -> tuple[int, Any]:
    async with session.post(f"/v1/{path}", json=body, headers=headers) as response:
        return response.status, await response.json()


# OpenAI's client


async def test_the_models_are_listed_and_described(client: Client) -> None:
    api = await client()
    models = [model async for model in api.models.list()]
    assert [model.id for model in models] == ["sonnets", "sea-songs"]
    assert await api.models.retrieve("sea-songs") == models[1]
    assert models[0].created == 1795564800  # 2026-11-25
    with pytest.raises(openai.NotFoundError, match="no model called 'gpt-4o'"):
        await api.models.retrieve("gpt-4o")


async def test_a_chat_is_answered_with_a_poem_that_begins_with_the_last_message(
    client: Client,
) -> None:
    answer = await (await client()).chat.completions.create(model="sonnets", messages=MOON)
    (choice,) = answer.choices
    assert choice.message.content == SEED + VERSE
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert (answer.object, answer.model) == ("chat.completion", "sonnets")
    assert answer.system_fingerprint == f"fp_{SONNETS.sha256[:12]}"
    assert answer.usage is not None
    counts = (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens)
    assert counts == (len(SEED), len(SEED + VERSE), len(SEED + SEED + VERSE))


async def test_a_streamed_chat_has_the_same_text_and_its_usage_at_the_end(client: Client) -> None:
    stream = await (await client()).chat.completions.create(
        model="sonnets", messages=MOON, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0].choices[0].delta.role == "assistant"
    parts = [chunk.choices[0].delta.content or "" for chunk in chunks[:-1]]
    assert "".join(parts) == SEED + VERSE
    assert len(parts) > 3
    assert [chunk.choices[0].finish_reason for chunk in chunks[-3:-1]] == [None, "stop"]
    assert (chunks[-1].choices, chunks[-2].usage) == ([], None)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(SEED + VERSE)


async def test_a_completion_is_what_follows_the_prompt(client: Client) -> None:
    api = await client()
    answer = await api.completions.create(model="sonnets", prompt=SEED)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (VERSE, "stop")
    assert answer.usage is not None
    assert answer.usage.completion_tokens == len(VERSE)
    stream = await api.completions.create(model="sonnets", prompt=[SEED], stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks) == VERSE
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_without_a_prompt_the_opening_of_the_book_is_part_of_the_completion(
    client: Client,
) -> None:
    answer = await (await client()).completions.create(model="sonnets", prompt="")
    assert answer.choices[0].text == "an opening, number 7" + VERSE
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 0


async def test_every_setting_reaches_the_poet(client: Client) -> None:
    engine = FakeEngine()
    await (await client(fake_service(engine))).chat.completions.create(
        model="sea-songs",
        messages=[{"role": "user", "content": [{"type": "text", "text": "Sea"}]}],
        stop=["The End"],
        temperature=1.5,
        top_p=0.5,
        seed=99,
        n=1,
        user="ann",
        frequency_penalty=0.0,
        response_format={"type": "text"},
        extra_body={"top_k": 5, "characters": 300, "avoid": ["Sand"]},
    )
    (asked,) = engine.engine_requests
    assert (asked.model, asked.random_seed, asked.opening.shown) == (SEA_SONGS, 99, "Sea")
    settings = asked.settings
    assert (settings.sampling.temperature, settings.sampling.top_p) == (1.5, 0.5)
    assert (settings.sampling.top_k, settings.characters) == (5, 300)
    assert (settings.stop, settings.avoid) == (("The End",), ("sand",))


async def test_a_form_is_asked_for_beside_openais_own_settings(client: Client) -> None:
    engine = FakeEngine()
    service = fake_service(engine, defaults=Defaults())
    api = await client(service)
    await api.chat.completions.create(model="sonnets", messages=MOON, max_tokens=9)
    extra = {"form": "haiku"}
    await api.chat.completions.create(model="sonnets", messages=MOON, extra_body=extra)
    assert [asked.settings.form for asked in engine.engine_requests] == ["sonnet", "haiku"]


@pytest.mark.parametrize("is_chat", [True, False])
async def test_max_tokens_ends_the_poem_there(client: Client, is_chat: bool) -> None:
    engine = FakeEngine()
    api = await client(fake_service(engine))
    text, reason, usage, begins = "", None, None, ""
    if is_chat:
        answer = await api.chat.completions.create(
            model="sonnets", messages=MOON, max_completion_tokens=20
        )
        text, reason = answer.choices[0].message.content or "", answer.choices[0].finish_reason
        usage, begins = answer.usage, SEED + VERSE
    else:
        whole = await api.completions.create(model="sonnets", prompt=SEED, max_tokens=20)
        text, reason = whole.choices[0].text, whole.choices[0].finish_reason
        usage, begins = whole.usage, VERSE
    assert (text, reason) == (begins[:20], "length")
    assert usage is not None
    assert usage.completion_tokens == 20
    assert engine.drafts[0].cancelled


async def test_a_poem_of_just_so_many_tokens_is_whole(client: Client) -> None:
    api = await client()
    answer = await api.completions.create(model="sonnets", prompt=SEED, max_tokens=len(VERSE))
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (VERSE, "stop")


async def test_a_poem_that_does_not_come_to_its_end_has_the_reason_length(client: Client) -> None:
    engine = FakeEngine()
    engine.ending = Ending.CUT_OFF
    api = await client(fake_service(engine))
    answer = await api.completions.create(model="sonnets", prompt=SEED)
    assert answer.choices[0].finish_reason == "length"


async def test_the_key_is_needed_where_there_is_one(
    client: Client, serve: Serve, log_lines: LogLines
) -> None:
    api = await client(api_key=KEY, key=KEY)
    assert [model.id async for model in api.models.list()] == ["sonnets", "sea-songs"]
    await api.chat.completions.create(model="sonnets", messages=MOON)
    for wrong in ("another-key-0123456789", KEY[:-1], f"{KEY}x"):
        with pytest.raises(openai.AuthenticationError, match="key is wrong") as refused:
            await api.with_options(api_key=wrong).models.list()
        assert (refused.value.code, refused.value.param) == ("invalid_api_key", None)
        with pytest.raises(openai.AuthenticationError):
            await api.with_options(api_key=wrong).chat.completions.create(
                model="sonnets", messages=MOON
            )
    session = await serve(api_key=KEY)
    for headers in ({}, {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"}):
        async with session.get("/v1/models", headers=headers) as response:
            assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    async with session.get("/api/models") as response:
        assert response.status == 200
    assert KEY not in json.dumps(log_lines())


async def test_an_unknown_model_gets_404_with_the_names_of_ours(client: Client) -> None:
    api = await client()
    with pytest.raises(openai.NotFoundError, match="Choose one of: sonnets, sea-songs") as refused:
        await api.chat.completions.create(model="gpt-4o", messages=MOON)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"temperature": 2.5}, "temperature is 2.5; it must be a number between 0 and 2"),
        ({"top_p": -1}, "top_p is -1; it must be a number between 0 and 1"),
        ({"seed": -1}, "seed is -1; it must be a whole number between 0 and"),
        ({"max_tokens": 0}, "max_tokens is 0; it must be a whole number of at least 1"),
        ({"n": 2}, "n is 2, which does not apply to poems; leave it out or send 1"),
        ({"n": True}, "n is True"),
        ({"logprobs": True}, "logprobs is True"),
        ({"tools": [{"type": "function"}]}, "tools is"),
        ({"response_format": {"type": "json_object"}}, "response_format is"),
        ({"frequency_penalty": 0.5}, "frequency_penalty is 0.5"),
        ({"audio": {"voice": "alloy"}}, "audio is"),
        ({"stop": ["x"] * 9}, "stop is"),
        ({"stop": [""]}, "stop is ''"),
        ({"form": "limerick"}, "form is 'limerick'; it must be one of sonnet"),
        ({"top_k": -1}, "top k is -1"),
        ({"stream_options": {"x": 1}}, "stream_options"),
        ({"colour": "red"}, "Unknown setting 'colour'"),
        ({"messages": []}, "messages is"),
    ],
)
async def test_what_is_wrong_or_does_not_apply_is_refused_with_its_name(
    client: Client, setting: dict[str, Any], sentence: str
) -> None:
    api = await client()
    with pytest.raises(openai.BadRequestError, match=re.escape(sentence)) as refused:
        await api.chat.completions.create(model="sonnets", messages=MOON, extra_body=setting)
    assert refused.value.type == "invalid_request_error"
    assert refused.value.param is not None
    assert refused.value.param.startswith(next(iter(setting)))


@pytest.mark.parametrize(
    "setting",
    [{"echo": True}, {"best_of": 3}, {"suffix": "end"}, {"logprobs": 0}, {"prompt": ["a", "b"]}],
)
async def test_a_completion_refuses_what_does_not_apply(
    client: Client, setting: dict[str, Any]
) -> None:
    api = await client()
    with pytest.raises(openai.BadRequestError):
        await api.completions.create(model="sonnets", prompt=SEED, extra_body=setting)


async def test_the_lowest_temperature_and_top_p_of_openai_are_our_lowest(client: Client) -> None:
    engine = FakeEngine()
    api = await client(fake_service(engine))
    await api.completions.create(model="sonnets", prompt=SEED, temperature=0, top_p=0)
    sampling = engine.engine_requests[0].settings.sampling
    assert (sampling.temperature, sampling.top_p) == (0.05, 0.01)


async def test_a_full_queue_and_a_limit_are_errors_that_say_when_to_ask_again(
    client: Client,
) -> None:
    engine = FakeEngine()
    api = await client(fake_service(engine), poems_per_minute=1)
    engine.full = True
    with pytest.raises(openai.InternalServerError, match="The queue is full") as full:
        await api.completions.create(model="sonnets", prompt=SEED)
    assert (full.value.status_code, full.value.type) == (503, "server_error")
    assert full.value.response.headers["Retry-After"] == "30"
    with pytest.raises(openai.RateLimitError, match="The limit is one poem per minute") as often:
        await api.completions.create(model="sonnets", prompt=SEED)
    assert (often.value.type, often.value.code) == ("rate_limit_error", "rate_limit_exceeded")
    assert 1 <= int(often.value.response.headers["Retry-After"]) <= 60


async def test_an_error_while_a_poem_is_streamed_is_raised_by_the_client(client: Client) -> None:
    engine = FakeEngine()
    engine.failure = RuntimeError("the network is on fire")
    api = await client(fake_service(engine))
    stream = await api.chat.completions.create(model="sonnets", messages=MOON, stream=True)
    with pytest.raises(openai.APIError, match="Give the site's admin this ID") as failed:
        async for _ in stream:
            pass
    assert "fire" not in failed.value.message


# By hand


async def test_a_stream_ends_with_done(serve: Serve) -> None:
    session = await serve()
    body = {"prompt": SEED, "stream": True}
    async with session.post("/v1/completions", json=body) as response:
        assert response.content_type == "text/event-stream"
        lines = (await response.text()).split("\n\n")
    assert all(line.startswith("data: ") for line in lines[:-1])
    assert lines[-2:] == ["data: [DONE]", ""]
    last = json.loads(lines[-3].removeprefix("data: "))
    assert last["sonneteer"]["seed"] == 7
    assert last["sonneteer"]["form"] == "free"


async def test_a_waiting_stream_is_kept_alive_by_comments_and_freed_when_the_client_goes(
    serve: Serve,
) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    session = await serve(fake_service(engine), stream_timing=StreamTiming(heartbeat_seconds=0.001))
    body = {"prompt": SEED, "stream": True}
    async with session.post("/v1/completions", json=body) as response:
        seen = b""
        while seen.count(b": still here\n\n") < 2:
            seen += await response.content.readany()
        response.close()
    await until(lambda: engine.drafts[0].cancelled)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'"\xff"', 400),
        (b" " * (MAX_BODY_BYTES + 1), 413),
        (b'{"messages": [{"role": "user"}]}', 400),
        (b'{"messages": [{"role": "poet", "content": "a"}]}', 400),
        (b'{"messages": [{"role": "system", "content": "a"}]}', 400),
        (b'{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', 400),
        (b'{"messages": ["a"]}', 400),
        (b'{"messages": ' + b"[" * 30_000, 400),
        (b"{}", 400),
    ],
)
async def test_every_refusal_has_openais_form(serve: Serve, raw: bytes, status: int) -> None:
    session = await serve()
    headers = {"Content-Type": "application/json"}
    async with session.post("/v1/chat/completions", data=raw, headers=headers) as response:
        assert response.status == status
        (error,) = (await response.json()).values()
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) < 300


async def test_a_page_of_another_site_and_an_unknown_address_are_refused_in_openais_form(
    serve: Serve,
) -> None:
    session = await serve()
    status, answer = await ask(session, {}, Origin="https://evil.example")
    assert (status, answer["error"]["type"]) == (403, "permission_error")
    status, answer = await ask(session, {}, "embeddings")
    assert (status, answer["error"]["message"]) == (404, "There is nothing at this address.")
    async with session.get("/v1/completions") as response:
        assert response.headers["Allow"] == "POST"
        assert (await response.json())["error"]["code"] is None
    status, answer = await ask(session, {"seed": "x"}, "../api/poems")
    assert status == 200


async def test_the_notes_of_a_poem_come_beside_openais_answer(serve: Serve) -> None:
    engine = FakeEngine()
    engine.impossible = "The seed is too long."
    session = await serve(fake_service(engine, defaults=Defaults()))
    _, answer = await ask(session, {"messages": [{"role": "user", "content": SEED}]})
    assert answer["sonneteer"]["notes"] == [
        "This is free text, not a sonnet. The seed is too long."
    ]


async def test_the_break_after_a_prompt_that_fills_its_line_is_part_of_the_completion(
    serve: Serve,
) -> None:
    engine = FakeEngine("and so")
    engine.seed_break = "\n"
    session = await serve(fake_service(engine, defaults=Defaults()))
    _, answer = await ask(session, {"prompt": "A whole line"}, "completions")
    assert answer["choices"][0]["text"] == "\nand so"
    _, answer = await ask(session, {"prompt": "A whole line\n"}, "completions")
    assert answer["choices"][0]["text"] == "and so"
