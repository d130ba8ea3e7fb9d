"""config.toml and the environment, read once at the start; what the environment says counts first.

Strict: an unknown key, a wrong type or a value out of its range is refused in one sentence that
names the key or the variable, the value and what is allowed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from yarl import URL

from bot.core.errors import BadConfig
from bot.core.fair_queue import QueueLimits
from bot.core.fetching.addresses import Trust
from bot.core.guild_settings import is_snowflake
from bot.core.installation import HOME
from bot.core.proxies import DIRECT, Proxy, is_login, passwords_in, proxy_variables
from bot.core.records import FORMS, FREE, RANGES, SAMPLING_SETTINGS, Defaults, Sampling
from bot.core.redaction import Redactor
from bot.core.store import server_address
from bot.core.store.server_address import ServerAddress
from bot.core.training_requests import BookLimits
from bot.sections import DataConfig, Section, WebConfig, network
from bot.sources import (
    DATABASE_VARIABLE,
    DEFAULT_PATH,
    KEY_VARIABLE,
    NATS_PASSWORD_VARIABLE,
    NATS_USER_VARIABLE,
    PROXY_PASSWORD_VARIABLE,
    PROXY_USER_VARIABLE,
    SECRET_VARIABLES,
    TOKEN_VARIABLE,
    USER_VARIABLES,
    given_secret,
    given_settings,
    home_of,
    read_file,
    refuse_unknown,
)
from model import MAX_BOOK_BYTES

PROXY = (
    'http://HOST:PORT without a name or password, or "direct" for no proxy; the name and the '
    "password come from SONNETEER_PROXY_USER and SONNETEER_PROXY_PASSWORD"
)
MAX_SHOWN = 200  # characters of a value that is refused
API_KEY = re.compile(r"[!-~]{16,200}")  # what a header can hold, and nobody guesses
NAME = re.compile("[A-Za-z_]{1,30}")  # of a setting; what is spelled otherwise may be a secret
SECRET = re.compile(r"[\w+=-]{20,}")  # a text that may be one, if it has letters and digits
LOGIN = re.compile(r"(?<=['\"])[^/:'\"\s]*:(?!//)[^'\"\s]*@")  # NAME:PASSWORD@, without // before


class ModelsConfig(Section):
    folder: str = "models"
    default: str = "sonnets"
    max_loaded: int = Field(default=3, ge=1, le=32)
    max_loaded_megabytes: int = Field(default=200, ge=1, le=100_000)


def _within(name: str, default: float) -> Any:
    """Return the field of a poem's setting, within the core's range."""
    allowed, kind = RANGES[name], type(default)
    return Field(default=default, ge=kind(allowed.low), le=kind(allowed.high))


class _PoemDefaults(Section):
    form: str = Field(
        default=Defaults().form,
        pattern=f"^({'|'.join([*FORMS, FREE])})$",
        description=f"one of {', '.join(FORMS)} and {FREE}",
    )
    verse_temperature: float = _within("temperature", Defaults().verse_temperature)
    lines: int = _within("lines", Defaults().lines)

    @property
    def sampling(self) -> Sampling:
        return Sampling.model_validate({name: getattr(self, name) for name in SAMPLING_FIELDS})


# Greedy writing is only for requests that ask for it.
SAMPLING_FIELDS: dict[str, Any] = {
    setting.name: (setting.kind, _within(setting.name, setting.usual))
    for setting in SAMPLING_SETTINGS
    if setting.kind is not bool
}
_WithSampling: Any = create_model("_WithSampling", __base__=_PoemDefaults, **SAMPLING_FIELDS)


class WritingConfig(_WithSampling):
    max_rows: int = Field(default=QueueLimits().max_rows, ge=1, le=256)
    max_waiting: int = Field(default=QueueLimits().max_waiting, ge=0, le=10_000)
    max_per_guild: int = Field(default=QueueLimits().max_per_guild, ge=1, le=10_000)
    max_per_member: int = Field(default=QueueLimits().max_per_member, ge=1, le=10_000)
    threads: int = Field(default=0, ge=0, le=64)
    stop_seconds: float = Field(default=10.0, ge=0.0, le=600.0)


def _mirror(value: str) -> str:
    # No "@" before the path: a name and a secret there would be shown with the book's address.
    if "{number}" not in value or not re.fullmatch(r"https?://[^\s/@?#\\]+/\S*", value):
        raise ValueError(value)
    if not Trust(value).trusts(URL(value.replace("{number}", "1"))):
        raise ValueError(value)
    return value


def _proxy(value: str) -> str:
    if value and value != DIRECT:
        if "@" in value or not value.startswith("http://"):
            raise ValueError(value)
        Proxy.read(value)
    return value


def _member(value: str) -> str:
    if not is_snowflake(value):
        raise ValueError(value)
    return value


class BooksConfig(Section):
    max_bytes: int = Field(default=BookLimits().max_bytes, ge=2_000, le=MAX_BOOK_BYTES)
    max_minutes: float = Field(default=BookLimits().max_minutes, ge=0.1, le=10_000.0)
    max_per_day: int = Field(default=BookLimits().max_per_day, ge=0, le=10_000)
    max_models: int = Field(default=BookLimits().max_models, ge=0, le=10_000)
    max_waiting: int = Field(default=BookLimits().max_waiting, ge=0, le=1_000)
    max_tries_per_hour: int = Field(default=BookLimits().max_tries_per_hour, ge=0, le=10_000)
    threads: int = Field(default=0, ge=0, le=256)
    fetch_seconds: float = Field(default=60.0, ge=1.0, le=3600.0)
    gutenberg: Annotated[str, AfterValidator(_mirror)] = Field(
        default="https://www.gutenberg.org/cache/epub/{number}/pg{number}.txt",
        description="an address with {number} in it, and no name or password",
    )
    allowed_hosts: list[str] = Field(default=[], description="a list of host names")
    forbidden_networks: list[Annotated[str, AfterValidator(network)]] = Field(
        default=[], description='a list of addresses or networks such as "8.8.8.0/24"'
    )
    proxy: Annotated[str, AfterValidator(_proxy)] = Field(default="", description=PROXY)


class DiscordConfig(Section):
    prefix: str = Field(
        default="!", pattern=r"^\S{1,10}$", description="1 to 10 characters without a space"
    )
    message_content: bool = False
    cooldown_seconds: float = Field(default=5.0, ge=0.0, le=3600.0)
    edit_seconds: float = Field(default=1.0, ge=0.2, le=60.0)
    owners: list[Annotated[str, AfterValidator(_member)]] = Field(
        default=[],
        description='a list of members\' numbers in quotes, such as "123456789012345678"',
    )
    api_url: str = Field(
        default="https://discord.com/api/v10",
        pattern=r"^https?://[^\s/@?#\\]+(/[^\s@?#]*)?$",
        description="an address that begins with http:// or https://, without a name or password",
    )
    proxy: Annotated[str, AfterValidator(_proxy)] = Field(default="", description=PROXY)


class OperatorConfig(Section):
    name: str = Field(default="", max_length=100, description="a text of at most 100 characters")
    contact: str = Field(default="", max_length=200, description="a text of at most 200 characters")
    page_url: str = Field(
        default="",
        max_length=200,
        pattern=r"^(https?://[^\s/@?#\\<>]+(/[^\s@?#<>]*)?)?$",
        description="an address that begins with https:// or http://, without a name or password",
    )


def _database(value: str) -> str:
    if value:
        ServerAddress.read(value)
    return value


class ClusterConfig(Section):
    nats: str = Field(
        default="",
        max_length=200,
        pattern=r"^((nats|tls)://[^\s/@?#]+)?$",
        description="nats://HOST:4222 or tls://HOST:4222, without a name or password",
    )
    name: str = Field(
        default="sonneteer",
        pattern=r"^[a-z0-9-]{1,30}$",
        description="1 to 30 small letters, digits and hyphens",
    )
    ca_file: str = ""
    gateway_trains: bool = True
    database: Annotated[str, AfterValidator(_database)] = Field(
        default="", max_length=500, description=server_address.ALLOWED
    )


class Config(Section):
    """Every setting of an installation."""

    models: ModelsConfig = ModelsConfig()
    writing: WritingConfig = WritingConfig()
    books: BooksConfig = BooksConfig()
    data: DataConfig = DataConfig()
    discord: DiscordConfig = DiscordConfig()
    web: WebConfig = WebConfig()
    operator: OperatorConfig = OperatorConfig()
    cluster: ClusterConfig = ClusterConfig()
    token: SecretStr | None = None  # from the environment alone, as the next
    api_key: SecretStr | None = None  # what programs send to /v1; None: it is open
    nats_user: str = ""
    nats_password: SecretStr | None = None
    database_password: SecretStr | None = None
    proxy_user: str = ""
    proxy_password: SecretStr | None = None
    proxies: dict[str, SecretStr] = Field(default={})  # HTTPS_PROXY and the like, as they are set
    # Of what the environment gave: a setting such as "web.port", or a secret → the variable.
    origins: dict[str, str] = Field(default={})
    home: Path = HOME  # what the folders are relative to

    @property
    def secrets(self) -> set[str]:
        """What must never be shown."""
        known = (
            *(self.token, self.api_key, self.nats_password),
            *(self.database_password, self.proxy_password),
        )
        return {
            *(each.get_secret_value() for each in known if each is not None),
            *(
                word
                for each in self.proxies.values()
                for word in passwords_in(each.get_secret_value())
            ),
        }


SECTIONS: dict[str, type[Section]] = {
    "models": ModelsConfig,
    "writing": WritingConfig,
    "books": BooksConfig,
    "data": DataConfig,
    "discord": DiscordConfig,
    "web": WebConfig,
    "operator": OperatorConfig,
    "cluster": ClusterConfig,
}
MOVED = {"discord.data_folder": "folder under [data]"}  # key of an earlier version → today's


def load_config(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Config:
    """Read a config file (the project's own if None) and the environment.

    Raises BadConfig. The project's own file may be missing: every setting has a default.
    """
    file = path or DEFAULT_PATH
    content = read_file(path)
    for name in Config.model_fields:
        if name in content and name not in SECTIONS:
            raise BadConfig(f"{file.name} has a key {name!r}, which does not belong there.")
    secrets = {name: given_secret(environment, name) for name in SECRET_VARIABLES}
    redact = Redactor(*(secret.value for secret in secrets.values()))
    users = {name: environment.get(name, "").strip() for name in USER_VARIABLES}
    origins = {
        **{name: secret.variable for name, secret in secrets.items() if secret.value},
        **{name: name for name, user in users.items() if user},
    }
    api_key = secrets[KEY_VARIABLE]
    if api_key.value and not API_KEY.fullmatch(api_key.value):
        raise BadConfig(
            f"{api_key.variable} has {len(api_key.value):,} characters, or unusual ones; it must "
            "be 16 to 200 letters, digits and signs of ASCII, without a space. This makes one: "
            "python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    if not is_login(users[PROXY_USER_VARIABLE], secrets[PROXY_PASSWORD_VARIABLE].value):
        raise BadConfig(
            f"{PROXY_USER_VARIABLE} has a colon, or it or the password has characters that are not "
            "in Latin-1. A proxy cannot be told them."
        )

    def secret(name: str) -> SecretStr | None:
        return SecretStr(secrets[name].value) if secrets[name].value else None

    refuse_unknown(environment, SECTIONS)
    for (section, key), given in given_settings(environment, SECTIONS).items():
        table = content.setdefault(section, {})
        if isinstance(table, dict):
            table[key] = given.value
            origins[f"{section}.{key}"] = given.variable
    try:
        return Config.model_validate(
            {
                **content,
                "token": secret(TOKEN_VARIABLE),
                "api_key": secret(KEY_VARIABLE),
                "nats_user": users[NATS_USER_VARIABLE],
                "nats_password": secret(NATS_PASSWORD_VARIABLE),
                "database_password": secret(DATABASE_VARIABLE),
                "proxy_user": users[PROXY_USER_VARIABLE],
                "proxy_password": secret(PROXY_PASSWORD_VARIABLE),
                "proxies": {
                    name: SecretStr(value) for name, value in proxy_variables(environment).items()
                },
                "origins": origins,
                "home": home_of(path),
            }
        )
    except ValidationError as error:
        raise BadConfig(redact(_sentence(error.errors()[0], file.name, origins))) from None


def _sentence(error: ErrorDetails, file: str, origins: Mapping[str, str]) -> str:
    """Say what is wrong with a setting, in the file or where the environment has it from.

    >>> _sentence({"type": "extra_forbidden", "loc": ("a",), "msg": "", "input": 1}, "c.toml", {})
    'c.toml: unknown key a; the file knows models, writing, books, data, discord, web, operator, \
cluster.'
    """
    parts = [str(part) for part in error["loc"] if not isinstance(part, int)]
    section = SECTIONS.get(parts[0]) if len(parts) > 1 else None
    if section and parts[1] in section.model_fields:
        parts = parts[:2]  # beyond are the kinds that a value may have
    key = ".".join(part if NAME.fullmatch(part) else "…" for part in parts)
    if error["type"] == "extra_forbidden":
        if key in MOVED:
            return f"{file}: {key} has moved: write {MOVED[key]} instead."
        where = f"[{parts[0]}]" if section else "the file"
        known = section.model_fields if section else SECTIONS
        way = f" The token comes from {TOKEN_VARIABLE} alone." if "token" in key.lower() else ""
        return f"{file}: unknown key {key}; {where} knows {', '.join(known)}.{way}"
    allowed = _allowed(section.model_fields[parts[1]]) if section else "a section such as [web]"
    name = origins.get(".".join(parts)) or f"{file}: {key}"
    return f"{name} is {_shown(error['input'])}; it must be {allowed}."


def _shown(value: object) -> str:
    """Return a value as a sentence has room for it, without what may be a secret.

    >>> _shown("https://me:secret@mirror/"), _shown(["me:secret@host", "Hx7Kq2Lw9Zr4Tn6Vb8Cm"])
    ("'https://…@mirror/'", "['…@host', '…']")
    """
    try:
        return without_secrets(repr(value))
    except (RecursionError, ValueError):  # so deep, or of so many digits
        return "too much to be shown"


def without_secrets(text: str, most: int = MAX_SHOWN) -> str:
    """Return a quoted value without what may be a secret in it, cut to `most` characters."""
    text = LOGIN.sub("…@", Redactor()(text))
    text = SECRET.sub(_without_secret, text)
    return text if len(text) <= most else f"{text[:most]}…"


def _without_secret(match: re.Match[str]) -> str:
    mixed = re.search("[A-Za-z]", match[0]) and re.search("[0-9]", match[0])
    return "…" if mixed else match[0]


def _allowed(field: FieldInfo) -> str:
    """Say in words what a field takes: its description, or its type and bounds."""
    if field.description:
        return field.description
    if field.annotation is bool:
        return "true or false"
    low = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), None)
    high = next((bound.le for bound in field.metadata if isinstance(bound, Le)), None)
    if low is None or high is None:
        return "a text"
    return f"a {'whole ' if field.annotation is int else ''}number from {low:,} to {high:,}"
