"""The command line as a shell sees it: a child process, its two streams, its exit status."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.cli.main import main
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "MTA1MjM0NTY3ODkwMTIzNDU2.GhIjKl.0123456789abcdefghijklmnopqrstuv"
UNBUFFERED = "PYTHONUNBUFFERED"  # where it is set, nothing is left for the end of the process

MakeModel = Callable[..., Path]


@pytest.fixture
def config(tmp_path: Path, model_file: MakeModel) -> Path:
    """A config file beside a folder with one tiny model, which is the default."""
    model_file("harbour")
    path = tmp_path / "config.toml"
    path.write_text('[models]\ndefault = "harbour"\n[web]\nport = 0\n')
    return path


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    monkeypatch.delenv("SONNETEER_API_KEY", raising=False)


def run(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bot", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=HANG_SECONDS) as response:  # noqa: S310
        body: bytes = response.read()
    return body


def answer(
    capsys: pytest.CaptureFixture[str], *arguments: str | int | Path
) -> tuple[int, str, str]:
    """Run the command line in this process, where torch is loaded already."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as end:
        status = int(end.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_write_prints_one_poem_and_nothing_else_and_the_same_after_a_restart(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once in this process, which has written others, and once in a new one."""
    arguments = ("--config", config, "write", "The sea", "--chars", "60", "--random-seed", "1")
    _, first, _ = answer(capsys, *arguments)
    done = run(*arguments)
    assert done.returncode == 0
    assert done.stdout.startswith("The sea")
    assert len(done.stdout) == 61
    assert done.stderr == ""
    assert first == done.stdout


def test_json_is_one_object_on_one_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = answer(
        capsys, "--config", config, "write", "rain", "--json", "--random-seed", 5, "--top-k", 9
    )
    assert status == 0
    assert out.count("\n") == 1
    poem = json.loads(out)
    assert poem["text"].startswith("rain")
    assert poem["lines"] == [line for line in poem["text"].split("\n") if line.strip()]
    assert (poem["model"], poem["random_seed"], poem["settings"]["top_k"]) == ("harbour", 5, 9)


@pytest.mark.parametrize(
    ("command", "shares"), [(("write", "a rose", "--chars", 9), True), (("models",), False)]
)
def test_threads_share_one_heap_where_poems_are_written(
    command: tuple[str | int, ...],
    shares: bool,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[bool] = []
    monkeypatch.setattr("bot.cli.main.share_one_heap", lambda: calls.append(True))
    assert answer(capsys, "--config", config, *command)[0] == 0
    assert bool(calls) == shares


def test_the_steps_of_a_request_are_logged_on_demand(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--config", config, "write", "a rose", "--chars", 40)
    assert "DEBUG" not in answer(capsys, *asked)[2]
    status, poem, log = answer(capsys, "--verbose", *asked)
    assert status == 0
    assert poem.startswith("a rose")
    assert re.search(r"DEBUG +bot\.core\.poems .*a poem was asked for, door", log)


def test_a_model_may_be_a_file(
    config: Path, model_file: MakeModel, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = model_file("guest", folder="elsewhere")
    status, out, _ = answer(
        capsys, "--config", config, "write", "a", "--json", "--model", guest, "--chars", 20
    )
    assert status == 0
    assert json.loads(out)["model"] == "guest"


def test_models_lists_what_is_installed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = answer(capsys, "--config", config, "models")
    assert status == 0
    assert "* harbour" in out
    assert "The Book of Harbour" in out


def test_a_piped_console_writes_a_poem_for_each_line(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--chars", "30", "--random-seed", "4")
    done = run("--config", config, "console", *options, stdin="rain\nwind\n")
    assert done.returncode == 0
    alone = [
        answer(capsys, "--config", config, "write", seed, *options) for seed in ("rain", "wind")
    ]
    assert done.stdout == "".join(f"{poem}\n" for _, poem, _ in alone)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("write",), "SEED"),
        (("write", "a", "--chars", "0"), "characters is 0; it must be between 1 and 10,000."),
        (("write", "a", "--chars", "x"), "invalid int value: 'x'"),
        (("write", "a", "--chars", "3", "--lines", "3"), "not allowed with"),
        (("write", "a", "--temperature", "9"), "temperature is 9.0; it must be between 0.05 and"),
        (("write", "a", "--temperature", "nan"), "temperature is nan; it must be between"),
        (("write", "a", "--random-seed", "-1"), "random seed is -1; it must be between 0 and"),
        (("write", "a", "--model", "pears"), "no model called 'pears'. Choose one of: harbour"),
        (("write", "a", "--model", "none.safetensors"), "cannot be read"),
        (("wrote", "a"), "invalid choice: 'wrote'"),
    ],
)
def test_wrong_use_gets_one_sentence_and_exit_2(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    status, out, err = answer(capsys, "--config", config, *arguments)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("environment", ["", TOKEN])
@pytest.mark.parametrize(
    "arguments",
    [
        ("--token", TOKEN),
        (f"--token={TOKEN}",),
        (TOKEN,),
        ("--log", TOKEN),
        ("--config", TOKEN),
        ("--shards", TOKEN),
        ("write", "a", "--model", TOKEN),
        ("write", "a", "--model", f"{TOKEN}.safetensors"),
        ("write", "a", "--chars", TOKEN),
        ("write", "a", "--form", TOKEN),
        ("models", "info", TOKEN),
        ("settings", "1", "avoid", TOKEN, TOKEN),
        ("forget", TOKEN),
        ("restore", TOKEN),
    ],
)
def test_no_sentence_on_stderr_has_a_token(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    environment: str,
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", environment)
    _, _, err = answer(capsys, "--config", config, *arguments)
    assert not any(part in err for part in TOKEN.split("."))


FIRST_THINGS = """
import contextlib, ctypes, os, runpy, sys  # with what contextlib imports itself

DUMPABLE = 3  # PR_GET_DUMPABLE, linux/prctl.h
asked = ctypes.CDLL(None).prctl

def hook(event, arguments):
    if event == "import" and not hook.closed:
        hook.closed = asked(DUMPABLE, 0, 0, 0, 0) == 0
        if not hook.closed:
            early.append(arguments[0])

hook.closed, early = False, []
sys.addaudithook(hook)
sys.argv = ["bot", "--help"]
try:
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
finally:
    shown = open("/proc/self/environ").read()
    print(*early, "DISCORD_TOKEN" in os.environ, "a-secret" in shown, hook.closed, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_memory_is_closed_and_the_token_taken_before_anything_else_is_done() -> None:
    """It once could be read in /proc until the model was loaded, for five seconds."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_THINGS],
        cwd=ROOT,
        env={**os.environ, "DISCORD_TOKEN": "a-secret"},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    *early, in_environment, in_proc, closed = done.stderr.split()
    assert (in_environment, in_proc, closed) == ("False", "False", "True")
    assert {name.partition(".")[0] for name in early} <= {"__future__", "bot"}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("models",), "�[2J"),
        (("models", "info", "\x1b[2J\u202e"), "�[2J�"),
        (("write", "a", "--model", "\x1b[2J"), "[2J"),
        (("write", "a", "--form", "free", "--chars", "9", "--opening", "\x9b2J\u2066"), "2J"),
        (("write", "a\x1b[2J\u2028b\u2067", "--form", "free", "--chars", "9"), "a"),
        (("settings", "1", "avoid", "\x1b]0;a\x07"), "]0;a"),
    ],
)
def test_what_a_stranger_wrote_commands_no_terminal(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    model_file: MakeModel,
    arguments: tuple[str, ...],
    shown: str,
) -> None:
    """File names, openings, seeds and refused values: all reach the terminal, none commands it."""
    hostile = "\x1b[2J\u202e"
    model_file("guest").rename(config.parent / "models" / f"{hostile}.safetensors")
    _, out, err = answer(capsys, "--config", config, *arguments)
    assert shown in out + err
    commands = "\x1b\x07\x9b\u2028\u202e\u2066\u2067"
    assert not [character for character in out + err if character in commands]


def test_a_bad_config_gets_one_sentence_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[web]\nport = 99999\n")
    status, _, err = answer(capsys, "--config", path)
    assert status == 2
    assert err == "config.toml: web.port is 99999; it must be a whole number from 0 to 65,535.\n"


@pytest.mark.parametrize("command", [(), ("write", "a"), ("console",)])
def test_an_unknown_default_gets_one_sentence_and_exit_2(
    config: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """The bot once came up with another model, and only the log told of it."""
    config.write_text('[models]\ndefault = "pears"\n[web]\nport = 0\n')
    status, out, err = answer(capsys, "--config", config, *command)
    assert (status, out) == (2, "")
    assert err == (
        "models.default in config.toml is 'pears', and no usable model of that name is installed. "
        "Choose one of: harbour, sonnets.\n"
    )


def test_with_an_unknown_default_models_can_be_listed_and_named(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text('[models]\ndefault = "pears"\n')
    status, out, _ = answer(capsys, "--config", config, "models")
    assert status == 0
    assert "harbour" in out
    options = ("--model", "harbour", "--chars", 40, "--random-seed", 1)
    status, out, _ = answer(capsys, "--config", config, "write", "a", *options)
    assert (status, len(out)) == (0, 41)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE")
@pytest.mark.parametrize(
    "command", [("models",), ("write", "a", "--chars", "99"), ("console", "--lines", "3")]
)
def test_a_reader_who_has_gone_is_no_error(config: Path, command: tuple[str, ...]) -> None:
    """`python -m bot models | head` could end with a complaint of Python's."""
    reading, writing = os.pipe()
    os.close(reading)
    environment = {name: value for name, value in os.environ.items() if name != UNBUFFERED}
    done = subprocess.run(
        [sys.executable, "-m", "bot", "--config", config, *command],
        cwd=ROOT,
        input="rain\nwind\n",
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        timeout=HANG_SECONDS,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_to_run_is_said(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text() + "enabled = false\n")
    status, _, err = answer(capsys, "--config", config)
    assert status == 2
    assert "DISCORD_TOKEN is not set" in err


def test_any_bytes_as_a_seed_are_taken(config: Path) -> None:
    command = [sys.executable.encode(), b"-m", b"bot", b"--config", bytes(config), b"write"]
    done = subprocess.run(
        [*command, b"sea \xff\xfe", b"--chars", b"20", b"--random-seed", b"1"],
        cwd=ROOT,
        capture_output=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0
    assert done.stdout.startswith(b"sea")


@pytest.fixture
def served(
    config: Path, style: str
) -> Iterator[tuple[subprocess.Popen[str], str, list[dict[str, str]]]]:
    """The bot as a child process: the process, the page's address, its log so far."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "--config", str(config), "--log", style],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, UNBUFFERED: "1"},
    )
    assert process.stderr is not None
    log: list[dict[str, str]] = []
    for line in process.stderr:
        log.append(json.loads(line) if style == "json" else {"message": line.rstrip("\n")})
        if "DISCORD_TOKEN" in line:
            break
    said = [line["message"] for line in log]
    address = next(message.split()[-1] for message in said if "the page is at" in message)
    yield process, address, log
    process.kill()
    process.wait()
    process.stderr.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
@pytest.mark.parametrize(("style", "number"), [("text", signal.SIGTERM), ("json", signal.SIGINT)])
def test_a_running_bot_logs_serves_the_page_and_ends_with_0(
    served: tuple[subprocess.Popen[str], str, list[dict[str, str]]], number: signal.Signals
) -> None:
    process, address, log = served
    assert "DISCORD_TOKEN" in log[-1]["message"]
    assert json.loads(fetch(f"{address}/healthz"))["ok"] is True
    assert b"Sonneteer" in fetch(address)
    process.send_signal(number)
    assert process.wait(timeout=HANG_SECONDS) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one child")
def test_ctrl_c_at_the_console_exits_with_130(config: Path) -> None:
    options = ("--chars", "20", "--random-seed", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "--config", str(config), "console", *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background of a script has Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("rain\n")
        process.stdin.flush()
        assert process.stdout.readline() != ""  # it is up, and about to wait for the next line
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=HANG_SECONDS) == 130


def test_a_proxy_with_a_password_is_taken_out_of_the_environment(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://me:opens-the-proxy@127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert answer(capsys, "--config", config, "models")[0] == 0
    assert "https_proxy" not in os.environ
    assert os.environ["HTTP_PROXY"] == "http://127.0.0.1:9"


def test_a_variable_that_is_no_setting_gets_one_sentence_and_exit_2(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONNETEER_WEB_PROT", "9000")
    status, out, err = answer(capsys, "--config", config, "models")
    assert (status, out) == (2, "")
    assert err == (
        "SONNETEER_WEB_PROT is set, but Sonneteer has no such variable; the nearest is "
        "SONNETEER_WEB_PORT. Correct or remove it. docs/configuration.md lists all settings.\n"
    )


def test_a_proxy_of_another_kind_keeps_the_bot_from_starting_and_not_from_writing(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:opens-the-proxy@127.0.0.1:9")
    status, _, err = answer(capsys, "--config", config)
    assert status == 2
    assert err.startswith("ALL_PROXY is '…@127.0.0.1:9'; it must be the address of an HTTP proxy")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    options = ("--form", "free", "--chars", 9)
    assert answer(capsys, "--config", config, "write", "a", *options)[0] == 0
