"""Fetches a book from a stranger's address to a file: what arrives is text, and not too long."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from bot.core.errors import BookRefused, SourceFailed
from bot.core.fetching.addresses import file_name
from bot.core.fetching.client import BLOCK_BYTES, BookClient, BookResponse, too_long
from bot.core.fetching.part_file import PartFile
from bot.core.languages import sentence
from bot.core.model_sentences import as_sentence
from model import ModelError, check_beginning

BEGINNING_BYTES = 16  # enough for every signature that check_beginning knows


@dataclass(frozen=True)
class FetchedBook:
    """A book on disk; `url` is where it was in the end, `file_name` "" where that has none."""

    url: str
    path: Path
    size_bytes: int
    sha256: str
    file_name: str


class Fetcher:
    """Fetches one book at a time as often as asked; the client asks the sites."""

    def __init__(self, client: BookClient, *, max_bytes: int) -> None:
        self._client = client
        self._max_bytes = max_bytes

    async def fetch(self, url: str, into: Path) -> FetchedBook:
        """Fetch the file at an address to the path `into`, whose folder exists.

        Raises SourceRefused, SourceFailed or BookRefused, and then leaves nothing on disk.
        """
        with PartFile(into, url) as part:
            async with self._client.get(url) as answer:
                fetched = await self._store(answer, url, part)
            part.keep()  # after the last thing that can be cancelled
        return fetched

    async def _store(self, answer: BookResponse, source: str, part: PartFile) -> FetchedBook:
        """Write the body while it arrives, or give up at the first thing wrong."""
        digest = hashlib.sha256()
        size_bytes = 0
        url = URL(answer.url)
        name = file_name(url)
        title = name or url.raw_host or source
        async for block in _in_blocks(answer.blocks):
            if not size_bytes:
                _check_beginning(block, title)
            size_bytes += len(block)
            if size_bytes > self._max_bytes:
                raise too_long(source, self._max_bytes)
            digest.update(block)
            await part.write(block)
        if not size_bytes:
            raise SourceFailed(source, sentence("the file is empty"))
        await part.finish()
        return FetchedBook(answer.url, part.into, size_bytes, digest.hexdigest(), name)


async def _in_blocks(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join pieces of any length: the first block has the beginning, the others are long."""
    block, wanted = bytearray(), BEGINNING_BYTES
    async for piece in pieces:
        block += piece
        if len(block) >= wanted:
            yield bytes(block)
            block.clear()
            wanted = BLOCK_BYTES
    if block:
        yield bytes(block)


def _check_beginning(raw: bytes, title: str) -> None:
    try:
        check_beginning(raw, title)
    except ModelError as error:
        raise BookRefused(as_sentence(error)) from error
