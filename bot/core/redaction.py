"""Removes secrets from a text before it is shown: tokens, passwords, headers that log in.

Every search takes time in proportion to the text: what strangers type is logged, too.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote

HIDDEN = "[token]"
MIN_SECRET = 8  # characters: a shorter one would be found in many innocent words
MIN_PART = 20  # characters of a token's part that is a secret by itself
LAYERS = 2  # of percent signs and backslashes around a secret

# Three parts of base64url with dots between, as Discord's tokens are, whosever it is. It begins
# where a run of such signs begins and gives nothing back: each sign is looked at a few times only.
_SHAPED = re.compile(r"(?<![\w-])[\w-]{20,}+\.[\w-]{4,}+\.[\w-]{20,}+")
_IN_PATH = re.compile(r"(/(?:webhooks|interactions)/\d++/)[^/\s?#\"']+")
_IN_AUTHORITY = re.compile(r"(?<=//)[^\s/?#\"'<>]*@")
_IN_QUERY = re.compile(r"([?&;]([\w.%-]{1,64})=)[^\s&;#\"'<>]+")
_IN_HEADER = re.compile(
    r"((?:authorization|cookie|x-api-key)[\"']?\s{0,3}[:=,]\s{0,3}b?[\"']?"
    r"(?:(?:bot|bearer|basic|digest)\s{1,3})?)[^\s\"',;)}\]]+",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    r"((?:token|secret|password|passwd)[\"']?\s{0,3}[:=]\s{0,3}[\"']?)[^\s\"',;)}\]]+",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile("token|secret|key|sig|pass|auth|credential|session", re.IGNORECASE)
# Where a secret may be in another notation.
_RUN = re.compile(r"[\w.~%\\+/=-]{8,}")
_ESCAPE = re.compile(r"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[nrtbf])")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{11,}")
_HEXADECIMAL = re.compile(r"(?:[0-9a-fA-F]{2}){8,}")
_TO_STANDARD = str.maketrans("-_", "+/")


class Redactor:
    """Writes `hidden` in the place of `secrets`, and of all that looks like a secret."""

    def __init__(self, *secrets: str | None, hidden: str = HIDDEN) -> None:
        self._hidden = hidden
        whole = [secret for secret in secrets if secret]
        parts = [part for each in whole for part in each.split(".") if len(part) >= MIN_PART]
        known = [*whole, *parts]
        self._known = re.compile("|".join(map(re.escape, known)), re.IGNORECASE) if known else None
        self._veiled = tuple(each.lower() for each in known if len(each) >= MIN_SECRET)

    def __call__(self, text: str) -> str:
        if self._known:
            text = self._known.sub(self._hidden, text)
        text = _SHAPED.sub(self._hidden, text)
        for place in (_IN_PATH, _IN_HEADER, _ASSIGNED):
            text = place.sub(rf"\g<1>{self._hidden}", text)
        text = _IN_QUERY.sub(self._without_value, _IN_AUTHORITY.sub("…@", text))
        return _RUN.sub(self._without_veil, text)

    def _without_value(self, match: re.Match[str]) -> str:
        return f"{match[1]}{self._hidden}" if _SECRET_NAME.search(match[2]) else match[0]

    def _without_veil(self, match: re.Match[str]) -> str:
        return self._hidden if any(map(self._has_secret, _readings(match[0]))) else match[0]

    def _has_secret(self, text: str) -> bool:
        if _SHAPED.search(text):
            return True
        plain = text.lower()
        return any(each in plain or each[::-1] in plain for each in self._veiled)


def _readings(run: str) -> Iterator[str]:
    r"""Return what a run of signs may mean: escaped, in base64, in hexadecimal digits.

    >>> "a secret" in list(_readings(r"%61%20\u0073ecret"))
    True
    """
    yield run
    for _ in range(LAYERS):
        decoded = _ESCAPE.sub(_unescape, unquote(run))
        if decoded == run:
            break
        run = decoded
        yield run
    for piece in _BASE64.findall(run.translate(_TO_STANDARD)):
        yield from _unbase64(piece)
    for piece in _HEXADECIMAL.findall(run):
        yield bytes.fromhex(piece).decode("latin-1")


def _unescape(match: re.Match[str]) -> str:
    digits = match[1] or match[2]
    return chr(int(digits, 16)) if digits else " "


def _unbase64(piece: str) -> Iterator[str]:
    """Decode from each of the four places where a group of signs may begin."""
    for start in range(4):
        signs = piece[start:]
        whole = signs[: len(signs) - (len(signs) % 4 == 1)]  # one sign alone is not a byte
        yield binascii.a2b_base64(whole + "=" * (-len(whole) % 4)).decode("latin-1")
