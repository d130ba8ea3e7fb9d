"""What the web door refuses by itself, before the service is asked.

BotError
├── CannotListen         no socket to be had at the configured address
└── RequestRefused              an answer with an HTTP status of its own
    ├── UnknownHost          a Host header that is not ours
    ├── ForeignOrigin        a request that another site's page made
    ├── LocalOnly            figures that are for this machine alone
    ├── NotJson              a body of another media type
    ├── Compressed           a body that would have to be unfolded first
    ├── BodyTooSlow          a body that does not come
    ├── HeadersTooSlow          a request that does not even begin
    ├── Malformed            bytes that are no HTTP
    ├── TooManyConnections             more connections than there is room for
    ├── BadBody              a body that is no JSON object, or has a key or type that is not known
    ├── TooManyAtOnce        this client's poems being written
    └── TooManyPoems         this client's poems per minute
"""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import Repr

from bot.core.errors import BotError

MAX_SHOWN_CHARACTERS = 60  # of a value in a sentence: enough to know it by


def _shown(value: object) -> str:
    """Return the beginning of a value's repr; a nested body is not unfolded whole."""
    short = Repr()
    short.maxstring = short.maxother = short.maxlong = MAX_SHOWN_CHARACTERS
    text = short.repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 1] + "…"


class CannotListen(BotError):
    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"The web page cannot be served on {host} port {port}: {reason}. "
            "Choose another host or port in config.toml, section [web]."
        )
        self.host = host
        self.port = port
        self.reason = reason


class RequestRefused(BotError):
    status = 400
    retry_seconds: float | None = None


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


class LocalOnly(RequestRefused):
    status = 403

    def __init__(self) -> None:
        super().__init__(
            "Metrics are available only on this machine. "
            "To change that, set metrics_public in config.toml, section [web]."
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
        super().__init__("Too many connections. Try again in a moment.")


class BadBody(RequestRefused):
    @classmethod
    def not_an_object(cls, reason: str) -> BadBody:
        return cls(f"The request body must be one JSON object in UTF-8. {reason}.")

    @classmethod
    def unknown_key(cls, key: str, known: Sequence[str]) -> BadBody:
        return cls(f"Unknown setting {_shown(key)}. Known settings: {', '.join(known)}.")

    @classmethod
    def wrong_value(cls, key: str, value: object, allowed: str) -> BadBody:
        return cls(f"{key} is {_shown(value)}; it must be {allowed}.")


class TooManyAtOnce(RequestRefused):
    status = 429

    def __init__(self, allowed: int) -> None:
        count = "one poem" if allowed == 1 else f"{allowed} poems"
        super().__init__(
            f"Your address already has {count} being written. Wait until one is finished."
        )
        self.allowed = allowed
        self.retry_seconds = 5.0


class TooManyPoems(RequestRefused):
    status = 429

    def __init__(self, per_minute: int, wait_seconds: float) -> None:
        count = "one poem" if per_minute == 1 else f"{per_minute} poems"
        super().__init__(
            f"The limit is {count} per minute for one address. Try again in {wait_seconds:.0f} s."
        )
        self.per_minute = per_minute
        self.retry_seconds = wait_seconds
