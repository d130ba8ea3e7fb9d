"""What the cog asks of a running Sonneteer, and what it makes of the answers.

This file knows nothing of Red. Whatever answers at the address may be anything: an answer is
bounded in size and in time, and each of its values is checked.

SonneteerError
├── BadAddress    an address that the owner typed and that cannot be used
├── NoAnswer      nothing answers, or not in time
├── NotSonneteer  what answers is something else
└── Refused       Sonneteer refuses the poem, and says why
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp

DEFAULT_ADDRESS = "http://127.0.0.1:8080"  # where Sonneteer serves its page if nothing is set
POEM_SECONDS = 180.0  # a poem takes seconds, its place in a full queue more
LIST_SECONDS = 10.0
SUGGEST_SECONDS = 2.0  # Discord waits three for suggestions
MAX_ANSWER_BYTES = 2**20  # a poem of 10,000 characters in any script needs a quarter
MAX_SEED_CHARACTERS = 4_000  # of which Sonneteer uses the last 500; 64 KiB of JSON are too much
MAX_ADDRESS_CHARACTERS = 300
MAX_SENTENCE_CHARACTERS = 500
MAX_RETRY_SECONDS = 3600
ADDRESS = re.compile(r"https?://[a-z0-9.:/_~%\[\]&=+$,;!'()-]+", re.IGNORECASE | re.ASCII)


class SonneteerError(Exception):
    """The root; `str(error)` is the sentence for the member, `reason` what the log says besides."""

    reason = ""


class BadAddress(SonneteerError):
    def __init__(self, problem: str) -> None:
        super().__init__(
            f"This address cannot be used: {problem}. Give the address of Sonneteer's web page, "
            f"such as {DEFAULT_ADDRESS}."
        )


class NoAnswer(SonneteerError):
    def __init__(self, reason: str) -> None:
        super().__init__(
            "Sonneteer does not answer. Try again later. The bot's owner can check its address "
            "with the command `sonnetset show`."
        )
        self.reason = reason

    @classmethod
    def in_time(cls, seconds: float) -> NoAnswer:
        error = cls(f"no answer within {seconds:g} s")
        error.args = (f"Sonneteer has not answered within {seconds:g} s. Try again later.",)
        return error


class NotSonneteer(SonneteerError):
    def __init__(self, reason: str) -> None:
        super().__init__(
            f"What answers at the address is not Sonneteer ({reason}). The bot's owner can set the "
            "right address with the command `sonnetset url`."
        )
        self.reason = reason


class Refused(SonneteerError):
    """A refusal of Sonneteer's with its `status`; `retry_seconds` where it says when to return."""

    def __init__(self, status: int, sentence: str, retry_seconds: int | None = None) -> None:
        if status == 429:  # the sentence speaks of one address, and all members have the bot's
            sentence = "Sonneteer already has many poems from this bot."
        if retry_seconds is not None and "try again" not in sentence.lower():
            sentence = f"{sentence} Try again in {retry_seconds} s."
        super().__init__(sentence)
        self.status = status
        self.retry_seconds = retry_seconds
        self.reason = f"status {status}"


@dataclass(frozen=True, slots=True)
class PoemRequest:
    """What a member asks for; None is left to Sonneteer."""

    seed: str = ""
    form: str | None = None
    model: str | None = None

    def body(self) -> dict[str, str]:
        """Return the request as Sonneteer reads it.

        >>> PoemRequest("The sea", form="haiku").body()
        {'seed': 'The sea', 'form': 'haiku'}
        """
        values = {"seed": self.seed[-MAX_SEED_CHARACTERS:], "form": self.form, "model": self.model}
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Poem:
    """What came back."""

    text: str
    title: str
    model: str
    random_seed: int
    notes: tuple[str, ...]


def read_address(typed: str) -> str:
    """Return the address without a slash at its end; raise BadAddress.

    >>> read_address("<http://localhost:8080/>"), read_address("https://example.org/verse/")
    ('http://localhost:8080', 'https://example.org/verse')
    """
    address = typed.strip().removeprefix("<").removesuffix(">")  # so Discord shows no preview
    if len(address) > MAX_ADDRESS_CHARACTERS:
        raise BadAddress(f"it has more than {MAX_ADDRESS_CHARACTERS} characters")
    if not address.lower().startswith(("http://", "https://")):
        raise BadAddress("it must begin with http:// or https://")
    if "@" in address:
        raise BadAddress("it must not have a user name or a password")
    if "?" in address or "#" in address:
        raise BadAddress("it must end before the first ? or #")
    if not ADDRESS.fullmatch(address):
        raise BadAddress("it has a space or another character that no address has")
    try:
        parts = urlsplit(address)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise BadAddress("the name of the machine or the port is wrong")
    return address.rstrip("/")


def is_on_this_machine(address: str) -> bool:
    """Tell whether what is sent to the address stays on this machine.

    >>> is_on_this_machine("http://[::1]:8080"), is_on_this_machine("http://192.0.2.1:8080")
    (True, False)
    """
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_answer(status: int, headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer; raise Refused, NotSonneteer or NoAnswer."""
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        if status == 200:
            return answer
        sentence = answer.get("error")
        if status >= 400 and isinstance(sentence, str):
            shown = " ".join(_text(sentence).split())[:MAX_SENTENCE_CHARACTERS]
            raise Refused(status, shown, _retry_seconds(headers))
    if status in (502, 503, 504):  # of a proxy in front of it
        raise NoAnswer(f"status {status}")
    if 300 <= status < 400:
        raise NotSonneteer(f"it leads to another address, status {status}")
    raise NotSonneteer(f"status {status}" if status != 200 else "no JSON object")


def _retry_seconds(headers: Mapping[str, str]) -> int | None:
    """Return the wait that Retry-After says in seconds, None where it says none."""
    text = headers.get("Retry-After", "").strip()
    if not text.isascii() or not text.isdecimal():
        return None
    return min(max(int(text[:9]), 1), MAX_RETRY_SECONDS)


def read_poem(answer: Mapping[str, Any]) -> Poem:
    """Read the answer to POST /api/poems; raise NotSonneteer where it has no poem."""
    text, number = _text(answer.get("text")), answer.get("random_seed")
    if not text.strip():
        raise NotSonneteer("an answer without a poem")
    notes = answer.get("notes")
    sentences = [_text(note) for note in notes] if isinstance(notes, list) else []
    if answer.get("ending") == "cancelled":
        sentences.append("Stopped early.")
    return Poem(
        text=text,
        title=_text(answer.get("title")),
        model=_text(answer.get("model")),
        random_seed=number if isinstance(number, int) else 0,
        notes=tuple(filter(None, sentences)),
    )


def read_models(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """Read the names in the answer to GET /api/models; raise NotSonneteer where there are none."""
    models = answer.get("models")
    if not isinstance(models, list):
        raise NotSonneteer("an answer without models")
    names = (_text(model.get("name")) for model in models if isinstance(model, dict))
    return tuple(filter(None, names))


def _text(value: object) -> str:
    """Return a text that can be sent, "" where there is none: JSON may have half a character."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


class SonneteerClient:
    """Asks a Sonneteer, each time at the address that is given. Make it in a running loop."""

    def __init__(self, *, poem_seconds: float = POEM_SECONDS) -> None:
        self._poem_seconds = poem_seconds
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        """Close all connections; who waits for an answer gets NoAnswer."""
        await self._session.close()

    async def write(self, address: str, request: PoemRequest) -> Poem:
        """Ask for a poem and wait for all of it; raise SonneteerError."""
        answer = await self._ask(
            "POST", f"{address}/api/poems", self._poem_seconds, json=request.body()
        )
        return read_poem(answer)

    async def models(self, address: str, seconds: float = LIST_SECONDS) -> tuple[str, ...]:
        """Return the names of the models; raise SonneteerError."""
        return read_models(await self._ask("GET", f"{address}/api/models", seconds))

    async def _ask(self, method: str, url: str, seconds: float, **options: Any) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.request(
                method, url, timeout=timeout, allow_redirects=False, **options
            ) as response:
                raw = await _read(response)
        except TimeoutError as error:
            raise NoAnswer.in_time(seconds) from error
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        return read_answer(response.status, response.headers, raw)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body; raise NotSonneteer for one that is too long."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise NotSonneteer(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)
