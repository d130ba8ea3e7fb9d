"""The HTTP API described for programs, as OpenAPI 3.1: GET /api/openapi.json.

It is made of the settings and ranges that the service checks, so it cannot fall behind them, and it
says what this very installation asks for. Schemathesis holds it against a live server:
`python -m tests.rigs.api`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from bot.core.application import VERSION
from bot.core.records import (
    FORMS,
    FREE,
    MAX_AVOIDED,
    MAX_AVOIDED_CHARACTERS,
    MAX_LINE_CHARACTERS,
    MAX_STOP_CHARACTERS,
    MAX_STOPS,
    RANGES,
    SAMPLING_SETTINGS,
    Ending,
)
from bot.core.room import ALONE_SECONDS
from bot.core.room_turns import Kind
from bot.web.openai import HIGHEST, NEUTRAL_CHAT, NEUTRAL_COMPLETION, ROLES
from bot.web.poems import MAX_LINE, MAX_TEXT
from bot.web.rooms import MAX_GIVEN, MAX_TOKEN, Action

Schema = dict[str, Any]
JSON, EVENTS, KEY = "application/json", "text/event-stream", "key"
WHOLE = {"lines", "characters", "random_seed"}
REFUSALS = {
    "400": "A value is wrong, or the body is no JSON object.",
    "401": "The key is wrong or missing.",
    "403": "A page of another site asks, or the address is for this machine only.",
    "404": "There is no such model or address.",
    "408": "The body arrives too slowly.",
    "409": "This address has as many rooms as it may.",
    "413": "The body has more than 64 KiB.",
    "415": "The body is not JSON, or is compressed.",
    "421": "The host name is not one of this site's.",
    "429": "Too often, or too many at once.",
    "500": "Something unexpected; the sentence has an ID that is in the log.",
    "503": "The queue is full, or the bot is stopping.",
}
POSTED = ("400", "403", "404", "408", "413", "415", "421", "429", "500", "503")
READ = ("421", "500")
LATER = {
    "Retry-After": {
        "description": "Seconds until it is worth asking again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
TEXT, BOOL, COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}


def describe_api(*, needs_key: bool) -> dict[str, Any]:
    """Return the description; `needs_key` says whether /v1 asks for a key."""
    guarded: list[Schema] = [{KEY: []}] if needs_key else []
    v1_read = ("401", *READ) if needs_key else READ
    v1_post = ("401", *POSTED) if needs_key else POSTED
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sonneteer",
            "version": VERSION,
            "description": "Poems from a model of a book. The page for people is at /.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            "/api/poems": {
                "post": _post(
                    "writePoem",
                    "Write a poem; with Accept: text/event-stream it comes while it is written.",
                    "PoemSettings",
                    {JSON: _ref("Poem"), EVENTS: EVENT},
                )
            },
            "/api/lines": {
                "post": _post(
                    "offerLines",
                    "Offer up to three next lines of a poem in a form.",
                    "LineSettings",
                    {JSON: _ref("NextLine")},
                )
            },
            "/api/scansion": {
                "post": _post(
                    "scanLine",
                    "Compare the last of the lines so far with its form.",
                    "ScansionSettings",
                    {JSON: _ref("Line")},
                )
            },
            "/api/cards": {
                "post": _post(
                    "drawCard",
                    "Draw a poem as a picture, a PNG.",
                    "Card",
                    {"image/png": {}},
                    statuses=[each for each in POSTED if each != "404"],
                )
            },
            **_room_paths(),
            "/api/models": {"get": _get("listModels", "List the models.", "Models")},
            "/api/books": {"get": _get("listBooks", "List the books with losses.", "Books")},
            "/api/qr": {
                "get": {
                    "operationId": "drawCode",
                    "summary": "Draw the page's address as a QR code, an SVG.",
                    "parameters": [
                        {
                            "name": "page",
                            "in": "query",
                            "description": "The address by which the visitor came.",
                            "schema": {"type": "string"},
                        }
                    ],
                    "responses": _answers({"image/svg+xml": TEXT}, ("403", *READ), "Error"),
                }
            },
            "/api/openapi.json": {"get": _get("describe", "Return this description.", "Anything")},
            "/healthz": {
                "get": {
                    **_get("health", "Tell whether all is well.", "Health"),
                    "responses": {
                        **_answers({JSON: _ref("Health")}, READ, "Error"),
                        "503": _answer("Something is not well.", {JSON: _ref("Health")}),
                    },
                }
            },
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Return the figures in the text format of Prometheus.",
                    "responses": _answers({"text/plain": TEXT}, ("403", *READ), "Error"),
                }
            },
            "/v1/models": {
                "get": _get(
                    "listOpenAIModels",
                    "List the models, as OpenAI's clients ask.",
                    "OpenAIModels",
                    statuses=v1_read,
                    error="OpenAIError",
                    security=guarded,
                )
            },
            "/v1/models/{name}": {
                "get": {
                    **_get(
                        "showOpenAIModel",
                        "Describe a model.",
                        "OpenAIModel",
                        statuses=("404", *v1_read),
                        error="OpenAIError",
                        security=guarded,
                    ),
                    "parameters": [
                        {"name": "name", "in": "path", "required": True, "schema": TEXT}
                    ],
                }
            },
            "/v1/completions": {
                "post": _post(
                    "complete",
                    "Continue a prompt, as OpenAI's clients ask.",
                    "CompletionSettings",
                    {JSON: _ref("Completion"), EVENTS: EVENT},
                    statuses=v1_post,
                    error="OpenAIError",
                    security=guarded,
                )
            },
            "/v1/chat/completions": {
                "post": _post(
                    "chat",
                    "Write a poem on the last message, as OpenAI's clients ask.",
                    "ChatSettings",
                    {JSON: _ref("ChatCompletion"), EVENTS: EVENT},
                    statuses=v1_post,
                    error="OpenAIError",
                    security=guarded,
                )
            },
        },
        "components": {
            "schemas": {**_request_schemas(), **_answer_schemas()},
            "securitySchemes": {KEY: {"type": "http", "scheme": "bearer"}} if needs_key else {},
        },
    }


def _room_paths() -> dict[str, Any]:
    code = {"name": "code", "in": "path", "required": True, "schema": TEXT}
    events = "Send the room after each change: joined, room, yours and ended."
    return {
        "/api/rooms": {
            "post": _post(
                "openRoom",
                "Open a room, in which many hands write one poem.",
                "RoomSettings",
                {JSON: _ref("OpenRoom")},
                statuses=[*(each for each in POSTED if each != "404"), "409"],
            )
        },
        **{
            f"/api/rooms/{{code}}/{path}": {
                "post": {**_post(name, summary, body, media), "parameters": [code]}
            }
            for path, name, summary, body, media in (
                ("events", "watchRoom", events, "RoomEntry", {EVENTS: EVENT}),
                ("contributions", "give", "Give a word or a line.", "Gift", {JSON: _ref("Room")}),
                ("actions", "act", "Do what the host may.", "Action", {JSON: _ref("Room")}),
            )
        },
    }


# Operations


def _post(
    name: str,
    summary: str,
    body: str,
    media: Mapping[str, Schema],
    *,
    statuses: Sequence[str] = POSTED,
    error: str = "Error",
    security: Sequence[Schema] = (),
) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "security": list(security),
        "requestBody": {"required": True, "content": {JSON: {"schema": _ref(body)}}},
        "responses": _answers(media, statuses, error),
    }


def _get(
    name: str,
    summary: str,
    answer: str,
    *,
    statuses: Sequence[str] = READ,
    error: str = "Error",
    security: Sequence[Schema] = (),
) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "security": list(security),
        "responses": _answers({JSON: _ref(answer)}, statuses, error),
    }


def _answers(media: Mapping[str, Schema], statuses: Sequence[str], error: str) -> Schema:
    refused = {status: _answer(REFUSALS[status], {JSON: _ref(error)}) for status in statuses}
    for status in {"429", "503"} & refused.keys():
        refused[status]["headers"] = LATER
    return {"200": _answer("The answer.", media), **refused}


def _answer(description: str, media: Mapping[str, Schema]) -> Schema:
    return {
        "description": description,
        "content": {kind: {"schema": each} if each else {} for kind, each in media.items()},
    }


# Schemas


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, *, optional: Sequence[str] = (), closed: bool = False) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        **({"additionalProperties": False} if closed else {}),
    }


def _settings(properties: Schema, *, required: Sequence[str] = ()) -> Schema:
    """Return a body's schema: a length is one of two, and a form has its own."""
    number, any_stop = {"type": "number"}, {"anyOf": [_stop(), _list(_stop(), minItems=1)]}
    form: Schema = {"enum": list(FORMS)}
    free: Schema = {
        "lines": number,
        "characters": number,
        "greedy": {"const": True},
        "stop": any_stop,
    }
    together: list[tuple[str, Schema, str, Schema]] = [("lines", number, "characters", number)]
    together += [("form", form, name, schema) for name, schema in free.items()]
    if "written" in properties:  # in a form alone, and no more lines than it has
        too_many = {name: count + 1 for name, count in {**FORMS, FREE: 0}.items()}
        together += [("written", {"minItems": 1}, name, schema) for name, schema in free.items()]
        together += [
            ("form", {"const": name}, "written", {"minItems": count})
            for name, count in too_many.items()
        ]
    never = [
        {"not": {"properties": {a: one, b: other}, "required": [a, b]}}
        for a, one, b, other in together
    ]
    optional = [name for name in properties if name not in required]
    return {**_object(properties, optional=optional, closed=True), "allOf": never}


def _list(items: Schema, **bounds: object) -> Schema:
    return {"type": "array", "items": items, **bounds}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _range(name: str) -> Schema:
    """Return what a setting may be, null for its default."""
    kinds = {each.name: each.kind for each in SAMPLING_SETTINGS}
    if kinds.get(name) is bool:
        return BOOL
    allowed = RANGES[name]
    is_whole = name in WHOLE or kinds[name] is int
    number = int if is_whole else float
    return {
        "type": ["integer" if is_whole else "number", "null"],
        "minimum": number(allowed.low),
        "maximum": number(allowed.high),
    }


def _shared_settings() -> Schema:
    """Return the settings that both APIs have."""
    word = {"type": "string", "pattern": f"^[A-Za-z]{{1,{MAX_AVOIDED_CHARACTERS}}}$"}
    return {
        "model": {"type": ["string", "null"], "maxLength": 100, "description": "Name or hash."},
        "form": {"enum": [*FORMS, FREE, None]},
        "avoid": _list(word, maxItems=MAX_AVOIDED),
        "lines": {**_range("lines"), "description": "Of free text; not with characters."},
        "characters": {**_range("characters"), "description": "Of free text; not with lines."},
        **{each.name: _range(each.name) for each in SAMPLING_SETTINGS},
    }


def _stop() -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": MAX_STOP_CHARACTERS}


def _neutral(values: Mapping[str, Sequence[object]]) -> Schema:
    return {
        key: {"enum": [*allowed, None], "description": "Without a meaning for poems."}
        for key, allowed in values.items()
    }


def _openai_settings() -> Schema:
    number = {"type": ["number", "null"], "minimum": 0}
    length = {"type": ["integer", "null"], "minimum": 1}
    options = {"include_usage": _or_null(BOOL), "include_obfuscation": _or_null(BOOL)}
    ignored = {"type": ["string", "null"], "description": "Is not looked at."}
    return {
        **_shared_settings(),
        "stream": _or_null(BOOL),
        "stream_options": _or_null(_object(options, optional=list(options), closed=True)),
        "max_tokens": length,
        **{name: {**number, "maximum": high} for name, high in HIGHEST.items()},
        "seed": _range("random_seed"),
        "stop": {"anyOf": [_stop(), _list(_stop(), maxItems=MAX_STOPS), {"type": "null"}]},
        "user": ignored,
        "safety_identifier": ignored,
        "prompt_cache_key": ignored,
    }


def _request_schemas() -> Schema:
    poem = {
        "seed": {"type": "string", "description": "The opening words; empty: of the book."},
        **_shared_settings(),
        "stop": _list(_stop(), maxItems=MAX_STOPS),
        "written": {
            **_list(
                {"type": "string", "minLength": 1, "maxLength": MAX_LINE_CHARACTERS},
                maxItems=max(FORMS.values()),
            ),
            "description": "The lines of a form so far.",
        },
        "random_seed": _range("random_seed"),
    }
    in_a_form = {
        **poem,
        "form": {"enum": [*FORMS, None]},
        **{key: {"type": "null"} for key in ("lines", "characters")},
        "greedy": {"const": False},
        "stop": _list(TEXT, maxItems=0),
    }
    scansion = {**in_a_form, "written": {**poem["written"], "minItems": 1}}
    card = {
        "title": {"type": "string", "maxLength": MAX_LINE},
        "text": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        "model": {"type": "string", "maxLength": MAX_LINE},
        "random_seed": {**_range("random_seed"), "type": "integer"},
    }
    key = {"type": "string", "maxLength": MAX_TOKEN}
    alone = {"minimum": ALONE_SECONDS.low, "maximum": ALONE_SECONDS.high}
    room = {
        "form": {"enum": [*FORMS, None]},
        "avoid": poem["avoid"],
        "alone_seconds": {"type": ["number", "null"], **alone},
    }
    entry = {"host": key, "visitor": key}
    gift = {
        "visitor": key,
        "kind": {"enum": [Kind.WORD.value, Kind.LINE.value]},
        "text": {"type": "string", "maxLength": MAX_GIVEN},
    }
    action = {"host": key, "action": {"enum": [*get_args(Action)]}, "number": {"type": "integer"}}
    part = _object({"type": {"const": "text"}, "text": TEXT})
    said = _object({"role": {"const": "user"}, "content": {"anyOf": [TEXT, _list(part)]}})
    other = _object({"role": {"enum": [each for each in ROLES if each != "user"]}})
    chat = {
        "messages": {**_list({"anyOf": [said, other]}, minItems=1), "contains": said},
        "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1},
        **_openai_settings(),
        **_neutral(NEUTRAL_CHAT),
    }
    prompt = {"anyOf": [TEXT, _list(TEXT, maxItems=1), {"type": "null"}]}
    completion = {"prompt": prompt, **_openai_settings(), **_neutral(NEUTRAL_COMPLETION)}
    return {
        "PoemSettings": _settings(poem),
        "LineSettings": _settings(in_a_form),
        "ScansionSettings": _settings(scansion, required=["written"]),
        "RoomSettings": _object(room, optional=[*room], closed=True),
        "RoomEntry": _object(entry, optional=[*entry], closed=True),
        "Gift": _object(gift, closed=True),
        "Action": _object(action, optional=["number"], closed=True),
        "Card": _object(card, optional=[each for each in card if each != "text"], closed=True),
        "ChatSettings": _settings(chat, required=["messages"]),
        "CompletionSettings": _settings(completion),
    }


def _answer_schemas() -> Schema:
    words = _list(TEXT)
    syllable = _list({"type": ["string", "boolean"]}, minItems=2, maxItems=2)  # and the beat
    line = _object({"rhyme": TEXT, "syllables": _list(syllable)})
    settings = {each.name: _range(each.name) for each in SAMPLING_SETTINGS}
    poem = {
        **dict.fromkeys(("title", "text", "seed", "model", "model_sha256"), TEXT),
        "lines": words,
        "random_seed": COUNT,
        "settings": _object(
            {
                **settings,
                "lines": _range("lines"),
                "characters": _range("characters"),
                "stop": words,
                "form": {"enum": [*FORMS, FREE]},
                "avoid": words,
            }
        ),
        "plan": {"type": "object", "additionalProperties": words},
        "looks": _list(line),
        "notes": words,
        "ending": {"enum": [each.value for each in Ending]},
    }
    next_line = {
        **dict.fromkeys(("lines", "candidates"), _list(_ref("Line"))),
        "whole": BOOL,
        **{name: poem[name] for name in ("model", "model_sha256", "random_seed", "settings")},
        **{name: poem[name] for name in ("plan", "notes")},
    }
    number, maybe = {"type": "number"}, {"type": ["number", "null"]}
    model = {
        **dict.fromkeys(("name", "book", "created"), TEXT),
        "characters": COUNT,
        "loss": number,
        "held_out_loss": maybe,
        "size_bytes": COUNT,
        "shipped": BOOL,
        "default": BOOL,
    }
    losses = _list(_object({"running": number, "held_out": maybe}))
    health = {
        "ok": BOOL,
        "model_loaded": BOOL,
        "gateway_ready": _or_null(BOOL),
        "shards": _or_null({"type": "object", "additionalProperties": BOOL}),
        "closing": BOOL,
        "loop_lag_ms": number,
    }
    room_line = {
        **dict.fromkeys(("text", "word"), TEXT),
        "kind": {"enum": [each.value for each in Kind]},
        "has_word": BOOL,
        "notes": words,
    }
    gift = {"number": COUNT, "kind": room_line["kind"], "text": TEXT}
    own = {
        "contributions": _list(_object(gift)),  # the host's
        "yours": _or_null(_object({**gift, "place": COUNT})),  # a visitor's, as the next
        "outcome": _or_null(_ref("Anything")),
    }
    room = {
        **dict.fromkeys(("code", "title", "trouble"), TEXT),
        "form": {"enum": [*FORMS]},
        **dict.fromkeys(("count", "people", "waiting"), COUNT),
        "lines": _list(_object(room_line)),
        **dict.fromkeys(("whole", "writing", "busy"), BOOL),
        **own,
    }
    described = {"id": TEXT, "object": {"const": "model"}, "created": {"type": "integer"}}
    error = {"message": TEXT, "type": TEXT, "param": _or_null(TEXT), "code": _or_null(TEXT)}
    reason = {"finish_reason": {"enum": ["stop", "length"]}, "index": COUNT}
    message = {"role": {"const": "assistant"}, "content": TEXT, "refusal": {"type": "null"}}
    return {
        "Anything": {"type": "object"},
        "Error": _object({"error": TEXT, "id": TEXT}, optional=["id"]),
        "Poem": _object(poem),
        "Line": _object({"text": TEXT, **line["properties"], "notes": words}),
        "NextLine": _object(next_line),
        "OpenRoom": _object({"code": TEXT, "host": TEXT}),
        "Room": _object(room, optional=[*own]),
        "Models": _object(
            {
                "models": _list(_object({**model, "sha256": TEXT})),
                "forms": words,
                "defaults": {"type": "object"},
                "ranges": {"type": "object", "additionalProperties": _list(number)},
                "max_seed_characters": COUNT,
            }
        ),
        "Books": _object({"books": _list(_object({**model, "losses": losses}))}),
        "Health": _object(health),
        "OpenAIError": _object({"error": _object(error)}),
        "OpenAIModel": _object({**described, "owned_by": TEXT}),
        "OpenAIModels": _object({"object": {"const": "list"}, "data": _list(_ref("OpenAIModel"))}),
        "ChatCompletion": _answer_of("chat.completion", {**reason, "message": _object(message)}),
        "Completion": _answer_of("text_completion", {**reason, "text": TEXT}),
    }


def _answer_of(kind: str, choice: Schema) -> Schema:
    counts = ("prompt_tokens", "completion_tokens", "total_tokens")
    ours = {"title": TEXT, "form": {"enum": [*FORMS, FREE]}, "seed": COUNT, "notes": _list(TEXT)}
    return _object(
        {
            "id": TEXT,
            "object": {"const": kind},
            "created": COUNT,
            "model": TEXT,
            "system_fingerprint": TEXT,
            "choices": _list(_object(choice), minItems=1, maxItems=1),
            "usage": _object(dict.fromkeys(counts, COUNT)),
            "sonneteer": _object(ours),
        }
    )
