"""A poem on its way to a reader."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from bot.core.languages import form_name, sentence
from bot.core.ports import Draft, TokenSplitter
from bot.core.records import (
    FREE,
    RANGES,
    Ending,
    ModelRecord,
    Plan,
    Poem,
    PoemScansion,
    PoemSettings,
    QueuePosition,
)


@dataclass(eq=False)
class PoemStream:
    """A poem on its way to a reader: iterate it once for the text as it comes, seed first."""

    seed: str  # as typed, or as drawn from the book
    model: ModelRecord
    random_seed: int
    settings: PoemSettings
    plan: Plan
    notes: tuple[str, ...]
    is_drawn: bool  # whether the seed is an opening of the book
    token_splitter: TokenSplitter  # for whoever counts the poem's tokens
    _draft: Draft
    _began_to_speak: Callable[[], None]  # called once, at the first text from the model
    _look_at: Callable[[str], Awaitable[PoemScansion]]
    _parts: list[str] = field(default_factory=list)
    _looks: PoemScansion = field(default_factory=PoemScansion)  # of the finished poem

    @property
    def place(self) -> int:
        """The place in the queue: 0 while it is being written, 1 for the next."""
        return self._draft.place

    @property
    def queue_position(self) -> QueuePosition:
        """The place in the queue and how long the wait is likely to be."""
        return QueuePosition(self._draft.place, self._draft.expected_wait)

    @property
    def queue_seconds(self) -> float | None:
        """How long it waited in the queue; None while it does."""
        return self._draft.queue_seconds

    @property
    def ending(self) -> Ending:
        """Why it ended, or what it is heading for."""
        return self._draft.ending

    @property
    def text(self) -> str:
        """What has been written so far, seed included."""
        return "".join(self._parts)

    @property
    def poem(self) -> Poem:
        """The poem as far as it is written; complete when the iteration has ended."""
        ending = self._draft.ending
        return Poem(
            text=self.text,
            seed=self.seed,
            model=self.model.name,
            model_sha256=self.model.sha256,
            random_seed=self.random_seed,
            settings=self.settings,
            notes=(*self.notes, _cut_off_note(self.settings))
            if ending is Ending.CUT_OFF
            else self.notes,
            ending=ending,
            looks=self._looks,
            plan=self.plan,
        )

    async def __aiter__(self) -> AsyncIterator[str]:
        self._parts.append(self.seed)
        yield self.seed
        async for piece in self._draft:
            if len(self._parts) == 1:
                self._began_to_speak()
            self._parts.append(piece)
            yield piece
        self._looks = await self._look_at(self.text)

    async def finish(self) -> Poem:
        """Wait for the whole poem."""
        async for _ in self:
            pass
        return self.poem

    def cancel(self) -> None:
        """Stop writing; the iteration ends with what there is."""
        self._draft.cancel()


def _cut_off_note(settings: PoemSettings) -> str:
    if settings.form != FREE:
        return sentence(
            "I found no next line for this {form}. Try again, or ask for free text.",
            form=form_name(settings.form),
        )
    return sentence(
        "The poem stops at {most:,} characters, the longest it may be.",
        most=RANGES["characters"].high,
    )
