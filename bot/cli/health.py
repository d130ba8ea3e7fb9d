"""Whether the bot that runs on this machine is well: for containers, scripts and monitors."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.app import data_folder
from bot.config import Config
from bot.core.shards import ShardRange
from bot.core.store.lock import is_in_use
from bot.web.addresses import ask_health

TIMEOUT_SECONDS = 4.0  # below the five that the image's check may take


async def check_health(config: Config, shard_range: ShardRange | None) -> tuple[bool, str]:
    """Ask the page how the bot is, wherever it listens; tell whether it is well, and why not.

    Without a page, a bot counts as well while it has the data folder. `shard_range` is that of the
    process that is meant.
    """
    web = config.web
    if not web.enabled:
        runs = await asyncio.to_thread(is_in_use, data_folder(config))
        return bool(runs), f"the page is off; {'a' if runs else 'no'} bot has the data folder"
    if not web.port:
        return False, "unknown: [web] port is 0, so the page is on any port. Set one."
    port = web.port + (shard_range.first if shard_range else 0)
    figures = await ask_health(web.hosts, port, TIMEOUT_SECONDS)
    if figures is None:
        return False, f"no Sonneteer answers on {' or '.join(web.hosts)}, port {port}"
    return (True, "well") if figures.get("ok") is True else (False, _complaint(figures))


def _complaint(figures: dict[str, Any]) -> str:
    parts = ["stopping"] if figures.get("closing") else []
    if not figures["model_loaded"]:
        parts.append("no model is loaded")
    if figures.get("gateway_ready") is False:
        parts.append("not connected to Discord")
    return f"not well: {', '.join(parts) or 'for a reason that it does not give'}"
