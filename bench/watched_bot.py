"""The bot with a watch on its event loop. For `loop_lag.py`, which starts it as a process.

    PYTHONPATH=TREE python -P bench/watched_bot.py CONFIG LAGS [MODULE:FUNCTION [ARGUMENT …]]

TREE is the folder of the bot's sources, which may be of another version. Until SIGTERM the bot
serves; then LAGS gets one line for each look at the event loop: when (time.monotonic(), which all
processes share) and how late it was, in seconds. FUNCTION, if given, is a coroutine function that
runs on the bot's own event loop with ARGUMENTs: for what nobody can ask the page for.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from importlib import import_module
from pathlib import Path

from bot import logs
from bot.config import load_config
from bot.doors import serve

LOOK_SECONDS = 0.005  # between two looks


async def watch(looks: list[tuple[float, float]]) -> None:
    while True:
        due = time.monotonic() + LOOK_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        now = time.monotonic()
        looks.append((now, max(0.0, now - due)))


async def main(config: Path, looks: list[tuple[float, float]], alongside: list[str]) -> None:
    logs.set_up("text", logging.INFO, sys.stderr)
    tasks = [asyncio.create_task(watch(looks))]
    if alongside:
        module, _, name = alongside[0].partition(":")
        tasks.append(asyncio.create_task(getattr(import_module(module), name)(*alongside[1:])))
    try:
        await serve(load_config(config))
    finally:
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    config, lags, *alongside = sys.argv[1:]
    looks: list[tuple[float, float]] = []
    asyncio.run(main(Path(config), looks, alongside))
    Path(lags).write_text("".join(f"{when} {late}\n" for when, late in looks), "ascii")
