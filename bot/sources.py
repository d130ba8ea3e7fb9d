"""Where settings and secrets come from: config.toml, variables, and files with a secret.

A setting's variable is called SONNETEER_SECTION_KEY and is read as the type of the setting wants:
`8080`, `0.5`, `true`, a text as it stands, a list as `a, b` or `["a", "b"]`. What cannot be read
stays text, for the check of the settings to refuse. An empty variable counts as none, as panels and
compose files leave them.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from bot.core.errors import BadConfig
from bot.core.installation import CONFIG_FILE, HOME

PREFIX = "SONNETEER_"
TOKEN_VARIABLE = "DISCORD_TOKEN"  # noqa: S105 - the variable's name, as the next
KEY_VARIABLE = "SONNETEER_API_KEY"
NATS_USER_VARIABLE, NATS_PASSWORD_VARIABLE = "SONNETEER_NATS_USER", "SONNETEER_NATS_PASSWORD"
DATABASE_VARIABLE = "SONNETEER_DATABASE_PASSWORD"
PROXY_USER_VARIABLE, PROXY_PASSWORD_VARIABLE = "SONNETEER_PROXY_USER", "SONNETEER_PROXY_PASSWORD"
SECRET_VARIABLES = (
    *(TOKEN_VARIABLE, KEY_VARIABLE, NATS_PASSWORD_VARIABLE),
    *(DATABASE_VARIABLE, PROXY_PASSWORD_VARIABLE),
)
USER_VARIABLES = (NATS_USER_VARIABLE, PROXY_USER_VARIABLE)
LOGIN_VARIABLES = (*USER_VARIABLES, *SECRET_VARIABLES)
FILE = "_FILE"  # after a secret's variable: where the secret is
MAX_SECRET_BYTES = 4096
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
NAME = re.compile("[A-Za-z0-9_]{1,80}")  # of a variable; what is spelled otherwise may be a secret
# What Kubernetes tells every container about a service that is called "sonneteer".
OF_KUBERNETES = re.compile(r"SONNETEER_(SERVICE_(HOST|PORT)\w*|PORT(_\d+_(TCP|UDP|SCTP)\w*)?)")

DEFAULT_PATH = CONFIG_FILE
Sections = Mapping[str, type[BaseModel]]


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and the variable that it came from."""

    variable: str
    value: Any


def read_file(path: Path | None) -> dict[str, Any]:
    """Read a config file, the project's own if None; that one may be missing. Raises BadConfig."""
    file = path or DEFAULT_PATH
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        if path is not None:
            raise BadConfig(f"The config file {file} does not exist. Check --config.") from None
        return {}
    except RecursionError as error:
        raise BadConfig(f"The config file {file} is nested too deeply to be read.") from error
    except OSError as error:
        raise BadConfig(f"The config file {file} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # no UTF-8, no TOML, or a number of 5,000 digits
        raise BadConfig(f"The config file {file} cannot be read: {_reason(error)}.") from None


def home_of(path: Path | None) -> Path:
    """Return what the folders in a config file (the project's own if None) are relative to."""
    file = (path or DEFAULT_PATH).resolve()
    return HOME if file == DEFAULT_PATH.resolve() else file.parent


def _reason(error: ValueError) -> str:
    """Say what is wrong with the file and where, without the names and values that it quotes.

    >>> _reason(ValueError("Cannot declare ('a', 'b') twice (at line 2, column 5)"))
    'Cannot declare (…) twice (at line 2, column 5)'
    """
    if isinstance(error, UnicodeDecodeError):
        return f"it is not valid UTF-8 from byte {error.start:,} on"
    text = re.sub(r"\(['\"].*\)(?= )", "(…)", str(error))
    return re.sub(r"'[^']{2,}'", "'…'", text)


def variable_of(section: str, key: str) -> str:
    """Return the variable of a setting.

    >>> variable_of("web", "port")
    'SONNETEER_WEB_PORT'
    """
    return f"{PREFIX}{section}_{key}".upper()


def given_settings(
    environment: Mapping[str, str], sections: Sections
) -> dict[tuple[str, str], Given]:
    """Return the settings of these sections that are set, by section and key."""
    return {
        (section, key): Given(name, _read(value, field.annotation))
        for section, kind in sections.items()
        for key, field in kind.model_fields.items()
        if (value := environment.get(name := variable_of(section, key), "").strip())
    }


def refuse_unknown(environment: Mapping[str, str], sections: Sections) -> None:
    """Raise BadConfig for a variable that looks like ours and is none."""
    known = [
        *(
            variable_of(section, key)
            for section in sections
            for key in sections[section].model_fields
        ),
        *LOGIN_VARIABLES,
        *(name + FILE for name in SECRET_VARIABLES),
    ]
    in_kubernetes = "KUBERNETES_SERVICE_HOST" in environment
    for name in sorted(environment):
        if not name.upper().startswith(PREFIX) or name in known:
            continue
        if in_kubernetes and OF_KUBERNETES.fullmatch(name):
            continue
        (near,) = difflib.get_close_matches(name[:80].upper(), known, 1, cutoff=0.0)
        shown = name if NAME.fullmatch(name) else f"{PREFIX}…"
        raise BadConfig(
            f"{shown} is set, but Sonneteer has no such variable; the nearest is {near}. Correct "
            "or remove it. docs/configuration.md lists all settings."
        )


def given_secret(environment: Mapping[str, str], name: str) -> Given:
    """Return a secret, from its variable or from the file that NAME_FILE names; "" where it is not.

    Raises BadConfig, without a word of the secret.
    """
    value, file = (environment.get(each, "").strip() for each in (name, name + FILE))
    if not file:
        return Given(name, value)
    if value:
        raise BadConfig(f"{name} and {name}{FILE} are both set. Keep one of them.")
    return Given(name + FILE, _read_file(file, name + FILE))


def _read(text: str, kind: Any) -> Any:
    """Read a value as its type wants; text where it cannot be read so.

    >>> _read("2", int), _read("TRUE", bool), _read("a, b", list[str]), _read("two", int)
    (2, True, ['a', 'b'], 'two')
    """
    if kind is bool:
        return BOOLEANS.get(text.lower(), text)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    kinds = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    if any(get_origin(each) is list for each in kinds):
        return _read_list(text, or_text=str in kinds)
    return text


def _read_list(text: str, *, or_text: bool) -> Any:
    if text.startswith("["):
        try:
            content = tomllib.loads(f"list = {text}")
        except (ValueError, RecursionError):
            return text
        return content["list"] if len(content) == 1 else text
    parts = [part for each in text.split(",") if (part := each.strip())]
    return text if or_text and len(parts) < 2 else parts


def _read_file(path: str, variable: str) -> str:
    # A secret may have been typed where its file belongs: then nothing of it is shown.
    is_path = Path(path).is_absolute() or path.startswith(".")
    shown = f"{variable} names {path!r}" if is_path else f"{variable} names a file"
    try:
        raw = _read_bytes(path)
    except FileNotFoundError:
        raise BadConfig(f"{shown}, which does not exist. Correct the path.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or "it is not a regular file"
        way = "Name a file that the user who runs the bot can read."
        raise BadConfig(f"{shown}, which cannot be read: {reason}. {way}") from None
    if len(raw) > MAX_SECRET_BYTES:
        most = f"{MAX_SECRET_BYTES:,} bytes"
        raise BadConfig(f"{shown}, which has more than {most}. It must have the secret alone.")
    try:
        secret = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise BadConfig(f"{shown}, which is not text in UTF-8. Write it anew.") from None
    if not secret:
        raise BadConfig(f"{shown}, which is empty. Write the secret into it, or unset {variable}.")
    if not secret.isprintable():
        raise BadConfig(f"{shown}, which has more than one line. It must have the secret alone.")
    return secret


def _read_bytes(path: str) -> bytes:
    """Read the beginning of a file; raise ValueError for a folder, a pipe or a device."""
    # A pipe that nobody writes to is not waited for.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError
        return os.read(descriptor, MAX_SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
