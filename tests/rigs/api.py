"""What the HTTP API does with whatever its own description allows, and with what it forbids.

    python -m tests.rigs.api [--seconds 120] [--examples 100] [--seed 0] [--quick] [--json FILE]

The bot runs as a child process with a tiny model, first open, then with a key for /v1. Schemathesis
reads /api/openapi.json and asks: what the description allows must be answered as it says, what it
forbids must be refused, and nothing may be an error of the server. All of it stays on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from pathlib import Path

from bench.gauges import ROOT
from bot.sources import KEY_VARIABLE
from tests.conftest import write_model
from tests.rigs import runner
from tests.rigs.bot_process import BotProcess, write_config

KEY = "key-of-programs-0123456789"
NO_LIMITS = "max_streams = 0\npoems_per_minute = 0"
NO_DISCORD = "http://127.0.0.1:9"  # without a token nothing is asked there
QUICK = {"seconds": 20, "examples": 10}
FOUND = re.compile(r"^ +([\d,]+) generated.*$", re.MULTILINE)


async def ask_all(
    address: str, asked: argparse.Namespace, home: Path, *options: str
) -> tuple[int, str]:
    """Let Schemathesis ask; return its status and what it told."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis as run; run()", "run"),
        f"{address}/api/openapi.json",
        *("--max-examples", str(asked.examples), "--max-time", str(asked.seconds)),
        *("--seed", str(asked.seed), "--report-dir", str(home / "report"), *options),
        cwd=home,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.rigs.api_hooks", "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, told.decode("utf-8", "replace")


async def measure_all(asked: argparse.Namespace, home: Path) -> runner.Report:
    if asked.quick:
        asked.seconds, asked.examples = QUICK["seconds"], QUICK["examples"]
    write_model(home / "models" / "sonnets.safetensors")
    config = write_config(home, NO_DISCORD, web=NO_LIMITS)
    checks: list[runner.Check] = []
    details: list[str] = []
    for name, variables, options in (
        ("without a key", {}, ()),
        ("with a key", {KEY_VARIABLE: KEY}, ("--header", f"Authorization: Bearer {KEY}")),
    ):
        runner.tell(name)
        async with BotProcess(config, variables=variables) as bot:
            status, told = await ask_all(await bot.address(), asked, home, *options)
            alive = bot.status is None
            log = bot.log()
        found = FOUND.search(told)
        checks += [
            runner.Check(
                f"{name}: all as described", status == 0, found[0].strip() if found else ""
            ),
            runner.Check(
                f"{name}: the bot lives, without an error", alive and "ERROR" not in log, ""
            ),
            runner.Check(f"{name}: no key in the log", KEY not in log, ""),
        ]
        if status:
            details.append(told)
    text = "\n".join(f"{check.name}: {check.seen}" for check in checks if check.seen)
    return runner.Report(text, {check.name: check.seen for check in checks}, checks, details)


def main() -> None:
    parser = runner.parser_of(__doc__, quick="a little of it, in half a minute")
    parser.add_argument("--seconds", type=int, default=120, help="of each of the two rounds")
    parser.add_argument("--examples", type=int, default=100, help="of each address and kind")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    runner.run(parser.parse_args(), measure_all)


if __name__ == "__main__":
    main()
