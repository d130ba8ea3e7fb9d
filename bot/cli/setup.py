"""`init`: asks for what a new installation needs, keeps it in two files, and runs the doctor."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO, TypeVar

from bot.config import load_config
from bot.core.errors import BadConfig, BadSetting, BotError, CannotWrite
from bot.core.installation import COMMAND, CONFIG_FILE, HOME, ROOT, as_typed
from bot.core.paths import stay_private
from bot.environment_file import (
    environment_file,
    read_environment_file,
    under,
    with_variables,
)
from bot.sources import FILE, TOKEN_VARIABLE, given_secret
from model import write_durably

INIT = "init"
TEMPLATE = ROOT / "config.toml"  # every setting with its default
SECTIONS = ("models", "data")  # of the settings, that have a folder
HEADER = "# Variables for Sonneteer, one on a line. Only its user may read this file.\n"
MAX_TOKEN_BYTES = 10_000
Answer = TypeVar("Answer")


def add_command(commands: argparse._SubParsersAction[Any]) -> None:
    init = commands.add_parser(
        INIT, help="set up: ask for a token and a folder, write the settings, check them"
    )
    init.add_argument(
        "--folder", metavar="DIR", help=f"for data and models; default: {HOME}".replace("%", "%%")
    )
    token = init.add_mutually_exclusive_group()
    token.add_argument(
        "--token-file", metavar="FILE", help="which has the bot's token; -: read it from stdin"
    )
    token.add_argument("--no-token", action="store_true", help="the web page alone, no Discord")
    init.add_argument("--force", action="store_true", help="replace files that are there")


class Terminal:
    """Where questions are asked; `is_there` says whether somebody can answer."""

    def __init__(self, lines: TextIO, out: TextIO) -> None:
        self._lines = lines
        self._out = out
        self.is_there = lines.isatty()

    def tell(self, sentence: object) -> None:
        print(sentence, file=self._out, flush=True)

    def ask(self, question: str) -> str:
        """Return the answer without spaces around it; raise BadConfig where there is none."""
        print(question, end=" ", file=self._out, flush=True)
        line = self._lines.readline()
        if not line:
            raise BadConfig("The input ended before all questions were answered.")
        return line.strip()

    def ask_secret(self, question: str) -> str:
        """Do as `ask` does, and show nothing of what is typed."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            try:
                return getpass.getpass(f"{question} ").strip()
            except EOFError:
                raise BadConfig("The input ended before all questions were answered.") from None
            except getpass.GetPassWarning:
                raise BadConfig(
                    "This terminal would show the token. Put it into a file that only you can "
                    "read, and give --token-file FILE."
                ) from None

    def until_good(self, ask: Callable[[], str], check: Callable[[str], Answer]) -> Answer:
        """Ask until an answer passes a check; say each time what is wrong."""
        while True:
            answer = ask()
            try:
                return check(answer)
            except BotError as error:
                self.tell(error)


def run(
    arguments: argparse.Namespace,
    environment: Mapping[str, str],
    out: TextIO,
    err: TextIO,
    terminal: Terminal | None = None,
) -> int:
    """Set up an installation; return the doctor's exit status.

    Raises the BotError that says why nothing could be set up.
    """
    from bot.doctor import checks

    terminal = terminal or Terminal(sys.stdin, out)
    file: Path = (arguments.config or CONFIG_FILE).absolute()
    secrets = environment_file(file)
    stay_private()
    replaces = _may_replace(file, arguments, terminal)
    folder = _ask_folder(arguments, terminal) if replaces else None
    known = given_secret(environment, TOKEN_VARIABLE)
    token = _ask_token(arguments, known.value, terminal)
    if token == known.value and known.variable.endswith(FILE):
        token = ""  # it stays in the file of its own
    kept = _keep_token(secrets, token, arguments, terminal)
    if folder is not None:
        _write(file, _settings(folder, file.parent))
    for written in (*([file] if folder is not None else []), *([secrets] if kept else [])):
        print(f"Wrote {written}.", file=out, flush=True)
    variables = under(environment, read_environment_file(secrets))  # the file is newer
    status = checks.run(arguments.config, as_json=False, out=out, err=err, environment=variables)
    _say_what_is_next(arguments.config, variables, out)
    return status


def _may_replace(file: Path, arguments: argparse.Namespace, terminal: Terminal) -> bool:
    """Whether a file may be written: where there is none, or with a yes."""
    if arguments.force or not os.path.lexists(file):
        return True
    if not terminal.is_there:
        raise BadConfig(f"{file} exists, and nothing was changed. To replace it, give --force.")
    return terminal.ask(f"{file} exists. Replace it? [y/N]").lower() in ("y", "yes")


def _ask_folder(arguments: argparse.Namespace, terminal: Terminal) -> Path:
    if arguments.folder is not None or not terminal.is_there:
        return _check_folder(arguments.folder or str(HOME))
    question = f"Folder for data and models [{HOME}]:"
    return terminal.until_good(lambda: terminal.ask(question) or str(HOME), _check_folder)


def _check_folder(text: str) -> Path:
    """Return a folder that can be written, made where it was not there.

    Raises BadSetting and CannotWrite.
    """
    from bot.doctor.system import try_writing

    if not text.isprintable():
        raise BadSetting("folder", text, "a path of characters that can be printed")
    try:
        folder = Path(text).expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        try_writing(folder)
    except RuntimeError:
        raise BadSetting("folder", text, "a path; nobody of that name has a home here") from None
    except OSError as error:
        raise CannotWrite(Path(text), error.strerror or str(error)) from None
    return folder


def _ask_token(arguments: argparse.Namespace, known: str, terminal: Terminal) -> str:
    """Return the bot's token, "" for none; raise BadConfig."""
    if arguments.no_token:
        return ""
    if arguments.token_file is not None:
        return _check_token(_read_token(arguments.token_file))
    if not terminal.is_there:
        if known:
            return _check_token(known)
        raise BadConfig(
            "There is no terminal to ask for the bot's token at. Give --token-file FILE, or - for "
            f"stdin, set {TOKEN_VARIABLE}, or give --no-token for the web page alone."
        )
    empty = "keep the one there is" if known else "the web page alone"
    return terminal.until_good(
        lambda: terminal.ask_secret(f"Bot token, which is not shown (empty: {empty}):") or known,
        _check_token,
    )


def _check_token(token: str) -> str:
    from bot.doctor.discord_results import token_fault

    fault = token_fault(token) if token else None
    if fault is not None:
        raise BadConfig(f"The token {fault}.")
    return token


def _read_token(name: str) -> str:
    try:
        if name == "-":
            text = sys.stdin.read(MAX_TOKEN_BYTES)
        else:
            with Path(name).open(encoding="utf-8") as file:
                text = file.read(MAX_TOKEN_BYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise BadConfig(f"The token file {name} cannot be read: {why}.") from None
    if not text.strip():
        raise BadConfig(f"The token file {name} is empty. For no token, give --no-token.")
    return text.strip()


def _keep_token(file: Path, token: str, arguments: argparse.Namespace, terminal: Terminal) -> bool:
    """Put a token into the file of variables, whose others stay; return whether it was written."""
    there = os.path.lexists(file)
    if there and read_environment_file(file).get(TOKEN_VARIABLE, "") == token:
        return False
    if not _may_replace(file, arguments, terminal):
        return False
    try:
        text = file.read_text("utf-8-sig") if there else HEADER
    except OSError as error:
        raise CannotWrite(file, error.strerror or str(error)) from None
    _write(file, with_variables(text, {TOKEN_VARIABLE: token}))
    return True


def _settings(folder: Path, beside: Path) -> str:
    """Return a config file with every setting; what lies beside the file is named from there."""
    text = TEMPLATE.read_text("utf-8")
    if folder == beside:
        return text
    for section in SECTIONS:
        before, key, after = text.partition(f"\n[{section}]\nfolder = ")
        value = json.dumps(str(folder / section), ensure_ascii=False)  # as TOML writes it, too
        rest = after.split('"', 2)[2]  # behind the default
        text = f"{before}{key}{value}{rest}"
    return text


def _write(file: Path, text: str) -> None:
    """Write a file for this user alone; see `stay_private`."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file, [text.encode()])
    except OSError as error:
        raise CannotWrite(file, error.strerror or str(error)) from None


def _say_what_is_next(path: Path | None, environment: Mapping[str, str], out: TextIO) -> None:
    """Say how to invite the bot and how to start it, where the settings can be read."""
    from bot.doctor.discord_checks import find_invite

    try:
        config = load_config(path, environment)
    except BotError:
        return  # the doctor has said so
    if config.token is not None:
        token = config.token.get_secret_value()
        link = asyncio.run(find_invite(token, config.discord.api_url))
        shown = link or "the bot's log shows the link once it is on Discord"
        print(f"Invite the bot to a server: {shown}", file=out)
    option = "" if path is None else f" {as_typed('--config', str(path))}"
    print(f"Start it: {COMMAND}{option}", file=out, flush=True)
