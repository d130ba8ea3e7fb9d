"""/v1: poems for programs that were written for OpenAI's API.

The last message of the user, or the prompt, is the seed. What has a meaning for poems is mapped
onto the settings of a poem; what has none is refused, but for the value that asks for nothing.
Everything else is as for `POST /api/poems`: the same admission, limits and service.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, FailFast, Field, create_model

from bot.core.poem_stream import PoemStream
from bot.core.poems import AdmittedRequest, PoemService
from bot.core.records import (
    MAX_AVOIDED,
    MAX_STOPS,
    RANGES,
    SAMPLING_SETTINGS,
    Asker,
    Ending,
    ModelRecord,
    PoemRequest,
)
from bot.web.admission import Admission
from bot.web.errors import BadBody, has_disconnected, openai_error
from bot.web.events import EventStream, StreamTiming
from bot.web.poems import NO_STORE, SAMPLING_FIELDS, STRICT, allowed_values, read_object, validate
from bot.web.security import ApiKey

FINGERPRINT_DIGITS = 12  # of the model's hash
# Keys without a meaning here, and the values that ask for nothing; null always does.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "logit_bias": ({},),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
}
NEUTRAL_CHAT: dict[str, tuple[Any, ...]] = {
    **NEUTRAL,
    "top_logprobs": (0,),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "store": (False,),
    "metadata": ({},),
    "service_tier": ("auto", "default"),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
}
NEUTRAL_COMPLETION: dict[str, tuple[Any, ...]] = {
    **NEUTRAL,
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
}
HIGHEST = {"temperature": 2, "top_p": 1}  # OpenAI's ranges, which begin at 0
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
ALLOWED = {
    "messages": "a list of messages, each an object with a role and a content",
    "prompt": "one text",
    "stream": "true or false",
    "stream_options": 'an object such as {"include_usage": true}',
    "max_tokens": "a whole number of at least 1",
    "max_completion_tokens": "a whole number of at least 1",
    **{name: f"a number between 0 and {high}" for name, high in HIGHEST.items()},
    "seed": f"a whole number {RANGES['random_seed']}",
    "stop": f"a text or a list of at most {MAX_STOPS} texts",
    **dict.fromkeys(("user", "safety_identifier", "prompt_cache_key"), "text"),
}


def _as_list(value: object) -> object:
    return [] if value is None else [value] if isinstance(value, str) else value


Texts = Annotated[list[str], FailFast(), BeforeValidator(_as_list)]  # one may stand alone


class StreamOptions(BaseModel):
    model_config = STRICT

    include_usage: bool | None = None
    include_obfuscation: bool | None = None  # there is none


class _Strict(BaseModel):
    model_config = STRICT


_OPENAI_RANGES = {
    name: (Annotated[float, Field(ge=0, le=high)] | None, None) for name, high in HIGHEST.items()
}
_WithSampling: Any = create_model(
    "_WithSampling", __base__=_Strict, **{**SAMPLING_FIELDS, **_OPENAI_RANGES}
)


class OpenAIBody(_WithSampling):
    """A request for a poem in OpenAI's words, and what it is answered with."""

    NEUTRAL: ClassVar[dict[str, tuple[Any, ...]]]
    OBJECT: ClassVar[str]
    CHUNK: ClassVar[str]
    PREFIX: ClassVar[str]  # of an answer's id
    HAS_SEED: ClassVar[bool]  # whether the answer begins with the seed

    model: Annotated[str, Field(max_length=100)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: Texts = Field(default=[], max_length=MAX_STOPS)
    seed: Annotated[int, Field(ge=0, le=int(RANGES["random_seed"].high))] | None = None
    # Whoever asks may say who it is for: nothing of these is looked at.
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    # Our own, as in POST /api/poems, like the rest of the sampling settings.
    form: str | None = None
    avoid: Annotated[list[str], FailFast()] = Field(default=[], max_length=MAX_AVOIDED)
    lines: int | None = None
    characters: int | None = None

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a body, or raise BadBody with what is wrong first."""
        values = read_object(raw, [*cls.model_fields, *cls.NEUTRAL])
        for key in [key for key in values if key in cls.NEUTRAL]:
            value, neutral = values.pop(key), cls.NEUTRAL[key]
            if value is not None and not any(_is_same(value, each) for each in neutral):
                raise BadBody.unsupported(key, value, " or ".join(map(json.dumps, neutral)))
        body = validate(cls, values, allowed_here)
        body.text  # noqa: B018 - refuses what is no text
        return body

    @property
    def text(self) -> str:
        """The seed; raises BadBody."""
        raise NotImplementedError

    @property
    def token_limit(self) -> int | None:
        """How many tokens the answer may have; None: as many as the poem has."""
        limit: int | None = self.max_tokens
        return limit

    def request(self, asker: Asker) -> PoemRequest:
        sampling = {each.name: getattr(self, each.name) for each in SAMPLING_SETTINGS}
        for name in HIGHEST:  # what is below our lowest counts as that
            if sampling[name] is not None:
                sampling[name] = max(sampling[name], RANGES[name].low)
        return PoemRequest(
            asker=asker,
            seed=self.text,
            model=self.model,
            random_seed=self.seed,
            lines=self.lines,
            characters=self.characters,
            sampling=sampling,
            stop=tuple(self.stop),
            form=self.form,
            avoid=tuple(self.avoid),
        )

    @classmethod
    def whole(cls, text: str) -> dict[str, object]:
        """Return what a choice of a whole answer has of the text."""
        return {"text": text}

    @classmethod
    def part(cls, text: str, *, is_first: bool = False) -> dict[str, object]:
        """Return what a choice of a streamed answer has of a part of the text."""
        return {"text": text}


class ChatBody(OpenAIBody):
    """What POST /v1/chat/completions takes."""

    NEUTRAL = NEUTRAL_CHAT
    OBJECT, CHUNK, PREFIX = "chat.completion", "chat.completion.chunk", "chatcmpl-"
    HAS_SEED = True

    messages: Annotated[list[dict[str, Any]], FailFast()] = Field(min_length=1)
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None

    @property
    def text(self) -> str:
        """The last message of the user; what others said is not read."""
        for number, message in enumerate(self.messages):
            if message.get("role") not in ROLES:
                key = f"messages.{number}.role"
                raise BadBody.wrong_value(key, message.get("role"), f"one of {', '.join(ROLES)}")
        asked = [n for n, message in enumerate(self.messages) if message["role"] == "user"]
        if not asked:
            allowed = "a list with a message whose role is user; it is the seed"
            raise BadBody.wrong_value("messages", self.messages, allowed)
        key, content = f"messages.{asked[-1]}.content", self.messages[asked[-1]].get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        texts = [_text_of(part) for part in parts]
        if any(text is None for text in texts):
            raise BadBody.wrong_value(key, content, "a text or a list of parts of the type text")
        return "\n".join(text for text in texts if text is not None)

    @property
    def token_limit(self) -> int | None:
        limits = (self.max_tokens, self.max_completion_tokens)
        return min((limit for limit in limits if limit is not None), default=None)

    @classmethod
    def whole(cls, text: str) -> dict[str, object]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    @classmethod
    def part(cls, text: str, *, is_first: bool = False) -> dict[str, object]:
        role = {"role": "assistant"} if is_first else {}
        return {"delta": {**role, "content": text} if text or is_first else {}}


def _text_of(part: object) -> str | None:
    is_text = isinstance(part, dict) and part.get("type") == "text"
    text = part.get("text") if is_text and isinstance(part, dict) else None
    return text if isinstance(text, str) else None


class CompletionBody(OpenAIBody):
    """What POST /v1/completions takes."""

    NEUTRAL = NEUTRAL_COMPLETION
    OBJECT = CHUNK = "text_completion"
    PREFIX = "cmpl-"
    HAS_SEED = False

    prompt: Texts = Field(default=[], max_length=1)

    @property
    def text(self) -> str:
        return "".join(self.prompt)


def allowed_here(key: str) -> str:
    """Say what a key may be.

    >>> allowed_here("temperature"), allowed_here("lines")
    ('a number between 0 and 2', 'a whole number between 1 and 500')
    """
    return ALLOWED.get(key) or allowed_values(key)


def _is_same(value: object, other: object) -> bool:
    """Compare as JSON does: true is not 1.

    >>> _is_same(1.0, 1), _is_same(True, 1), _is_same([], {})
    (True, False, False)
    """
    return value == other and isinstance(value, bool) == isinstance(other, bool)


class Answer:
    """The part of a poem that is sent, with its tokens counted: iterate it once.

    A token is one of the model's: the text is cut as the model's vocabulary cuts it.
    """

    def __init__(self, body: OpenAIBody, poem_stream: PoemStream) -> None:
        self._body = body
        self._poem_stream = poem_stream
        self._limit = body.token_limit
        self._is_cut = False
        self.text = ""
        self.prompt_tokens = 0
        self.tokens = 0

    async def __aiter__(self) -> AsyncIterator[str]:
        splitter, is_seed = self._poem_stream.token_splitter, True
        async for text in self._poem_stream:
            if is_seed and not self._poem_stream.is_drawn:
                self.prompt_tokens = len([*splitter.write(text), *splitter.rest()])
                if not self._body.HAS_SEED:
                    text = self._break_after(text)
            is_seed = False
            if part := self._take(splitter.write(text)):
                yield part
        if part := self._take(splitter.rest()):
            yield part

    async def finish(self) -> None:
        """Wait for the whole answer."""
        async for _ in self:
            pass

    @property
    def finish_reason(self) -> str:
        """Why it ended: "length" where the poem had not come to its end."""
        is_whole = self._poem_stream.ending is Ending.COMPLETE and not self._is_cut
        return "stop" if is_whole else "length"

    @property
    def usage(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.tokens,
            "total_tokens": self.prompt_tokens + self.tokens,
        }

    def _break_after(self, seed: str) -> str:
        """Return the line break that a form puts after a seed that fills its line."""
        return "" if self._body.text.endswith("\n") else seed[len(seed.rstrip()) :]

    def _take(self, tokens: list[str]) -> str:
        """Count tokens, as many as the limit has room for; return their text."""
        room = len(tokens) if self._limit is None else self._limit - self.tokens
        if len(tokens) > room:
            self._is_cut = True
            self._poem_stream.cancel()  # its iteration ends with what there is
        part = "".join(tokens[:room])
        self.tokens += len(tokens[:room])
        self.text += part
        return part


class OpenAIEndpoints:
    """Answers the addresses under /v1, for those who have the key if there is one."""

    def __init__(
        self,
        service: PoemService,
        admission: Admission,
        stream_timing: StreamTiming,
        api_key: ApiKey,
    ) -> None:
        self._service = service
        self._admission = admission
        self._stream_timing = stream_timing
        self._api_key = api_key

    async def models(self, request: web.Request) -> web.Response:
        self._api_key.check(request)
        models = await asyncio.to_thread(self._service.models)  # looks at the disk
        listed = {"object": "list", "data": [_described(model) for model in models]}
        return web.json_response(listed, headers=NO_STORE)

    async def model(self, request: web.Request) -> web.Response:
        self._api_key.check(request)
        name = request.match_info["name"]
        model = await asyncio.to_thread(self._service.find_model, name)
        return web.json_response(_described(model), headers=NO_STORE)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        return await self._write(request, CompletionBody)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        return await self._write(request, ChatBody)

    async def _write(self, request: web.Request, kind: type[OpenAIBody]) -> web.StreamResponse:
        self._api_key.check(request)
        with self._admission.admit(request) as asker:
            self._service.require_room(asker)
            raw = await self._admission.read(request)
            body = await self._service.run_in_thread(asker, kind.parse, raw)
            admitted = await self._service.admit(body.request(asker))
            if body.stream:
                return await self._stream(request, body, admitted)
            async with self._service.write(admitted) as poem_stream:
                answer = Answer(body, poem_stream)
                await answer.finish()
            choice = {
                "index": 0,
                **body.whole(answer.text),
                "logprobs": None,
                "finish_reason": answer.finish_reason,
            }
            head = _head(body, poem_stream, body.OBJECT)
            whole = {**head, "choices": [choice], "usage": answer.usage}
            return web.json_response({**whole, **_ours(poem_stream)}, headers=NO_STORE)

    async def _stream(
        self, request: web.Request, body: OpenAIBody, admitted: AdmittedRequest
    ) -> web.StreamResponse:
        """Send a poem as it comes; what goes wrong after the first chunk becomes the last one."""
        stream = EventStream(request, self._stream_timing)
        try:
            async with self._service.write(admitted) as poem_stream:
                chunks = Chunks(stream, body, poem_stream)
                answer = Answer(body, poem_stream)
                await stream.open()
                await chunks.send(body.part("", is_first=True))
                async with stream.signs_of_life():
                    async for text in answer:
                        await chunks.send(body.part(text))
            await chunks.send(body.part(""), answer.finish_reason)
            if body.stream_options is not None and body.stream_options.include_usage:
                await chunks.send_usage(answer.usage)
            await stream.send_data("[DONE]")
        except Exception as error:
            if not stream.response.prepared:
                raise
            if not has_disconnected(request):
                await stream.send_data(json.dumps(openai_error(error)))
        return stream.response


class Chunks:
    """Sends a poem in pieces that belong together."""

    def __init__(self, stream: EventStream, body: OpenAIBody, poem_stream: PoemStream) -> None:
        self._stream = stream
        self._poem_stream = poem_stream
        self._head = _head(body, poem_stream, body.CHUNK)
        has_usage = body.stream_options is not None and body.stream_options.include_usage
        self._usage: dict[str, object] = {"usage": None} if has_usage else {}

    async def send(self, part: dict[str, object], finish_reason: str | None = None) -> None:
        choice = {"index": 0, **part, "logprobs": None, "finish_reason": finish_reason}
        ours = _ours(self._poem_stream) if finish_reason else {}
        await self._send({"choices": [choice], **self._usage, **ours})

    async def send_usage(self, usage: dict[str, int]) -> None:
        await self._send({"choices": [], "usage": usage})

    async def _send(self, more: dict[str, object]) -> None:
        await self._stream.send_data(json.dumps({**self._head, **more}))


def _head(body: OpenAIBody, poem_stream: PoemStream, kind: str) -> dict[str, object]:
    return {
        "id": body.PREFIX + secrets.token_hex(12),
        "object": kind,
        "created": int(time.time()),
        "model": poem_stream.model.name,
        "system_fingerprint": f"fp_{poem_stream.model.sha256[:FINGERPRINT_DIGITS]}",
    }


def _ours(poem_stream: PoemStream) -> dict[str, object]:
    """Return what OpenAI's answers have no place for; their clients pass over it."""
    poem = poem_stream.poem
    return {
        "sonneteer": {
            "title": poem.looks.title,
            "form": poem.settings.form,
            "seed": poem.random_seed,
            "notes": list(poem.notes),
        }
    }


def _described(model: ModelRecord) -> dict[str, object]:
    return {
        "id": model.name,
        "object": "model",
        "created": _unix_seconds(model.created),
        "owned_by": "sonneteer",
    }


def _unix_seconds(created: str) -> int:
    """Read a date of a model file, which may be anybody's; 0 where it is none.

    >>> _unix_seconds("1970-01-02T00:00:00+00:00"), _unix_seconds("in spring")
    (86400, 0)
    """
    try:
        moment = datetime.fromisoformat(created)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return 0
