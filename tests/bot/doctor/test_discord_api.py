"""Why nothing came back, in sentences."""

from __future__ import annotations

import errno
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from bot.doctor.discord_api import explain_failure

URL_ = URL("https://discord.com/api/v10")
KEY = ConnectionKey("discord.com", 443, True, True, None, None, None)
EXPIRED = ssl.SSLCertVerificationError(1, "certificate has expired")
EXPIRED.verify_code = 10  # as OpenSSL has it


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known")),
            "the name discord.com cannot be found",
        ),
        (
            aiohttp.ClientConnectorError(
                KEY, ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")
            ),
            "no connection to discord.com:443: Connection refused",
        ),
        (
            aiohttp.ClientConnectorCertificateError(KEY, EXPIRED),
            "no secure connection (TLS) to discord.com:443: certificate has expired",
        ),
        (TimeoutError(), "discord.com:443 did not respond in time"),
        (aiohttp.InvalidURL("x"), "https://discord.com/api/v10 is not a valid address"),
        (aiohttp.ServerDisconnectedError(), "the connection to discord.com:443 was lost"),
    ],
)
def test_each_failure_has_its_sentence_and_its_way_out(error: Exception, sentence: str) -> None:
    told = explain_failure(error, URL_)
    assert str(told).startswith(sentence)
    assert told.advice


def test_a_certificate_of_another_time_makes_the_clock_suspicious() -> None:
    told = explain_failure(aiohttp.ClientConnectorCertificateError(KEY, EXPIRED), URL_)
    assert "This machine's clock says 20" in told.advice[0]
