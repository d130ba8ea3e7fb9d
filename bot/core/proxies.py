"""HTTP proxies: through which one an address is asked, if any.

A proxy is named in the settings, or by the variables that most programs know: HTTPS_PROXY for
https:// addresses, HTTP_PROXY for http://, ALL_PROXY for both, NO_PROXY for hosts that need none;
in capitals or small letters. This machine itself is never asked through a proxy of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Self
from urllib.parse import unquote

import aiohttp
from yarl import URL

from bot.core.errors import BadConfig

DIRECT = "direct"  # the setting for no proxy, whatever the environment says
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
THIS_MACHINE = "localhost,127.0.0.1,::1"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, and who we are to it; shown without the login."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def read(cls, address: str) -> Self:
        """Read http://NAME:PASSWORD@HOST:PORT, of which the host is enough; raise ValueError."""
        url = URL(address if "://" in address else f"http://{address}")
        rest = url.path not in ("", "/") or url.query_string or url.fragment
        if url.scheme != "http" or not url.host or not url.port or rest or "\\" in address:
            raise ValueError
        if not url.host.isprintable() or re.search(r"[\s*]", url.host):
            raise ValueError
        if not is_login(url.user or "", url.password or ""):
            raise ValueError
        return cls(url.host, url.port, url.user or "", url.password or "")

    @property
    def authorization(self) -> str:
        """The header that tells it who we are; "" where it need not know."""
        if not self.user and not self.password:
            return ""
        return aiohttp.encode_basic_auth(self.user, self.password, "latin-1")

    @property
    def secret_url(self) -> str:
        """The address with the login in it, as aiohttp takes it; never to be shown."""
        user, password = self.user or None, self.password or None
        return str(
            URL.build(scheme="http", user=user, password=password, host=self.host, port=self.port)
        )

    def __str__(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def is_login(user: str, password: str) -> bool:
    """Tell whether a proxy can be told this login: HTTP knows Latin-1 and ends names at a colon."""
    return ":" not in user and all(character < "\u0100" for character in user + password)


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which proxy is for which address; plain values, which can be sent to another process."""

    http: Proxy | None = None
    https: Proxy | None = None
    exceptions: str = ""  # hosts that are asked directly, as in NO_PROXY

    def choose(self, url: URL) -> Proxy | None:
        """Return the proxy for an address, None where it is asked directly."""
        proxy = self.https if url.scheme in ("https", "wss") else self.http
        return None if proxy is None or _is_among(url, self.exceptions) else proxy


NO_PROXIES = Proxies()


def read_proxies(
    setting: str, variables: Mapping[str, str], user: str = "", password: str = ""
) -> Proxies:
    """Return the proxies of a sound setting, or else of the variables that most programs know.

    The login is for proxies that are named without one. Raises BadConfig for a variable that cannot
    be honoured.

    >>> read_proxies("", {"ALL_PROXY": "http://me:secret@proxy:3128"}).https
    Proxy(host='proxy', port=3128, user='me')
    """
    if setting == DIRECT:
        return NO_PROXIES
    if setting:
        proxy = replace(Proxy.read(setting), user=user, password=password)
        return Proxies(proxy, proxy)
    # In small letters they count first, as for other programs.
    names = {name.lower(): name for name in sorted(variables)}

    def read(*candidates: str) -> Proxy | None:
        name = next((names[each] for each in candidates if each in names), None)
        if name is None:
            return None
        proxy = _read_variable(name, variables[name].strip())
        return proxy if proxy.user else replace(proxy, user=user, password=password)

    exceptions = variables[names["no_proxy"]] if "no_proxy" in names else ""
    return Proxies(
        read("http_proxy", "all_proxy"),
        read("https_proxy", "all_proxy"),
        f"{THIS_MACHINE},{exceptions}",
    )


def proxy_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables about proxies that are set; their values may have passwords."""
    return {
        name: value
        for name, value in environment.items()
        if name.lower() in VARIABLES and value.strip()
    }


def passwords_in(address: str) -> set[str]:
    """Return the password in the address of a proxy, as it stands there and as it is meant.

    >>> sorted(passwords_in("socks5://me:a%40b@proxy:1"))
    ['a%40b', 'a@b']
    """
    login = address.partition("://")[2] or address
    _, _, password = login.rpartition("@")[0].partition(":")
    return {password, unquote(password)} - {""}


def _read_variable(name: str, value: str) -> Proxy:
    try:
        return Proxy.read(value)
    except ValueError:
        _, at, place = value.rpartition("@")
        raise BadConfig(
            f"{name} is {('…' if at else '') + at + place[:100]!r}; it must be the address of an "
            "HTTP proxy, such as http://proxy.example:3128 or http://NAME:PASSWORD@HOST:PORT "
            '(others, such as SOCKS, are not supported). Correct it, or set proxy = "direct" '
            "under [discord] and [books]."
        ) from None


def _is_among(url: URL, exceptions: str) -> bool:
    """Tell whether a host is one of those in NO_PROXY: names, what is under them, networks, "*".

    >>> _is_among(URL("https://a.example/"), "10.0.0.0/8, .example")
    True
    """
    host = (url.host or "").lower()
    for entry in re.split(r"[,\s]+", exceptions.lower()):
        name, colon, port = entry.rpartition(":")
        if not colon or (":" in name.strip("[]") and not name.endswith("]")):
            name, port = entry, ""
        if port and port != str(url.port):
            continue
        if name == "*" or _is_in_network(host, name.strip("[]")):
            return True
        name = name.removeprefix("*").removeprefix(".")
        if name and (host == name or host.endswith(f".{name}")):
            return True
    return False


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
