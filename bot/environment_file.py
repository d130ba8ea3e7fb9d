"""The file `environment` beside config.toml: variables for the bot, such as its token.

Lines of NAME=VALUE, as systemd (EnvironmentFile=) and Docker (--env-file) read them, too. What is
set in the environment itself goes before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bot.core.errors import BadConfig
from bot.sources import FILE, SECRET_VARIABLES

FILE_NAME = "environment"
MAX_BYTES = 65_536
LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,99})=(.*)")
QUOTED = re.compile(r"([\"'])(.*)\1")


def environment_file(config_file: Path) -> Path:
    """Return where the variables for a config file are kept."""
    return config_file.parent / FILE_NAME


def read_environment_file(file: Path) -> dict[str, str]:
    """Return the variables of a file; none where there is no such file.

    Nor where this user may not read it: a service is told them by its manager, who may. Raises
    BadConfig, which quotes nothing: a value may be a secret.
    """
    try:
        if not file.is_file():
            return {}
        with file.open("rb") as opened:
            text = opened.read(MAX_BYTES + 1).decode("utf-8-sig")
    except PermissionError:
        return {}
    except OSError as error:
        raise BadConfig(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise BadConfig(f"{file} is not valid UTF-8 from byte {error.start:,} on.") from None
    if len(text) > MAX_BYTES:
        raise BadConfig(f"{file} has more than {MAX_BYTES:,} bytes. Leave only variables in it.")
    return dict(_variables(file, text))


def _variables(file: Path, text: str) -> list[tuple[str, str]]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise BadConfig(f"{file}, line {number}: write NAME=VALUE, or # before a remark.")
        quoted = QUOTED.fullmatch(match[2])
        found.append((match[1], quoted[2] if quoted else match[2]))
    return found


def under(variables: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment over the variables of a file.

    A secret that the environment has goes before the same secret in the file, whichever of the two
    names a file that has it.

    >>> under({"DISCORD_TOKEN": "a", "B": "b"}, {"DISCORD_TOKEN_FILE": "/run/token"})
    {'B': 'b', 'DISCORD_TOKEN_FILE': '/run/token'}
    """
    hidden = {
        other
        for name in SECRET_VARIABLES
        for given, other in ((name, name + FILE), (name + FILE, name))
        if environment.get(given, "").strip()
    }
    kept = {name: value for name, value in variables.items() if name not in hidden}
    return {**kept, **environment}


def with_variables(text: str, variables: Mapping[str, str]) -> str:
    r"""Return the text of a file in which some variables have new values; the rest stays.

    >>> with_variables("# mine\nA=1\nB=2\n", {"A": "3"})
    '# mine\nB=2\nA=3\n'
    """
    kept = [line for line in text.splitlines() if line.strip().partition("=")[0] not in variables]
    return "\n".join([*kept, *(f"{name}={value}" for name, value in variables.items()), ""])
