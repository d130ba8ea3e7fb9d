"""Where a PostgreSQL database is, and how it is spoken to."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

CONNECT_SECONDS = 5.0
BUSY_SECONDS = 10.0  # for a lock, and for one of the connections
STATEMENT_SECONDS = 15.0
SETTINGS = {
    "application_name": "sonneteer",
    "search_path": "public",
    "lock_timeout": f"{BUSY_SECONDS:g}s",
    "statement_timeout": f"{STATEMENT_SECONDS:g}s",
    "idle_in_transaction_session_timeout": "15s",  # of one whose machine is gone
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "synchronous_commit": "on",  # what is kept outlasts a power cut
}
SCHEMES = ("postgresql", "postgres")
PORT = 5432
DISABLE, REQUIRE, VERIFY = "disable", "require", "verify-full"
TLS = (DISABLE, REQUIRE, VERIFY)
OPTIONS = ("sslmode", "sslrootcert", "host")
NAME = re.compile(r"[\w.-]{1,63}", re.ASCII)
ALLOWED = (
    "an address such as postgresql://sonneteer@db.example/sonneteer, without a password; after a ? "
    f"it may have sslmode={'|'.join(TLS)}, sslrootcert=/A/FILE or host=FOLDER of a socket"
)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A database on a server; `str` shows it."""

    host: str  # or the folder of a socket
    port: int
    user: str
    name: str
    tls: str  # one of TLS
    ca_file: Path | None = None  # whose certificates are trusted; None: those of the system

    @classmethod
    def read(cls, text: str) -> ServerAddress:
        """Read an address; raise ValueError with what is allowed.

        Without `sslmode`, a server on this machine is spoken to plainly, and any other only over
        TLS, its certificate checked.

        >>> str(ServerAddress.read("postgresql://bot@db.example/verse?sslmode=require"))
        'postgresql://bot@db.example/verse'
        >>> [ServerAddress.read(f"postgresql://b@{at}/v").tls for at in ("[::1]:5433", "db")]
        ['disable', 'verify-full']
        """
        parts = urlsplit(text)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        options = dict(pairs)
        user, name = unquote(parts.username or ""), unquote(parts.path.removeprefix("/"))
        host = options.get("host") or parts.hostname or ""
        socket = host.startswith("/")
        sound = (
            parts.scheme in SCHEMES
            and parts.password is None
            and not parts.fragment
            and len(options) == len(pairs)
            and options.keys() <= set(OPTIONS)
            and ("host" not in options or (socket and not parts.hostname))
            and (socket or re.fullmatch(r"[\w.:-]{1,253}", host, re.ASCII))
            and NAME.fullmatch(user)
            and NAME.fullmatch(name)
        )
        tls = options.get("sslmode") or (DISABLE if socket or _is_here(host) else VERIFY)
        ca_file = options.get("sslrootcert")
        if (
            not sound
            or tls not in TLS
            or (ca_file and (tls != VERIFY or not Path(ca_file).is_absolute()))
        ):
            raise ValueError(ALLOWED)
        path = Path(ca_file) if ca_file else None
        return cls(host, parts.port or PORT, user, name, tls, path)

    def __str__(self) -> str:
        if self.host.startswith("/"):
            return f"postgresql://{self.user}@/{self.name}?host={self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORT else f":{self.port}"
        return f"postgresql://{self.user}@{host}{port}/{self.name}"

    def tls_context(self) -> ssl.SSLContext | bool:
        """Return how to encrypt, False for not at all; raise OSError for a file that is no use."""
        if self.tls == DISABLE:
            return False
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.tls == REQUIRE:  # whoever answers is believed
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class Login:
    """Where a database is, and with which password; None: that of ~/.pgpass, if any."""

    address: ServerAddress
    password: str | None = field(default=None, repr=False)

    def options(self) -> dict[str, Any]:
        """Return what asyncpg connects with; raise OSError for certificates that are no use."""
        return {
            "host": self.address.host,
            "port": self.address.port,
            "user": self.address.user,
            "database": self.address.name,
            "password": self.password,
            "ssl": self.address.tls_context(),
            "timeout": CONNECT_SECONDS,
            "command_timeout": STATEMENT_SECONDS,
            "server_settings": SETTINGS,
        }


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
