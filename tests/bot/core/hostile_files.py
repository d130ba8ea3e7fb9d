"""Files that a stranger might drop into a channel and call a book; none of them is one."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib

from tests.texts import VERSES

RTL = "\u202e"


def _zip(*, bomb: bool = False) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../book.txt", b"\0" * 30_000_000 if bomb else VERSES)
    return into.getvalue()


def _tar() -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        entry = tarfile.TarInfo("../../etc/passwd")
        entry.size = len(VERSES)
        archive.addfile(entry, io.BytesIO(VERSES.encode()))
    return into.getvalue()


def _safetensors(header_bytes: int, header: bytes = b"{}") -> bytes:
    return struct.pack("<Q", header_bytes) + header + b"\0" * 4_000


def _pickle(protocol: int) -> bytes:
    return pickle.dumps({"book": ["os.system"] * 2_000, "payload": b"\x80" * 3_000}, protocol)


PDF = b"%PDF-1.7\n" + b"1 0 obj << >> endobj\n" * 500
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + bytes(range(256)) * 20
MZ = b"MZ\x90\0\x03\0\0\0" + b"\0" * 5_000

HOSTILE = {
    "nothing at all": b"",
    "one byte": b"a",
    "spaces alone": b" " * 10_000,
    "line ends alone": b"\r\n" * 10_000,
    "too short": VERSES[:1_000].encode(),
    "a Gutenberg licence around nothing": (
        b"*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n"
        b"*** END OF THE PROJECT GUTENBERG EBOOK X ***\n" + b"Section 1. Redistribute. " * 400
    ),
    "one letter, for ever": b"a" * 4_900_000,
    "one emoji, for ever": "🌹".encode() * 1_000_000,
    "bits": b"0110 1001\n" * 10_000,
    "a genome": b"ACGTTGCA\n" * 10_000,
    "one line, for ever": b"All work and no play makes Jack a dull boy.\n" * 50_000,
    "too long": b"The quick brown fox. " * 300_000,
    "a zip": _zip(),
    "a zip bomb": _zip(bomb=True),
    "a zip with text before it": VERSES.encode() + _zip(),
    "a tar": _tar(),
    "gzip": gzip.compress(VERSES.encode()),
    "a gzip bomb": gzip.compress(b"a" * 30_000_000),
    "zlib": zlib.compress(VERSES.encode() * 100, 0)[:20_000] + bytes(range(256)) * 40,
    "a PDF": PDF,
    "RTF": b"{\\rtf1\\ansi " + VERSES.encode() + b"}",
    "a picture": PNG,
    "a JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(range(256)) * 20,
    "an ELF program": b"\x7fELF\x02\x01\x01" + b"\0" * 5_000,
    "a Windows program": MZ,
    "a pickle of protocol 2": _pickle(2),
    "a pickle of protocol 3": _pickle(3),
    "a pickle of protocol 4": _pickle(4),
    "a pickle of protocol 5": _pickle(5),
    "a pickle of protocol 1": _pickle(1),
    "a safetensors header of 2 GB": _safetensors(2 * 2**30),
    "a safetensors header of 8 EB": _safetensors(2**63 - 1),
    "a safetensors file": _safetensors(2),
    "random bytes": bytes((i * 7919 + i // 3) % 256 for i in range(20_000)),
    "zero bytes": b"\0" * 20_000,
    "text with zero bytes": VERSES.encode().replace(b"e", b"\0"),
    "control characters": b"\x01\x02\x03\x1b[31mred\x1b[0m " * 1_000,
    "terminal commands": b"\x1b]0;owned\x07\x1b[2J" * 2_000,
    "directions turned around": (RTL + "abc def ghi jkl\u202c ").encode() * 1_000,
    "invisible letters": "a\u200bb\u200bc\u200bd\u2060e\ufeff ".encode() * 2_000,
    "lone surrogates in UTF-16": b"\xff\xfe" + b"\x00\xd8\x01\xd8" * 5_000,
    "half a UTF-16 file": b"\xff\xfe" + b"\x00\xd8" * 3 + b"\x41",
    "broken UTF-32": b"\xff\xfe\0\0" + b"\xff\xff\xff\x7f" * 3_000,
    "JSON of one number": json.dumps([0] * 20_000).encode(),
}

NAMES = [
    "../../x",
    "..\\..\\x.txt",
    "/etc/passwd",
    "C:\\Windows\\win.ini",
    "con.txt",
    "nul",
    ".htaccess",
    "a" * 5_000 + ".txt",
    f"{RTL}txt.exe",
    "line\nbreak\r.txt",
    "\x00.txt",
    "%2e%2e%2fx",
    "@everyone.txt",
    "`rm -rf`.txt",
    "🌹.txt",
    "--out=/tmp.txt",
    "$(reboot).txt",
    "",
    ".",
    "..",
]
