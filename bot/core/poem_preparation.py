"""What can be known of a poem before it has a place: its opening, its plan, what to tell of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.core.errors import FormImpossible, LinesImpossible
from bot.core.languages import sentence
from bot.core.poem_settings import allow_for_seed, avoided_word, last_part, printable_seed
from bot.core.ports import EngineRequest, Opening, PoemEngine
from bot.core.records import (
    FREE,
    MAX_SEED_CHARACTERS,
    Asker,
    ModelRecord,
    Plan,
    PoemRequest,
    PoemSettings,
)

OPENINGS_TRIED = 20


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """A request that may be written, with its settings complete; `PoemService.admit` makes it."""

    request: PoemRequest
    settings: PoemSettings
    candidates: int = 0  # for the next line; 0: the whole poem

    @property
    def asker(self) -> Asker:
        return self.request.asker


@dataclass(frozen=True, slots=True)
class PreparedPoem:
    """All that can be known of a poem before it has a place."""

    settings: PoemSettings  # as they are shown
    opening: Opening
    plan: Plan
    notes: tuple[str, ...]
    is_drawn: bool  # whether the opening is the book's
    stop: tuple[str, ...]  # on the model's alphabet, as `avoid`
    avoid: tuple[str, ...]
    candidates: int  # for the next line; 0: the whole poem

    def engine_request(self, asker: Asker, model: ModelRecord, random_seed: int) -> EngineRequest:
        allowed = allow_for_seed(self.opening, self.settings)
        allowed = replace(allowed, stop=self.stop, avoid=self.avoid)
        return EngineRequest(
            *(asker, model, self.opening, allowed, random_seed, self.plan),
            avoid=self.settings.avoid,
            candidates=self.candidates,
        )


class Preparation:
    """Prepares poems for `engine`, which must hold the model meanwhile; not on the event loop."""

    def __init__(self, engine: PoemEngine) -> None:
        self._engine = engine

    def prepare(
        self, admitted: AdmittedRequest, model: ModelRecord, random_seed: int
    ) -> PreparedPoem:
        """Put what was asked for onto a model's alphabet, and lay out the seed or the lines."""
        settings, asked = admitted.settings, admitted.request
        seed, folded, notes = self._read_seed(asked.seed, model)
        opening: Opening | None
        is_drawn = False
        if asked.written or admitted.candidates:
            notes += self._left_out(model, "\n".join(asked.written))
            opening = self._lay_out_lines(seed, admitted, model, random_seed)
        else:
            settings, opening, more = self._lay_out(seed, model, settings)
            notes += more
        if opening is None:
            if is_drawn := not folded.strip():
                if seed:
                    notes += (
                        sentence("Nothing of the seed is left, so the poem opens at random."),
                    )
                seed = self._open(model, random_seed, settings.avoid)
                folded = self._engine.prepare(model, seed).text
            opening = Opening(rest=folded, shown=seed)
        avoid = self._read_avoided(settings.avoid, model)
        every = (*settings.avoid, *avoid)
        plan = self._engine.plan(model, opening, settings.form, random_seed, every)
        stop, passed_over = self._read_stops(settings.stop, model)
        return PreparedPoem(
            *(settings, opening, plan, (*notes, *passed_over), is_drawn),
            *(stop, avoid, admitted.candidates),
        )

    def _lay_out(
        self, seed: str, model: ModelRecord, settings: PoemSettings
    ) -> tuple[PoemSettings, Opening | None, tuple[str, ...]]:
        """Lay a seed out in the form that was asked for; without one where that cannot be."""
        if settings.form == FREE:
            return settings, None, ()
        try:
            return settings, self._engine.lay_out(model, seed, settings.form), ()
        except FormImpossible as impossible:
            free = replace(settings, form=FREE)
            return free, None, (impossible.sentence,)

    def _lay_out_lines(
        self, seed: str, admitted: AdmittedRequest, model: ModelRecord, random_seed: int
    ) -> Opening:
        """Lay out the lines so far, or the seed that the first one begins with."""
        form, written = admitted.settings.form, admitted.request.written
        try:
            if written:
                beginning = admitted.request.beginning
                return self._engine.take_lines(model, written, seed, form, beginning)
            if seed:
                return self._engine.lay_out(model, seed, form)
            # Nobody has said what it is to be about; an opening of the book does.
            drawn = self._open(model, random_seed, admitted.settings.avoid)
            return Opening(theme=self._engine.take_lines(model, (drawn,), "", form).theme)
        except FormImpossible as impossible:
            raise LinesImpossible(form, impossible.reason) from impossible

    def _open(self, model: ModelRecord, random_seed: int, avoid: tuple[str, ...]) -> str:
        """Draw an opening of the book that has no word to avoid; "" where there seems to be none.

        The same random seed draws the same one.
        """
        for number in range(OPENINGS_TRIED if avoid else 1):
            opening = self._engine.opening(model, random_seed + number)
            if avoided_word(opening, avoid) is None:
                return opening
        return ""

    def _read_stops(
        self, stops: tuple[str, ...], model: ModelRecord
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Put stop strings onto the model's alphabet, as a seed is; say which never come.

        What is left of "###\\n" without the signs that a model lacks would end the first line.
        """
        prompts = [self._engine.prepare(model, stop) for stop in stops]
        known = tuple(prompt.text for prompt in prompts if prompt.text and not prompt.left_out)
        lacking = dict.fromkeys(sign for prompt in prompts for sign in prompt.left_out)
        if len(known) == len(stops):
            return known, ()
        if not lacking:
            told = sentence("Stop texts that the model cannot write are left out.")
        else:
            told = sentence(
                "Stop texts that the model cannot write are left out; it does not know {signs}.",
                signs=" ".join([*lacking][:20]),
            )
        return known, (told,)

    def _read_avoided(self, words: tuple[str, ...], model: ModelRecord) -> tuple[str, ...]:
        """Put words onto the model's alphabet; what it cannot write need not be avoided."""
        folded = (self._engine.prepare(model, word).text for word in words)
        return tuple(word for word in folded if word)

    def _read_seed(self, typed: str, model: ModelRecord) -> tuple[str, str, tuple[str, ...]]:
        """Return the seed, the same on the model's alphabet, and what to tell the reader."""
        notes: tuple[str, ...] = ()
        seed = printable_seed(typed).strip()
        if len(seed) > MAX_SEED_CHARACTERS:
            used = last_part(seed, MAX_SEED_CHARACTERS)
            notes = (
                sentence(
                    "The seed has {length:,} characters; its last {used} are used.",
                    length=len(seed),
                    used=len(used),
                ),
            )
            seed = used
        notes += self._left_out(model, seed)
        return seed, self._engine.prepare(model, seed).text, notes

    def _left_out(self, model: ModelRecord, text: str) -> tuple[str, ...]:
        left_out = self._engine.prepare(model, text).left_out
        if not left_out:
            return ()
        signs = " ".join(left_out[:20])
        return (sentence("Left out, as the model does not know them: {signs}.", signs=signs),)
