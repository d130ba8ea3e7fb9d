"""What the web door refuses by itself, and how every error becomes an answer in JSON.

A BotError is answered with its sentence and a status; anything else with an ID that is in the log.
Under /v1 the answer has the shape that OpenAI's clients read.

BotError
├── CannotListen            no socket at the configured address
└── RequestRefused          an answer with an HTTP status of its own
    ├── UnknownHost         a Host header that is not ours
    ├── ForeignOrigin       a request from another site's page
    ├── NotOurAddress       a QR code of an address that is not this site's
    ├── LocalOnly           metrics that only this machine may see
    ├── WrongKey            a request to /v1 without the key that it needs
    ├── NotJson             a body of another media type
    ├── Compressed          a body that would have to be unpacked first
    ├── BodyTooSlow         a body that does not arrive
    ├── HeadersTooSlow      a request whose headers do not arrive
    ├── Malformed           bytes that are not HTTP
    ├── TooManyConnections  more connections than the limits allow
    ├── BadBody             a body that is not a JSON object, or has an unknown key or a wrong value
    ├── TooManyAtOnce       too many poems of this client in progress
    └── TooManyPoems        too many poems, lines to look at, contributions to rooms or wrong codes
                            of this client in a minute
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from reprlib import Repr
from typing import Literal, Self

from aiohttp import hdrs, web

from bot.core import request_log
from bot.core.errors import (
    AvoidedSeed,
    BadSetting,
    BotError,
    GuildFull,
    MemberFull,
    ModelUnusable,
    NoSuchRoom,
    NotTheHost,
    QueueFull,
    RoomFull,
    RoomsFull,
    ShuttingDown,
    TooManyRooms,
    TooSoon,
    UnknownModel,
)
from bot.core.languages import (
    Sentence,
    accepted_language,
    counted,
    say,
    sentence,
    speaking,
    translate,
)

log = logging.getLogger(__name__)

Counted = Literal["poem", "line", "contribution", "request", "wrong code"]  # in a minute
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RETRY_SECONDS = 30.0  # about how long a full queue takes to move, or the bot to restart
MEMBER_RETRY_SECONDS = 5.0  # about how long one of their own poems takes to end
MAX_SHOWN_CHARACTERS = 60  # of a value in a sentence: enough to know it by
STATUSES: dict[type[BotError], int] = {
    BadSetting: 400,
    AvoidedSeed: 400,
    UnknownModel: 404,
    TooSoon: 429,
    ModelUnusable: 503,
    QueueFull: 503,
    GuildFull: 503,
    MemberFull: 429,
    ShuttingDown: 503,
    NoSuchRoom: 404,
    NotTheHost: 403,
    TooManyRooms: 409,
    RoomsFull: 503,
    RoomFull: 503,
}
OPENAI_PREFIX = "/v1/"
OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
SENTENCES = {
    404: sentence("There is nothing at this address."),
    405: sentence("This address does not support that method."),
    413: sentence("The request body is too large. The limit is 64 KiB."),
}


class CannotListen(BotError):
    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"The web page cannot be served on {host} port {port}: {reason}. "
            "Choose another: [web] host or port in config.toml, or SONNETEER_WEB_PORT."
        )
        self.host = host
        self.port = port
        self.reason = reason


class RequestRefused(BotError):
    status = 400
    retry_seconds: float | None = None
    param: str | None = None  # the key of the body that is wrong
    code: str | None = None  # what OpenAI's clients know it by


class UnknownHost(RequestRefused):
    status = 421  # Misdirected Request

    def __init__(self, host: str) -> None:
        super().__init__(
            f"The host name {_shown(host)} is not allowed. "
            "The admin can add it to allowed_hosts in config.toml, section [web]."
        )
        self.host = host


class ForeignOrigin(RequestRefused):
    status = 403

    def __init__(self, origin: str, name: str | None = None) -> None:
        """`name` is the host of `origin`, where it could be ours under another name."""
        remedy = (
            f" If that is this site behind a proxy, the admin can add {_shown(name)} to "
            "allowed_hosts in config.toml, section [web]."
        )
        super().__init__(
            f"Requests from {_shown(origin)} are not allowed. Open this site directly."
            + (remedy if name is not None else "")
        )
        self.origin = origin


class NotOurAddress(RequestRefused):
    status = 403

    def __init__(self, address: str) -> None:
        super().__init__(
            f"The page is {_shown(address)}; it must be the address of this site's page, such as "
            "'http://127.0.0.1:8080/'."
        )
        self.address = address


class LocalOnly(RequestRefused):
    status = 403

    def __init__(self) -> None:
        super().__init__(
            "Metrics are available only on this machine. "
            "To change that, set metrics_public in config.toml, section [web]."
        )


class WrongKey(RequestRefused):
    status = 401
    code = "invalid_api_key"

    def __init__(self, *, given: bool) -> None:
        super().__init__(
            f"The API key is {'wrong' if given else 'missing'}. Send the header "
            "Authorization: Bearer KEY with the key that the site's admin has set."
        )


class NotJson(RequestRefused):
    status = 415

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"The request's Content-Type is {_shown(content_type)}; it must be application/json."
        )
        self.content_type = content_type


class Compressed(RequestRefused):
    status = 415

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"The request body is compressed ({_shown(encoding)}). Send it uncompressed."
        )
        self.encoding = encoding


class BodyTooSlow(RequestRefused):
    status = 408

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The request body did not arrive within {seconds:g} s.")
        self.seconds = seconds


class HeadersTooSlow(RequestRefused):
    status = 408

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The request headers did not arrive within {seconds:g} s.")
        self.seconds = seconds


class Malformed(RequestRefused):
    def __init__(self) -> None:
        super().__init__(
            "Malformed HTTP request. Limits: 8,190 bytes for the address and for each header, "
            "128 headers."
        )


class TooManyConnections(RequestRefused):
    status = 503
    retry_seconds = 5.0  # about how long the poems of others take

    def __init__(self) -> None:
        super().__init__(sentence("Too many connections. Try again in a moment."))


class BadBody(RequestRefused):
    @classmethod
    def not_an_object(cls, reason: str) -> BadBody:
        return cls(f"The request body must be one JSON object in UTF-8. {reason}.")

    @classmethod
    def unknown_key(cls, key: str, known: Sequence[str]) -> BadBody:
        return cls(f"Unknown setting {_shown(key)}. Known settings: {', '.join(known)}.")._about(
            key
        )

    @classmethod
    def wrong_value(cls, key: str, value: object, allowed: str) -> BadBody:
        return cls(f"{key} is {_shown(value)}; it must be {allowed}.")._about(key)

    @classmethod
    def unsupported(cls, key: str, value: object, allowed: str) -> BadBody:
        told = f"{key} is {_shown(value)}, which does not apply to poems; leave it out"
        error = cls(f"{told} or send {allowed}." if allowed else f"{told}.")._about(key)
        error.code = "unsupported_parameter"
        return error

    def _about(self, key: str) -> Self:
        self.param = key[:MAX_SHOWN_CHARACTERS]
        return self


class TooManyAtOnce(RequestRefused):
    status = 429

    def __init__(self, allowed: int) -> None:
        super().__init__(
            counted(
                "Your address already has one poem being written. Wait until it is finished.",
                "Your address already has {count} poems being written. Wait until one is finished.",
                allowed,
            )
        )
        self.allowed = allowed
        self.retry_seconds = 5.0


class TooManyPoems(RequestRefused):
    status = 429

    def __init__(self, per_minute: int, wait_seconds: float, what: Counted = "poem") -> None:
        super().__init__(_limit(what, per_minute, wait_seconds))
        self.per_minute = per_minute
        self.retry_seconds = wait_seconds


def _limit(what: Counted, per_minute: int, seconds: float) -> Sentence:
    match what:
        case "line":
            return counted(
                "The limit is one line per minute for one address. Try again in {seconds:.0f} s.",
                "The limit is {count} lines per minute for one address. Try again in "
                "{seconds:.0f} s.",
                per_minute,
                seconds=seconds,
            )
        case "contribution":
            return counted(
                "The limit is one contribution per minute for one address. Try again in "
                "{seconds:.0f} s.",
                "The limit is {count} contributions per minute for one address. Try again in "
                "{seconds:.0f} s.",
                per_minute,
                seconds=seconds,
            )
        case "wrong code":
            return counted(
                "The limit is one wrong code per minute for one address. Try again in "
                "{seconds:.0f} s.",
                "The limit is {count} wrong codes per minute for one address. Try again in "
                "{seconds:.0f} s.",
                per_minute,
                seconds=seconds,
            )
        case "request":
            return counted(
                "The limit is one request per minute for one address. Try again in "
                "{seconds:.0f} s.",
                "The limit is {count} requests per minute for one address. Try again in "
                "{seconds:.0f} s.",
                per_minute,
                seconds=seconds,
            )
    return counted(
        "The limit is one poem per minute for one address. Try again in {seconds:.0f} s.",
        "The limit is {count} poems per minute for one address. Try again in {seconds:.0f} s.",
        per_minute,
        seconds=seconds,
    )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn everything that a handler raises into one JSON answer.

    It speaks the client's language, and English where programs speak OpenAI's API.
    """
    header = "" if speaks_openai(request) else request.headers.get(hdrs.ACCEPT_LANGUAGE, "")
    with request_log.request(), speaking(accepted_language(header)):
        try:
            return await handler(request)
        except BotError as error:
            return error_response(error, openai=speaks_openai(request))
        except web.HTTPException as error:
            told = translate(SENTENCES.get(error.status, f"{error.reason}."))
            body = openai_error(error) if speaks_openai(request) else {"error": told}
            return web.json_response(body, status=error.status, headers=_kept(error))
        except Exception as error:
            if has_disconnected(request):
                return web.Response()  # not sent; an exception would be logged with its stack
            body = openai_error(error) if speaks_openai(request) else plain_error(error)
            return web.json_response(body, status=500)


def speaks_openai(request: web.Request) -> bool:
    """Tell whether the answer goes to a client of OpenAI's API."""
    return request.path.startswith(OPENAI_PREFIX)


def has_disconnected(request: web.Request) -> bool:
    """Tell whether the client has closed the connection."""
    return request.transport is None or request.transport.is_closing()


def report(error: Exception) -> tuple[str, str]:
    """Log an unexpected error with its stack; return the sentence for the user, and the id."""
    with request_log.request() as error_id:
        log.error("web request failed, id %s", error_id, exc_info=error)
    told = say("Something went wrong. Give the site's admin this ID: {id}", id=error_id)
    return told, error_id


def plain_error(error: Exception) -> dict[str, object]:
    """Return an error as our own API tells it; one that is not expected is logged."""
    if isinstance(error, BotError):
        return {"error": translate(error.sentence)}
    told, error_id = report(error)
    return {"error": told, "id": error_id}


def openai_error(error: Exception) -> dict[str, object]:
    """Return an error as OpenAI's clients read it; one that is not expected is logged."""
    param, code, status = None, None, 500
    if isinstance(error, BotError):
        status, told = status_of(error), str(error)
        code = "rate_limit_exceeded" if status == 429 else None
        if isinstance(error, RequestRefused):
            param, code = error.param, error.code or code
        elif isinstance(error, BadSetting):
            param = error.name.replace(" ", "_")
        elif isinstance(error, UnknownModel):
            param, code = "model", "model_not_found"
    elif isinstance(error, web.HTTPException):
        status, told = error.status, SENTENCES.get(error.status, f"{error.reason}.")
    else:
        told, _ = report(error)
    kind = OPENAI_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": told, "type": kind, "param": param, "code": code}}


def status_of(error: BotError) -> int:
    return error.status if isinstance(error, RequestRefused) else STATUSES.get(type(error), 400)


def error_response(error: BotError, *, openai: bool = False) -> web.Response:
    """Return the answer with an error's sentence."""
    status, headers = status_of(error), {}
    if status in (429, 503):
        headers[hdrs.RETRY_AFTER] = str(math.ceil(_retry_seconds(error)))
    if status == 401:
        headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    body = openai_error(error) if openai else plain_error(error)
    return web.json_response(body, status=status, headers=headers)


def _retry_seconds(error: BotError) -> float:
    if isinstance(error, TooSoon):
        return max(error.wait_seconds, 1.0)
    if isinstance(error, MemberFull):
        return MEMBER_RETRY_SECONDS
    if isinstance(error, RequestRefused) and error.retry_seconds is not None:
        return max(error.retry_seconds, 1.0)
    return RETRY_SECONDS


def _kept(error: web.HTTPException) -> dict[str, str]:
    """Return the headers without which an HTTP error is not whole."""
    return {name: value for name, value in error.headers.items() if name == hdrs.ALLOW}


def _shown(value: object) -> str:
    """Return the beginning of a value's repr; a nested body is not unfolded whole."""
    short = Repr()
    short.maxstring = short.maxother = short.maxlong = MAX_SHOWN_CHARACTERS
    text = short.repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 1] + "…"
