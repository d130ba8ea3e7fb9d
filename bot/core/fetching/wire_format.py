"""What a fetching process tells the bot: the book in pieces, and how it ended.

A frame is a letter, four bytes of length, and so many bytes. A process that was killed leaves out
the last one, END or ERROR, so that half a book is never taken for a whole one.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from typing import Any

from bot.core.errors import BotError, SourceFailed, SourceRefused
from bot.core.fetching.addresses import Trust
from bot.core.fetching.client import FetchRules, StatusNotOk

URL, BLOCK, END, ERROR, FAULT = b"U", b"B", b"E", b"X", b"F"
HEAD = struct.Struct("=cI")
MAX_FRAME_BYTES = 2**17  # a block has half of it


def write_instructions(rules: FetchRules, url: str) -> bytes:
    """Write what a process is to do, in a line."""
    return json.dumps({"url": url, "rules": asdict(rules)}).encode()


def read_instructions(line: bytes) -> tuple[FetchRules, str]:
    instructions = json.loads(line)
    rules = instructions["rules"]
    trust = rules.pop("trust")
    lists = {name: tuple(trust[name]) for name in ("allowed_hosts", "forbidden_networks")}
    return FetchRules(**rules, trust=Trust(trust["template"], **lists)), instructions["url"]


def frame(kind: bytes, body: bytes = b"") -> bytes:
    return HEAD.pack(kind, len(body)) + body


def write_error(error: SourceRefused | SourceFailed) -> bytes:
    told = {"source": error.source, "reason": error.reason}
    if isinstance(error, StatusNotOk):
        told["status"] = str(error.status)
    if isinstance(error, SourceRefused):
        told["refused"] = "yes"
    return frame(ERROR, json.dumps(told).encode())


def read_error(body: bytes) -> BotError:
    """Build the error that a process met; its words are ours, its source is the stranger's."""
    told: dict[str, Any] = json.loads(body)
    if "status" in told:
        return StatusNotOk(told["source"], int(told["status"]))
    kind = SourceRefused if "refused" in told else SourceFailed
    return kind(told["source"], told["reason"])
