"""Errors as JSON: the sentence and the status of a BotError, an id for anything else."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

from aiohttp import hdrs, web

from bot.core import request_log
from bot.core.errors import (
    AvoidedSeed,
    BadSetting,
    BotError,
    GuildFull,
    MemberFull,
    ModelUnusable,
    QueueFull,
    ShuttingDown,
    TooSoon,
    UnknownModel,
)
from bot.web.errors import RequestRefused
from bot.web.security import HEADERS

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RETRY_SECONDS = 30.0  # about how long a full queue takes to move, or the bot to restart
MEMBER_RETRY_SECONDS = 5.0  # about how long one of their own poems takes to end
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
}
SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not support that method.",
    413: "The request body is too large. The limit is 64 KiB.",
}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into one JSON answer."""
    with request_log.request():
        try:
            return await handler(request)
        except BotError as error:
            return error_response(error)
        except web.HTTPException as error:
            sentence = SENTENCES.get(error.status, f"{error.reason}.")
            return web.json_response({"error": sentence}, status=error.status, headers=_kept(error))
        except Exception as error:
            if has_disconnected(request):
                return web.Response()  # to nobody; an exception would be logged with its stack
            sentence, error_id = report(error)
            return web.json_response({"error": sentence, "id": error_id}, status=500)


def has_disconnected(request: web.Request) -> bool:
    """Tell whether the client has closed the connection."""
    return request.transport is None or request.transport.is_closing()


def report(error: Exception) -> tuple[str, str]:
    """Log an unexpected error with its stack; return the sentence for the user, and the id."""
    with request_log.request() as error_id:
        log.error("web request failed, id %s", error_id, exc_info=error)
    return f"Something went wrong. Give the site's admin this ID: {error_id}", error_id


def error_response(error: BotError) -> web.Response:
    """Return the answer that tells an error's sentence."""
    status = error.status if isinstance(error, RequestRefused) else STATUSES.get(type(error), 400)
    headers = {}
    if status in (429, 503):
        headers[hdrs.RETRY_AFTER] = str(math.ceil(_retry_seconds(error)))
    return web.json_response({"error": str(error)}, status=status, headers=headers)


def raw_error_response(error: RequestRefused) -> bytes:
    """Return the bytes of a last answer, for a connection that has brought no request."""
    response = error_response(error)
    body = cast(bytes, response.body)
    headers = {
        **response.headers,
        **HEADERS,
        hdrs.CONTENT_LENGTH: str(len(body)),
        hdrs.CONNECTION: "close",
    }
    phrase = HTTPStatus(response.status).phrase
    lines = [f"HTTP/1.1 {response.status} {phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


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
