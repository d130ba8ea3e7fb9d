"""The documents: what they name is in the code, links lead somewhere, pages are short.

Every command, option, key and address that a user's document names must exist, and every setting
that exists must be documented.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from annotated_types import Ge, Le
from discord.ext import commands

import train
from bot.cli.main import split_training
from bot.cli.parser import make_parser
from bot.config import SECTIONS
from bot.core.proxies import VARIABLES
from bot.discord_app import cogs
from bot.sources import LOGIN_VARIABLES, SECRET_VARIABLES, variable_of
from bot.web.openai import ChatBody, CompletionBody
from bot.web.poems import PoemBody

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("docs", "bench", "tests", "bot", "model", "deploy", "integrations")
PAGES = sorted([*ROOT.glob("*.md"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*.md"))])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
# What a user follows word by word; CHANGELOG.md and bench/results/ also tell what was.
MANUALS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WORDS = {"README.md": 900, "docs": 1_500, "decisions": 600}
WIDTH = 120
OTHERS_MODULES = {"venv", "pytest"}
OTHERS_OPTIONS = {"--build-arg", "--env-file", "--scale"}  # of docker
FOLDERS_NAMED = {"/tmp"}  # noqa: S108 - it looks like a slash command
LOG_PARTS = {"[id]", "[token]"}  # they look like sections of config.toml

FENCE = re.compile(r"^\s*```(\w*)\n(.*?)^\s*```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| *(.+?) *\|$", re.MULTILINE)
MODULE = re.compile(r"python -m ([\w.]+)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)
each_manual = pytest.mark.parametrize("page", MANUALS, ids=name_of)


@cache
def read(page: Path) -> str:
    return page.read_text("utf-8")


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub("", read(page))


def spans(page: Path) -> list[str]:
    """Return what is set as code within the text of a page, each on one line."""
    return [" ".join(span.split()) for span in INLINE.findall(prose(page))]


def shell_lines(page: Path) -> Iterator[str]:
    """Yield each command line of a page, in a block or within the text."""
    for language, block in FENCE.findall(read(page)):
        if language == "sh":
            yield from block.replace("\\\n", " ").splitlines()
    yield from spans(page)


def programs(page: Path, program: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of `program`, such as "python train.py", on a page."""
    for line in shell_lines(page):
        before, found, rest = line.partition(f"{program} ")
        if found and "#" not in before:
            call = re.split(" [|>] ", re.sub(r"\$\(.*?\)", "X", rest))[0]
            yield shlex.split(call, comments=True)


def rows(page: Path) -> list[list[str]]:
    return [re.split(r" *(?<!\\)\| *", row) for row in ROW.findall(read(page))]


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading.

    >>> slug("Options of train.py"), slug("`--recipe` of old")
    ('options-of-trainpy', '--recipe-of-old')
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@each_page
def test_no_line_is_longer_than_an_editor_shows(page: Path) -> None:
    long = [n for n, line in enumerate(read(page).split("\n"), 1) if len(line) > WIDTH]
    assert not long, f"lines of more than {WIDTH} characters"


@pytest.mark.parametrize("page", [*MANUALS, *DECISIONS], ids=name_of)
def test_a_page_is_short(page: Path) -> None:
    limit = WORDS.get(page.name) or WORDS[page.parent.name]
    assert len(read(page).split()) < limit


@each_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in {slug(heading) for heading in HEADING.findall(prose(file))}, target


def test_the_pages_link_to_all_of_each_other() -> None:
    """No page of docs/, bench/results/ or integrations/ is out of reach of README.md."""
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = {
            (page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(page))
        }
        waiting += [link for link in links - reached if link.suffix == ".md"]
    folders = (ROOT / "docs", ROOT / "integrations")
    wanted = {page for page in PAGES if any(map(page.is_relative_to, folders))}
    assert wanted | set((ROOT / "bench" / "results").glob("*.md")) <= reached


def test_decisions_are_numbered_without_a_gap_and_say_what_and_why() -> None:
    assert [int(page.name[:3]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    index = read(ROOT / "docs" / "decisions" / "README.md")
    for number, page in enumerate(DECISIONS, 1):
        title = re.match(rf"# {number}\. (.+)\n", read(page))
        assert title, page.name
        assert f"[{title[1]}]({page.name})" in index
        if "known" not in page.name:
            parts = re.findall(
                r"^\*\*(What|Why|What else was tried)\.\*\*", read(page), re.MULTILINE
            )
            assert parts == ["What", "Why", "What else was tried"], page.name


def source_of(module: str) -> Path | None:
    """Return the file that `python -m MODULE` runs, None where there is none."""
    path = ROOT.joinpath(*module.split("."))
    found = (path.with_suffix(".py"), path / "__main__.py")
    return next((file for file in found if file.is_file()), None)


@each_page
def test_every_module_that_is_named_can_be_run(page: Path) -> None:
    named = set(MODULE.findall(read(page))) - OTHERS_MODULES
    for module in named - {"bench.NAME", "tests.rigs.NAME"}:
        assert source_of(module), module


@each_page
def test_the_options_of_a_measurement_exist(page: Path) -> None:
    for line in shell_lines(page):
        if found := re.search(r"python (?:-m )?(bench[\w.]+|tests\.rigs[\w.]+|train_base)", line):
            file = source_of(found[1])
            assert file, line
            for option in re.findall(r"(?<![\w-])--[a-z-]+", line[found.end() :]):
                assert f'"{option}"' in read(file), line


def status_of(parse: Callable[[list[str]], object], arguments: list[str]) -> object:
    """Return 0 where a parser takes the arguments (or shows its help), else its exit status."""
    try:
        parse(arguments)
    except SystemExit as stopped:
        return stopped.code
    return 0


@each_manual
def test_every_command_of_the_bot_can_be_read(page: Path) -> None:
    calls = [*programs(page, "python -m bot"), *programs(page, "sonneteer-shell")]
    for arguments in calls:
        assert status_of(make_parser().parse_args, arguments) == 0, shlex.join(arguments)


@each_manual
def test_every_command_of_the_package_can_be_read(page: Path) -> None:
    for line in shell_lines(page):
        if found := re.match("sonneteer (.*)", line):
            arguments = shlex.split(found[1], comments=True)
            ours, of_training = split_training(arguments)
            assert status_of(make_parser().parse_args, ours) == 0, line
            assert not of_training or status_of(train.parse, of_training) == 0, line


@pytest.mark.parametrize(
    "page", [*MANUALS, *(ROOT / "bench" / "results").glob("*.md")], ids=name_of
)
def test_every_training_can_be_read(page: Path) -> None:
    for arguments in programs(page, "python train.py"):
        assert status_of(train.parse, arguments) == 0, shlex.join(arguments)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the long options of a parser and of all its commands."""
    found: set[str] = set()
    for action in parser._actions:
        found |= {option for option in action.option_strings if option.startswith("--")}
        if isinstance(action, argparse._SubParsersAction):
            found = found.union(*(options_of(inner) for inner in action.choices.values()))
    return found


def options_of_training() -> set[str]:
    return set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', inspect.getsource(train.parse)))


@each_manual
def test_every_option_that_is_named_exists(page: Path) -> None:
    base = set(re.findall(r'"(--[a-z-]+)"', read(ROOT / "train_base.py")))
    known = options_of(make_parser()) | options_of_training() | base | OTHERS_OPTIONS
    for span in spans(page):
        if span.startswith("--"):
            assert span.split()[0] in known, span


@pytest.mark.parametrize("option", sorted(options_of_training()))
def test_every_option_of_the_training_is_documented(option: str) -> None:
    first = {span.split()[0] for span in spans(ROOT / "docs" / "training.md")}
    assert option in first


@pytest.mark.parametrize("option", sorted(options_of(make_parser()) - {"--help"}))
def test_every_option_of_the_bot_is_documented(option: str) -> None:
    assert any(re.search(rf"{option}(?![\w-])", read(page)) for page in MANUALS)


@cache
def discord_commands() -> tuple[frozenset[str], frozenset[str]]:
    """Return what can be typed with the prefix, and what as a slash command."""
    typed, slash = set(), set()
    for info in pkgutil.iter_modules(cogs.__path__):
        module = importlib.import_module(f"{cogs.__name__}.{info.name}")
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, commands.Cog):
                typed |= {command.qualified_name for command in kind.__cog_commands__}
                slash |= {command.qualified_name for command in kind.__cog_app_commands__}
                slash |= {
                    command.qualified_name
                    for command in kind.__cog_commands__
                    if isinstance(command, commands.HybridCommand | commands.HybridGroup)
                }
    return frozenset(typed), frozenset(slash)


def is_known(span: str, known: frozenset[str]) -> bool:
    """Whether a span such as "/book add" begins with a command; a group needs one of its own."""
    first, *rest = span[1:].split()
    of_group = {name for name in known if name.startswith(f"{first} ")}
    if of_group and rest:
        return f"{first} {rest[0]}" in of_group
    return first in known


@each_page
def test_every_discord_command_exists(page: Path) -> None:
    typed, slash = discord_commands()
    web = "".join(read(file) for file in (ROOT / "bot" / "web").glob("*.py"))
    for span in spans(page):
        if re.match(r"![A-Za-z]", span):
            assert is_known(span.lower(), typed), span
        elif found := re.match(r"/[a-z]+(?= |$)", span):
            if f'"{found[0]}"' not in web and found[0] not in FOLDERS_NAMED:
                assert is_known(span, slash), span
        elif span.startswith("@Sonneteer "):
            first = span.removeprefix("@Sonneteer ")
            assert is_known(f" {first}", typed) or first.split()[0] not in {"book", "train"}, span


def test_every_discord_command_is_documented() -> None:
    typed, slash = discord_commands()
    pages = [ROOT / "docs" / name for name in ("discord.md", "admins.md")]
    shown = [span for page in pages for span in spans(page) if span[0] in "/!"]
    groups = {name.split()[0] for name in slash if " " in name}
    assert typed
    for name in (typed | slash) - groups:
        assert any(re.match(rf"[/!]{name}(?= |$)", span) for span in shown), name


SETTINGS = [(section, key) for section, kind in SECTIONS.items() for key in kind.model_fields]


def documented_settings(section: str) -> dict[str, list[str]]:
    """Return the rows of a section in the table of settings, by key."""
    found = rows(ROOT / "docs" / "configuration.md")
    heads = [(row, re.fullmatch(rf"`\[{section}\] (\w+)`", row[0])) for row in found]
    return {head[1]: row for row, head in heads if head}


@pytest.mark.parametrize(("section", "key"), SETTINGS)
def test_every_setting_is_documented_with_its_default_and_range(section: str, key: str) -> None:
    table = documented_settings(section)
    assert key in table
    _, default, meaning = table[key]
    field = SECTIONS[section].model_fields[key]
    assert tomllib.loads(f"x = {default.strip('`')}")["x"] == field.default
    low = [bound.ge for bound in field.metadata if isinstance(bound, Ge)]
    high = [bound.le for bound in field.metadata if isinstance(bound, Le)]
    if low and high:
        numbers = re.findall(r"([\d.]+)–([\d.]+)", meaning.replace(",", ""))
        assert (low[0], high[0]) in [(float(a), float(b.rstrip("."))) for a, b in numbers]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_documented_setting_exists(section: str) -> None:
    assert documented_settings(section).keys() <= SECTIONS[section].model_fields.keys()


@each_manual
def test_every_setting_that_is_named_exists(page: Path) -> None:
    for span in set(spans(page)) - LOG_PARTS:
        for section, key in re.findall(r"^\[(\w+)\](?: (\w+))?", span):
            assert section in SECTIONS, span
            assert not key or key in SECTIONS[section].model_fields, span
    for language, block in FENCE.findall(read(page)):
        if language == "toml":
            for section, values in tomllib.loads(block).items():
                SECTIONS[section].model_validate(values)


@pytest.mark.parametrize("name", [*LOGIN_VARIABLES, *VARIABLES])
def test_every_variable_beside_the_settings_is_documented(name: str) -> None:
    assert f"`{name.upper()}" in read(ROOT / "docs" / "configuration.md")


@each_manual
def test_every_variable_that_is_named_exists(page: Path) -> None:
    known = {variable_of(section, key) for section, key in SETTINGS} | set(LOGIN_VARIABLES)
    known |= {f"{name}_FILE" for name in SECRET_VARIABLES}
    for name in re.findall(r"(?:SONNETEER_|DISCORD_)[A-Z_]*[A-Z]", read(page)):
        assert name in known, name


def test_the_api_is_documented_key_by_key() -> None:
    text = read(ROOT / "docs" / "api.md").partition("## Write a poem")[2].partition("###")[0]
    keys = {key for row in ROW.findall(text) for key in INLINE.findall(row.split("|")[0])}
    assert keys == set(PoemBody.model_fields)


def test_the_api_for_openais_clients_is_documented_key_by_key() -> None:
    found = rows(ROOT / "docs" / "openai.md")
    keys = {key for row in found for key in INLINE.findall(row[0]) if " " not in key}
    known = {*ChatBody.model_fields, *CompletionBody.model_fields}
    assert keys == known - {"user", "safety_identifier", "prompt_cache_key"}  # not looked at


def test_every_address_of_the_web_page_exists_and_is_documented() -> None:
    web = "".join(read(file) for file in (ROOT / "bot" / "web").glob("*.py"))
    served = set(re.findall(r'web\.(get|post)\("(/[\w/]+)"', web))
    named = {
        (method.lower(), path)
        for method, path in re.findall(r"(GET|POST) (/[\w/]+)", read(ROOT / "docs" / "api.md"))
    }
    assert named == served


def test_every_figure_that_is_named_is_counted() -> None:
    source = "".join(read(file) for file in (ROOT / "bot").rglob("*.py"))
    counted = set(re.findall(r'"(sonneteer_\w+)"', source))
    named = {name for page in MANUALS for name in re.findall(r"sonneteer_\w+", prose(page))}
    plain = {name.removesuffix("_total").removesuffix("_info") for name in named}
    assert plain <= counted
    assert counted - plain <= {"sonneteer_training_jobs_waiting"}  # shown as …_waiting


@each_page
def test_every_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"^([\w./-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    for line in shell_lines(page):
        if found := re.search(r"(?:^|= ?|… |sonneteer-build )make ([\w./-]+)", line):
            assert found[1] in targets, line
