"""What the doors talk to besides the service of poems."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.bookcase import Bookcase
from bot.core.desk import Desk
from bot.core.household import Household
from bot.core.store.poem_rows import PoemRows


@dataclass(frozen=True, slots=True)
class Office:
    """Books that come, models that are there, settings of servers."""

    desk: Desk
    bookcase: Bookcase
    household: Household
    poems: PoemRows
