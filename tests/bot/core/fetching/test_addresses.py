"""Which addresses are read, and the tricks by which one that is inside looks as if it were not."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bot.core.errors import SourceRefused
from bot.core.fetching.addresses import (
    Trust,
    check_address,
    file_name,
    read_redirect,
    read_url,
)
from tests.sentences import left_in_english

HTTPS = URL("https://www.gutenberg.org/ebooks/1041.txt.utf-8")

# Every one of these has been a way into somebody's network.
TRICKS = {
    "loopback": "http://127.0.0.1/",
    "all of loopback": "http://127.255.254.253/",
    "decimal": "http://2130706433/",
    "decimal with a path": "http://2130706433/latest/meta-data/book.txt",
    "octal parts": "http://0177.0.0.1/",
    "octal whole": "http://017700000001/",
    "octal that could be decimal": "http://127.0.0.010/",
    "hex whole": "http://0x7f000001/",
    "hex parts": "http://0x7f.0x0.0x0.0x1/",
    "hex in capitals": "http://0X7F.1/",
    "hex without digits": "http://127.0.0.0x/",
    "hex and decimal": "http://0x7f.1/",
    "short": "http://127.1/",
    "shorter": "http://0/",
    "three parts": "http://10.0.1/",
    "overflowing": "http://4294967296/",
    "five parts": "http://127.0.0.1.1/",
    "name that ends in a number": "http://gutenberg.org.127/",
    "root dot": "http://127.0.0.1./",
    "root dot after a number": "http://2130706433./",
    "unspecified": "http://0.0.0.0/",
    "private 10": "http://10.1.2.3/",
    "private 172": "http://172.31.255.255/",
    "private 192": "http://192.168.1.1/",
    "carrier NAT": "http://100.64.0.1/",
    "broadcast": "http://255.255.255.255/",
    "multicast": "http://224.0.0.1/",
    "metadata of AWS": "http://169.254.169.254/latest/meta-data/",
    "metadata in decimal": "http://2852039166/",
    "metadata in hex": "http://0xa9fea9fe/",
    "metadata of AWS containers": "http://169.254.170.2/",
    "metadata of Alibaba": "http://100.100.100.200/",
    "metadata of Azure": "http://168.63.129.16/",
    "metadata of Oracle": "http://192.0.0.192/",
    "metadata of AWS in IPv6": "http://[fd00:ec2::254]/",
    "metadata of Google by name": "http://metadata.google.internal/",
    "metadata by short name": "http://metadata/",
    "loopback in IPv6": "http://[::1]/",
    "loopback in long IPv6": "http://[0:0:0:0:0:0:0:1]/",
    "unspecified in IPv6": "http://[::]/",
    "mapped": "http://[::ffff:127.0.0.1]/",
    "mapped in hex": "http://[::ffff:7f00:1]/",
    "mapped metadata": "http://[::ffff:a9fe:a9fe]/",
    "compatible": "http://[::127.0.0.1]/",
    "translated": "http://[::ffff:0:127.0.0.1]/",
    "6to4 of loopback": "http://[2002:7f00:1::]/",
    "6to4 of metadata": "http://[2002:a9fe:a9fe::1]/",
    "Teredo of loopback": "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "Teredo from inside": "http://[2001:0:a00:1::1]/",
    "NAT64 of loopback": "http://[64:ff9b::7f00:1]/",
    "NAT64 of metadata": "http://[64:ff9b::169.254.169.254]/",
    "local NAT64": "http://[64:ff9b:1::a9fe:a9fe]/",
    "link-local": "http://[fe80::1]/",
    "link-local with a scope": "http://[fe80::1%25eth0]/",
    "loopback with a scope": "http://[::1%25lo]/",
    "public with a scope": "http://[2606:4700::1111%25eth0]/",
    "site-local": "http://[fec0::1]/",
    "unique local": "http://[fc00::1]/",
    "multicast in IPv6": "http://[ff02::1]/",
    "discard": "http://[100::1]/",
    "documentation in IPv6": "http://[2001:db8::1]/",
    "address of the future": "http://[v1.127]/",
    "address of the future as a name": "http://[v1.x]/",
    "full-width digits": "http://１２７.０.０.１/",
    "full-width decimal": "http://２１３０７０６４３３/",
    "ideographic full stops": "http://127。0。0。1/",
    "half-width ideographic full stops": "http://127｡0｡0｡1/",
    "circled digits": "http://①②⑦.⓪.⓪.①/",
    "circled letters": "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "full-width solidus": "http://127.0.0.1／.gutenberg.org/",
    "full-width at": "http://gutenberg.org＠127.0.0.1/",
    "account-of sign": "http://gutenberg.org℀.127.0.0.1/",
    "soft hyphen": "http://local\u00adhost/",
    "zero-width space": "http://127.0.0.1\u200b/",
    "right to left": "http://gutenberg.org/\u202etxt.1041",
    "percent-encoded digits": "http://%31%32%37.0.0.1/",
    "percent-encoded dots": "http://127%2e0%2e0%2e1/",
    "percent-encoded name": "http://%6cocalhost/",
    "percent-encoded zero byte": "http://127.0.0.1%00.gutenberg.org/",
    "percent-encoded line break": "http://gutenberg.org%0d%0aHost:127.0.0.1/",
    "localhost": "http://localhost/",
    "localhost in capitals": "http://LOCALHOST/",
    "localhost with a root dot": "http://localhost./",
    "below localhost": "http://gutenberg.localhost/",
    "mDNS": "http://printer.local/",
    "home network": "http://router.home.arpa/",
    "one label": "http://redis/",
    "empty label": "http://gutenberg..org/",
    "long label": f"http://{'a' * 64}.org/",
    "long name": f"http://{'a.' * 127}org/",
    "user": "http://gutenberg.org@127.0.0.1/",
    "user of a public host": "http://anna@www.gutenberg.org/",
    "user and password": "http://www.gutenberg.org:80@127.0.0.1/",
    "empty user": "http://@127.0.0.1/",
    "empty user and password": "http://:@www.gutenberg.org/",
    "two users": "http://a@127.0.0.1@www.gutenberg.org/",
    "encoded at": "http://gutenberg.org%40127.0.0.1/",
    "loopback before #@": "http://127.0.0.1#@gutenberg.org/",
    "loopback before ?@": "http://127.0.0.1?@gutenberg.org/",
    "three hosts and spaces": "http://1.1.1.1 &@2.2.2.2# @127.0.0.1/",
    "backslash": "http://127.0.0.1\\@gutenberg.org/",
    "backslash after a public host": "http://gutenberg.org\\@127.0.0.1/",
    "backslashes for slashes": "http:\\\\127.0.0.1/",
    "backslash in the path": "http://www.gutenberg.org/\\127.0.0.1",
    "tab in the host": "http://127.0.\t0.1/",
    "line break in the host": "http://www.guten\nberg.org/",
    "line break in the path": "http://www.gutenberg.org/ HTTP/1.1\r\nHost: inside",
    "space before": " http://www.gutenberg.org/",
    "space within": "http://www.gutenberg.org /",
    "zero byte": "http://www.gutenberg.org\x00.inside/",
    "lone surrogate": "http://www.gutenberg.org/\ud800",
    "port of SSH": "http://www.gutenberg.org:22/",
    "port of Redis": "http://www.gutenberg.org:6379/",
    "port of a proxy": "http://www.gutenberg.org:8080/",
    "port 0": "http://www.gutenberg.org:0/",
    "port too high": "http://www.gutenberg.org:65616/",
    "port below zero": "http://www.gutenberg.org:-80/",
    "two ports": "http://www.gutenberg.org:80:22/",
    "port that is none": "http://www.gutenberg.org:http/",
    "file": "file:///etc/passwd",
    "file at a host": "file://localhost/etc/passwd",
    "ftp": "ftp://ftp.gutenberg.org/1041.txt",
    "gopher": "gopher://127.0.0.1:6379/_FLUSHALL",
    "data": "data:text/plain,Shall%20I%20compare%20thee",
    "javascript": "javascript:alert(1)",
    "dict": "dict://127.0.0.1:11211/stats",
    "ldap": "ldap://127.0.0.1/",
    "jar": "jar:http://127.0.0.1!/book.txt",
    "url in url": "url:http://127.0.0.1/",
    "no scheme": "www.gutenberg.org/ebooks/1041",
    "no scheme but slashes": "//127.0.0.1/",
    "one slash": "http:/127.0.0.1/",
    "no slash": "http:127.0.0.1",
    "three slashes": "http:///127.0.0.1/",
    "no host": "http://",
    "no host but a port": "http://:80/",
    "unclosed bracket": "http://[::1/",
    "nothing": "",
    "path on disk": "/etc/passwd",
    "too long": f"http://www.gutenberg.org/{'a' * 2_000}",
}

FORBIDDEN_ADDRESSES = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.9.9.9"),
    *("168.63.129.16", "169.254.169.254", "172.16.0.1", "192.0.0.1", "192.0.2.1", "192.88.99.1"),
    *("192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:10.0.0.1"),
    *("::10.0.0.1", "::8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b:1::808:808", "100::1", "2001::1"),
    *("2001:2::1", "2001:20::1", "2001:db8::1", "2002:a00:1::1", "2002:808:808::1", "3fff::1"),
    *("5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
    *("2606:4700::1111%eth0", "4000::1", "", "localhost", "127.1", "0177.0.0.1", "1.1.1.1 "),
]

PUBLIC_ADDRESSES = [
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "152.19.134.47", "100.63.255.255", "100.128.0.1"),
    *("172.15.255.255", "172.32.0.1", "168.63.129.17", "223.255.255.255", "2606:4700::1111"),
    *("2a00:1450::1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
]


@pytest.mark.parametrize("typed", TRICKS.values(), ids=TRICKS.keys())
def test_no_trick_is_read_as_an_address(typed: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        read_url(typed)
    assert caught.value.source == typed
    assert not caught.value.reason.endswith(".")
    assert left_in_english(caught.value.sentence) == []


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (
            "https://www.gutenberg.org/cache/epub/1041/pg1041.txt",
            "https://www.gutenberg.org/cache/epub/1041/pg1041.txt",
        ),
        ("HTTP://WWW.Gutenberg.ORG/", "http://www.gutenberg.org/"),
        ("http://gutenberg.org:80/a", "http://gutenberg.org/a"),
        ("https://gutenberg.org:443/a", "https://gutenberg.org/a"),
        ("http://gutenberg.org:443/a", "http://gutenberg.org:443/a"),
        ("http://bücher.example/ä.txt", "http://xn--bcher-kva.example/%C3%A4.txt"),
        ("http://my_books.example/a", "http://my_books.example/a"),
        ("http://4chan.example/", "http://4chan.example/"),
        ("http://93.184.216.34/a", "http://93.184.216.34/a"),
        ("http://[2606:4700::1111]/a", "http://[2606:4700::1111]/a"),
        ("http://gutenberg.org/a?b[]=1&c=@d", "http://gutenberg.org/a?b%5B%5D=1&c=@d"),
        ("http://gutenberg.org/a@b", "http://gutenberg.org/a@b"),
    ],
)
def test_an_ordinary_address_is_read(typed: str, read: str) -> None:
    assert str(read_url(typed)) == read


@pytest.mark.parametrize("tail", ["#@127.0.0.1/", "?@127.0.0.1/", "/@127.0.0.1/", "/#:@127.0.0.1"])
def test_an_at_sign_behind_the_host_does_not_move_it(tail: str) -> None:
    url = read_url(f"http://gutenberg.org{tail}")
    assert (url.host, url.fragment) == ("gutenberg.org", "")


@given(st.text() | st.text().map("http://{}".format) | st.text().map("https://a.org/{}".format))
def test_whatever_is_typed_is_read_or_refused(typed: str) -> None:
    try:
        url = read_url(typed)
    except SourceRefused:
        return
    assert url.scheme in ("http", "https")
    assert url.port in (80, 443)
    assert url.raw_host
    assert url.raw_host.isascii()
    assert read_url(str(url)) == url


@given(st.ip_addresses())
def test_nothing_passes_that_python_calls_private(
    address: IPv4Address | IPv6Address,
) -> None:
    try:
        check_address(str(address), "typed")
    except SourceRefused:
        return
    known = getattr(address, "ipv4_mapped", None) or address
    inside = known.is_loopback or known.is_link_local or known.is_private or known.is_multicast
    assert not inside


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_an_address_inside_is_refused(address: str) -> None:
    with pytest.raises(SourceRefused, match="not on the public Internet"):
        check_address(address, "http://books.example/")


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_a_public_address_passes(address: str) -> None:
    check_address(address, "http://books.example/")


def test_a_refusal_names_what_was_typed_and_not_where_it_leads() -> None:
    with pytest.raises(SourceRefused) as caught:
        check_address("10.11.12.13", "http://books.example/")
    assert "books.example" in str(caught.value)
    assert "10.11.12.13" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/files/1041.txt", "https://www.gutenberg.org/files/1041.txt"),
        ("1041.txt", "https://www.gutenberg.org/ebooks/1041.txt"),
        ("../a?b#c", "https://www.gutenberg.org/a?b"),
        ("//gutenberg.org/a", "https://gutenberg.org/a"),
        ("https://books.example/a", "https://books.example/a"),
    ],
)
def test_a_redirect_is_read_from_where_it_stands(location: str, target: str) -> None:
    assert str(read_redirect(HTTPS, location)) == target


@pytest.mark.parametrize("trick", [name for name in TRICKS if "://" in TRICKS[name]])
def test_no_trick_is_read_in_a_redirect(trick: str) -> None:
    with pytest.raises(SourceRefused):
        read_redirect(URL("http://www.gutenberg.org/"), TRICKS[trick])


@pytest.mark.parametrize(
    "location",
    ["//127.0.0.1/", "//a@gutenberg.org/", "//gutenberg.org:22/", "javascript:alert(1)"],
)
def test_a_relative_redirect_is_checked_as_well(location: str) -> None:
    with pytest.raises(SourceRefused):
        read_redirect(HTTPS, location)


def test_a_redirect_never_leads_out_of_https() -> None:
    with pytest.raises(SourceRefused, match="from https to http"):
        read_redirect(HTTPS, "http://www.gutenberg.org/ebooks/1041")


def test_a_redirect_leads_into_https() -> None:
    assert read_redirect(URL("http://a.example/"), "https://a.example/").scheme == "https"


MIRROR = "http://127.0.0.1:8080/epub/{number}/pg{number}.txt"


@pytest.mark.parametrize("number", ["1", "1041", "999999"])
def test_what_the_template_makes_of_a_number_may_be_anywhere(number: str) -> None:
    typed = MIRROR.replace("{number}", number)
    assert read_url(typed, Trust(MIRROR)).port == 8080


@pytest.mark.parametrize(
    "typed",
    [
        "http://127.0.0.1:8080/",
        "http://127.0.0.1:8080/admin",
        "http://127.0.0.1:8080/epub/1041/pg1042.txt",
        "http://127.0.0.1:8080/epub/01041/pg01041.txt",
        "http://127.0.0.1:8080/epub/0/pg0.txt",
        "http://127.0.0.1:8080/epub/1000000/pg1000000.txt",
        "http://127.0.0.1:8080/epub/1041/pg1041.txt?delete=1",
        "http://127.0.0.1:8080/epub/1041/pg1041.txt/..",
        "http://127.0.0.1:8080/epub/1041/pg1041xtxt",
        "http://127.0.0.1:8080/epub/1041/../1041/pg1041.txt/../../admin",
        "http://127.0.0.1:8080/epub/{number}/pg{number}.txt",
        "https://127.0.0.1:8080/epub/1041/pg1041.txt",
        "http://127.0.0.1:8081/epub/1041/pg1041.txt",
        "http://127.0.0.1/epub/1041/pg1041.txt",
        "http://127.0.0.2:8080/epub/1041/pg1041.txt",
        "http://localhost:8080/epub/1041/pg1041.txt",
        "http://[::1]:8080/epub/1041/pg1041.txt",
        "http://[::ffff:127.0.0.1]:8080/epub/1041/pg1041.txt",
        "http://127.0.0.1:8080@10.0.0.1/epub/1041/pg1041.txt",
        "http://anna@127.0.0.1:8080/epub/1041/pg1041.txt",
        "http://2130706433:8080/epub/1041/pg1041.txt",
    ],
)
def test_what_only_looks_like_the_template_is_not_trusted(typed: str) -> None:
    with pytest.raises(SourceRefused):
        read_url(typed, Trust(MIRROR))


def test_a_template_is_compared_as_it_is_read() -> None:
    trust = Trust("HTTP://Mirror.LAN:80/b%7Eooks/{number}.txt?q=ü")
    assert trust.trusts(read_url("http://mirror.lan/b~ooks/7.txt?q=%C3%BC", trust))


@pytest.mark.parametrize("host", ["gutenberg.org", "www.gutenberg.org", "a.b.books.example"])
def test_a_host_on_the_list_is_allowed(host: str) -> None:
    trust = Trust(allowed_hosts=("Gutenberg.org", "www.gutenberg.org", ".books.example"))
    assert read_url(f"http://{host}/", trust).host == host


@pytest.mark.parametrize(
    "host",
    ["ftp.gutenberg.org", "books.example", "evilbooks.example", "gutenberg.org.evil.example"],
)
def test_a_host_that_is_not_on_the_list_is_refused(host: str) -> None:
    trust = Trust(allowed_hosts=("gutenberg.org", "www.gutenberg.org", ".books.example"))
    with pytest.raises(SourceRefused, match="list"):
        read_url(f"http://{host}/", trust)


def test_a_mirror_need_not_be_on_the_list() -> None:
    trust = Trust("http://mirror.lan:81/{number}", ("gutenberg.org",))
    assert read_url("http://mirror.lan:81/7", trust).host == "mirror.lan"


def test_a_list_does_not_open_the_inside() -> None:
    with pytest.raises(SourceRefused):
        read_url("http://127.0.0.1/", Trust(allowed_hosts=("127.0.0.1",)))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.example/b/pg1041.txt", "pg1041.txt"),
        ("https://a.example/b/", ""),
        ("https://a.example", ""),
        ("https://a.example/%2e%2e%2fetc%2fpasswd", "passwd"),
        ("https://a.example/..%5c..%5cboot.ini", "boot.ini"),
        ("https://a.example/a%0ab%00c.txt", "abc.txt"),
        ("https://a.example/%E2%80%AEtxt.exe", "txt.exe"),
        (f"https://a.example/{'a' * 300}", "a" * 100),
    ],
)
def test_a_file_name_is_no_path_and_can_be_shown(url: str, name: str) -> None:
    assert file_name(URL(url)) == name
