"""A cog for Red-DiscordBot that asks a running Sonneteer for poems.

`api.py` speaks with Sonneteer, `messages.py` with members; `cog.py` alone knows Red.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redbot.core.bot import Red

_INFO = json.loads((Path(__file__).parent / "info.json").read_text("utf-8"))
__red_end_user_data_statement__: str = _INFO["end_user_data_statement"]  # Red reads this name


async def setup(bot: Red) -> None:
    from .cog import Sonneteer

    await bot.add_cog(Sonneteer(bot))
