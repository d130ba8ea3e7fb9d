"""Start Red-DiscordBot with another Discord: `python start_red.py ADDRESS ARGUMENTS...`.

It runs in the environment of Red, where nothing of Sonneteer is installed.
"""

from __future__ import annotations

import runpy
import sys


async def no_news() -> tuple[None, None]:
    """Tell of no later version of Red: the tests ask nobody outside of this machine."""
    return None, None


def main() -> None:
    import redbot.core.bot  # noqa: F401 - before its parts, which import it
    from discord.http import Route
    from redbot.core import _events

    Route.BASE = sys.argv.pop(1)
    _events.fetch_latest_red_version_info = no_news
    runpy.run_module("redbot", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
