"""A watch over the whole run of the tests: nothing that is written anywhere has a token in it.

Looked at is every record of the log, of our loggers and of those of Discord's library at all
levels, with its stack; what tests print; what the bot sends to the fake Discord, but for the
header and the gateway's messages that are there for the token; small files that tests leave.
Found tokens fail the run. A test that writes one on purpose says so with a mark.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

TOKENS = (
    "token-of-the-fake",  # tests.fake_discord.TOKEN
    "simcord.fake.token",
    "some.secret.token",
    "a-wrong-token",
    "key-of-programs-0123456789",  # of the tests of /v1
    "se.cr.et",
    "MTA1MjM0NTY3ODkwMTIzNDU2.GhIjKl.0123456789abcdefghijklmnopqrstuv",
)
MARK = "token_on_purpose"
MEANT = "the test means to write a token to places of this kind: log, print, file, Discord"
LOUD = re.compile(r"(bot|discord)(\.|$)")  # loggers that are seen at all levels
MAX_FILE_BYTES = 1_000_000
MAX_TEST_BYTES = 8_000_000  # of all files of one test
WORKER_KEY = "sonneteer_leaks"  # of what a worker of pytest-xdist tells the run that started it
SHOWN = 40  # characters before and after a token that was found


class Watch:
    """Looks at what is written and remembers where a token was."""

    def __init__(self, tokens: Iterable[str] = TOKENS) -> None:
        self._text = re.compile("|".join(map(re.escape, tokens)))
        self._raw = re.compile(self._text.pattern.encode())
        self.test = "before the first test"
        self.on_purpose: tuple[str, ...] = ()  # kinds of places: see MARK
        self.found: list[str] = []
        self._fakes: list[Any] = []  # the fake Discords of this test
        self._replaced: list[tuple[type, str, Any]] = []

    def see(self, written: str, kind: str, place: str) -> None:
        if kind not in self.on_purpose and (match := self._text.search(written)):
            start, end = max(match.start() - SHOWN, 0), match.end() + SHOWN
            self.found.append(f"{self.test}: a token in {place}: {written[start:end]!r}")

    def see_record(self, record: logging.LogRecord) -> None:
        try:
            parts = [record.getMessage()]
        except (TypeError, ValueError):  # its arguments do not fit, which is for others to tell
            parts = [str(record.msg), str(record.args)]
        if record.exc_info and record.exc_info[1] is not None:
            parts += traceback.format_exception(record.exc_info[1])
        self.see("\n".join(parts), "log", f"the log of {record.name}")

    def see_folder(self, folder: Path) -> None:
        left = MAX_TEST_BYTES
        for path in folder.rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            size = path.stat().st_size
            if size > min(MAX_FILE_BYTES, left):
                continue
            left -= size
            if "file" not in self.on_purpose and self._raw.search(path.read_bytes()):
                self.found.append(f"{self.test}: a token in the file {path}")

    # What pytest calls

    def pytest_collection_finish(self) -> None:
        fake = sys.modules.get("tests.fake_discord")
        if fake is not None:
            self._replace(fake.FakeDiscord, "__init__", self._remember)

    def pytest_unconfigure(self) -> None:
        for owner, name, original in reversed(self._replaced):
            setattr(owner, name, original)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self.test = item.nodeid
        self.on_purpose = tuple(kind for mark in item.iter_markers(MARK) for kind in mark.args)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        fixtures: dict[str, Any] = getattr(item, "funcargs", None) or {}
        folder, simulated = fixtures.get("tmp_path"), fixtures.get("simcord_env")
        try:
            return (yield)
        finally:
            if folder is not None:
                self.see_folder(folder)
            if simulated is not None:
                self.see(repr(simulated.backend.transcript), "Discord", "what was said on Discord")
            for fake in self._fakes:
                self.see(repr(fake.requests), "Discord", "what was sent to Discord")
            self._fakes.clear()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "node"):  # from a worker of pytest-xdist, which has looked at it
            return
        for title, content in report.sections:
            self.see(content, "log" if "log" in title else "print", title)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of pytest-xdist found. One that crashed fails the run anyway."""
        self.found += getattr(node, "workeroutput", {}).get(WORKER_KEY, ())

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[WORKER_KEY] = self.found
        if self.found:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.found:
            terminalreporter.section("tokens that were written", red=True)
            for sentence in dict.fromkeys(self.found):
                terminalreporter.line(sentence)

    # How it gets to see

    def listen(self) -> None:
        """See all records, and what tests take out of `capsys`; others see no more than before."""
        self._replace(logging.Logger, "isEnabledFor", self._enable)
        self._replace(logging.Logger, "handle", self._handle)
        self._replace(pytest.CaptureFixture, "readouterr", self._read)

    def _replace(self, owner: type, name: str, way: Callable[..., Any]) -> None:
        """Put `way` in the place of a method; it gets the method as well, first of all."""
        original = getattr(owner, name)
        self._replaced.append((owner, name, original))

        def method(*arguments: Any, **options: Any) -> Any:
            return way(original, *arguments, **options)

        setattr(owner, name, method)

    def _enable(self, original: Any, logger: logging.Logger, level: int) -> bool:
        return bool(LOUD.match(logger.name)) or original(logger, level)

    def _handle(self, _: Any, logger: logging.Logger, record: logging.LogRecord) -> None:
        self.see_record(record)
        enabled, handle = (original for _, _, original in self._replaced[:2])
        if enabled(logger, record.levelno):
            handle(logger, record)

    def _read(self, original: Any, capture: Any) -> Any:
        captured = original(capture)
        self.see(f"{captured.out}\n{captured.err}", "print", "what was printed")
        return captured

    def _remember(self, original: Any, fake: Any, *arguments: Any, **options: Any) -> None:
        original(fake, *arguments, **options)
        self._fakes.append(fake)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}(kind, …): {MEANT}")
    watch = Watch()
    watch.listen()
    config.pluginmanager.register(watch, "leaks")
