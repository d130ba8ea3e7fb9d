"""Which proxy an address is asked through: the setting, and the variables that programs know."""

from __future__ import annotations

import pytest
from yarl import URL

from bot.core.errors import BadConfig
from bot.core.proxies import DIRECT, Proxy, passwords_in, proxy_variables, read_proxies

DISCORD = URL("https://discord.com/api/v10")
BOOK = URL("http://books.example:8000/a.txt")


@pytest.mark.parametrize(
    ("address", "proxy"),
    [
        ("http://proxy:3128", Proxy("proxy", 3128)),
        ("http://proxy", Proxy("proxy", 80)),
        ("proxy.example:3128/", Proxy("proxy.example", 3128)),
        ("http://[::1]:3128", Proxy("::1", 3128)),
        ("http://me:p%40ss@10.0.0.5:3128", Proxy("10.0.0.5", 3128, "me", "p@ss")),
    ],
)
def test_the_address_of_a_proxy_is_read(address: str, proxy: Proxy) -> None:
    assert Proxy.read(address) == proxy


@pytest.mark.parametrize(
    "address",
    [
        *("socks5://proxy:1080", "https://proxy:3128", "http://", "http://:3128", "", "a b"),
        *("http://proxy:port", "http://proxy:99999", "http://proxy/path", "http://proxy?x"),
        *("http://pro xy", "http://proxy\\x", "http://proxy\r\nHost: x", "me:a:b"),
    ],
)
def test_what_is_no_http_proxy_is_refused(address: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whoever reads it makes the sentence
        Proxy.read(address)


def test_a_proxy_is_shown_without_its_login() -> None:
    proxy = Proxy("::1", 3128, "me", "hunter2")
    assert str(proxy) == "http://[::1]:3128"
    assert "hunter2" not in repr(proxy)
    assert proxy.secret_url == "http://me:hunter2@[::1]:3128"
    assert Proxy("proxy", 1).secret_url == "http://proxy:1"
    assert Proxy("proxy", 1).authorization == ""


@pytest.mark.parametrize(
    ("variables", "url", "through"),
    [
        ({}, DISCORD, None),
        ({"HTTPS_PROXY": "http://a:1"}, DISCORD, "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1"}, URL("wss://gateway.discord.gg"), "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1"}, BOOK, None),
        ({"HTTP_PROXY": "http://a:1"}, DISCORD, None),
        ({"HTTP_PROXY": "http://a:1"}, BOOK, "http://a:1"),
        ({"ALL_PROXY": "http://a:1"}, BOOK, "http://a:1"),
        (
            {"ALL_PROXY": "socks5://a:1", "HTTPS_PROXY": "b:2", "http_proxy": "c:3"},
            BOOK,
            "http://c:3",
        ),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:2"}, DISCORD, "http://b:2"),
        ({"https_proxy": "a:1", "NO_PROXY": "discord.com"}, DISCORD, None),
        ({"https_proxy": "a:1", "NO_PROXY": ".com"}, DISCORD, None),
        ({"https_proxy": "a:1", "NO_PROXY": "*.com, x"}, DISCORD, None),
        ({"https_proxy": "a:1", "no_proxy": "*"}, DISCORD, None),
        ({"https_proxy": "a:1", "no_proxy": "cord.com"}, DISCORD, "http://a:1"),
        ({"https_proxy": "a:1", "no_proxy": "discord.com:8443"}, DISCORD, "http://a:1"),
        ({"http_proxy": "a:1", "no_proxy": "books.example:8000"}, BOOK, None),
        ({"http_proxy": "a:1", "no_proxy": "10.0.0.0/8"}, URL("http://10.1.2.3/"), None),
        ({"http_proxy": "a:1", "no_proxy": "10.0.0.0/8"}, BOOK, "http://a:1"),
        ({"http_proxy": "a:1", "no_proxy": "[fd00::1]:80"}, URL("http://[fd00::1]/"), None),
        ({"http_proxy": "a:1", "no_proxy": "fd00::/8"}, URL("http://[fd00::1]/"), None),
        ({"http_proxy": "a:1"}, URL("http://localhost:8000/"), None),
        ({"http_proxy": "a:1"}, URL("http://127.0.0.1:8000/"), None),
        ({"http_proxy": "a:1"}, URL("http://[::1]/"), None),
    ],
)
def test_the_variables_mean_what_they_mean_to_other_programs(
    variables: dict[str, str], url: URL, through: str | None
) -> None:
    proxy = read_proxies("", variables).choose(url)
    assert (None if proxy is None else str(proxy)) == through


def test_the_setting_counts_before_the_variables() -> None:
    variables = {"ALL_PROXY": "socks5://a:1", "NO_PROXY": "*"}
    assert read_proxies(DIRECT, variables).choose(DISCORD) is None
    named = read_proxies("http://b:2", variables, "me", "secret")
    assert named.choose(DISCORD) == named.choose(BOOK) == Proxy("b", 2, "me", "secret")


def test_a_login_of_its_own_is_for_proxies_that_are_named_without_one() -> None:
    found = read_proxies("", {"https_proxy": "me:x@a:1", "http_proxy": "b:2"}, "you", "y")
    assert found.https == Proxy("a", 1, "me", "x")
    assert found.http == Proxy("b", 2, "you", "y")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("socks5://me:hunter2@proxy:1080", "ALL_PROXY is '…@proxy:1080'; it must be the address"),
        ("socks5://proxy:1080", "ALL_PROXY is 'socks5://proxy:1080'; it must be the address of"),
        ("http://me:hun/ter2@proxy", "ALL_PROXY is '…@proxy'; it must be"),
    ],
)
def test_a_variable_that_cannot_be_honoured_is_refused_without_its_password(
    value: str, shown: str
) -> None:
    with pytest.raises(BadConfig) as refused:
        read_proxies("", {"ALL_PROXY": value})
    assert str(refused.value).startswith(shown)
    assert "ter2" not in str(refused.value)


def test_variables_and_the_passwords_in_them_are_found() -> None:
    assert proxy_variables({"Https_Proxy": "a", "no_proxy": "", "PROXY": "b"}) == {
        "Https_Proxy": "a"
    }
    assert passwords_in("http://me:p%40ss@host") == {"p%40ss", "p@ss"}
    assert passwords_in("me:p@ss@host") == {"p@ss"}
    assert passwords_in("http://host:3128") == passwords_in("me@host") == set()
