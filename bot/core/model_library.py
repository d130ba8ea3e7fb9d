"""Which models are installed, and which of them each guild uses.

`ModelLibrary` is the files of some folders, described by their own cards. A file that cannot be
read is left out with one warning; the others stay in use. `GuildModels` lets a guild choose one
of them, go back to the one before, and keeps the guild's own models.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from bot.core.errors import ModelUnusable, NothingThere, PathRefused, UnknownModel
from bot.core.guild_settings import is_snowflake
from bot.core.guilds import Guilds, utc_now
from bot.core.jobs import Job
from bot.core.languages import sentence
from bot.core.model_sentences import as_sentence
from bot.core.paths import named, read_blocks, remove_file
from bot.core.ports import ModelChoice, Models
from bot.core.records import Asker, EpochLoss, ModelRecord
from bot.core.store.books import AddedModel, BookStore
from bot.core.training.queue import InstallResult
from model import ModelError, load_model, write_durably

log = logging.getLogger(__name__)

SUFFIX = ".safetensors"
HASH = re.compile(r"[0-9a-f]{8,64}")
FILES = (SUFFIX, ".png", ".txt")  # that a training leaves


class ModelLibrary:
    """Models by name and by hash.

    Of two files of one name the one in the earlier folder is used, so that an admin's own model
    can take the place of the one that ships. `private` has a folder for each guild, of models that
    nobody else can find.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        shipped: Path,
        default: str,
        private: Path | None = None,
    ) -> None:
        self._folders = [*folders, shipped]
        self._private = private
        self._shipped = shipped
        self._default = default
        self._records: dict[Path, tuple[tuple[int, int], ModelRecord]] = {}
        self._refused: dict[Path, tuple[int, int]] = {}
        self._extra: list[Path] = []
        self._reading = Lock()  # many may ask at once, each on a thread; one reads a new file

    def models(self, guild: str = "") -> tuple[ModelRecord, ...]:
        """Look at the folders again; return what a guild may use, the default first.

        A guild's own model hides a shared one of its name, but never the default.
        """
        shared = self._named(self._shared_paths())
        default = self._default if self._default in shared else next(iter(shared), "")
        for_guild = self._named(self._guild_paths(guild))
        marked = (replace(record, default=name == default) for name, record in shared.items())
        seen = (record for record in marked if record.default or record.name not in for_guild)
        return tuple(sorted([*seen, *for_guild.values()], key=lambda r: (not r.default, r.name)))

    def find(self, wanted: str | None, guild: str = "") -> ModelRecord:
        """Return a model by name or by the first 8 or more digits of its hash, None the default.

        Raises UnknownModel, for another guild's model too. A path is never taken here: names come
        from strangers.
        """
        models = self.models(guild)
        for record in sorted(models, key=lambda record: not record.guild):  # its own come first
            if record.default if wanted is None else record.name.casefold() == wanted.casefold():
                return record
        if wanted is not None and HASH.fullmatch(wanted.lower()):
            # Every file: a link to the bundled model works also when another one took its name.
            for path in (*self._guild_paths(guild), *self._shared_paths()):
                described = self._read(path)
                if described is not None and described.sha256.startswith(wanted.lower()):
                    return described
        raise UnknownModel(wanted or self._default, [record.name for record in models])

    def add_file(self, path: Path) -> ModelRecord:
        """Take in a single file, named by the person at the shell; raise ModelUnusable."""
        record = self._describe(path)
        self._extra.insert(0, path)
        return record

    @property
    def shared_folder(self) -> Path:
        """Where shared models are put."""
        return self._folders[0]

    def guild_folder(self, guild: str) -> Path | None:
        """Return where a guild's own models are; None for those that can have none."""
        # Its name becomes a path: only Discord's numbers, never typed text.
        return self._private / guild if self._private and is_snowflake(guild) else None

    def hides_another(self, model: ModelRecord) -> bool:
        """Return whether there is another shared model of that name, which would take its place."""
        others = (path for path in self._shared_paths() if path != model.path)
        return any(path.stem == model.name and self._read(path) for path in others)

    def _guild_paths(self, guild: str) -> list[Path]:
        for_guild = self.guild_folder(guild)
        return sorted(for_guild.glob(f"*{SUFFIX}")) if for_guild else []

    def _shared_paths(self) -> list[Path]:
        in_folders = (
            path for folder in self._folders for path in sorted(folder.glob(f"*{SUFFIX}"))
        )
        return [*self._extra, *in_folders]

    def _named(self, paths: Sequence[Path]) -> dict[str, ModelRecord]:
        """Return the models of some files by name; of two of a name the first counts."""
        found: dict[str, ModelRecord] = {}
        for path in paths:
            if (record := self._read(path)) is not None:
                found.setdefault(record.name, record)
        return found

    def _read(self, path: Path) -> ModelRecord | None:
        """Return the record of a file, from memory while the file is as it was."""
        with self._reading:
            return self._read_alone(path)

    def _read_alone(self, path: Path) -> ModelRecord | None:
        try:
            status = path.stat()
        except OSError:
            return None
        stamp = (status.st_mtime_ns, status.st_size)
        if path in self._records and self._records[path][0] == stamp:
            return self._records[path][1]
        if self._refused.get(path) == stamp:
            return None
        try:
            record = self._describe(path)
        except ModelUnusable as error:
            log.warning("%s", error)
            self._refused[path] = stamp
            if path not in self._records:
                return None
            # A good file was damaged: its model may be in memory, and stays in use.
            self._records[path] = (stamp, self._records[path][1])
            return self._records[path][1]
        self._records[path] = (stamp, record)
        return record

    def _describe(self, path: Path) -> ModelRecord:
        guild = path.parent.name if path.parent.parent == self._private else ""
        try:
            # All of it: a file with damaged weights must not be used.
            model = load_model(path, for_guild=bool(guild))
        except ModelError as error:
            # Members read this sentence: it must not show where the file is.
            reason = as_sentence(str(error).replace(str(path), path.name))
            raise ModelUnusable(path.stem, reason) from error
        return ModelRecord(
            name=path.stem,
            path=path,
            sha256=model.sha256,
            book=model.card.book_title,
            loss=model.card.loss,
            size_bytes=path.stat().st_size,
            created=model.card.created,
            shipped=path.parent == self._shipped,
            default=False,
            guild=guild,
            characters=model.card.book_characters,
            held_out_loss=model.card.held_out_loss,
            losses=tuple(
                EpochLoss(epoch.running_loss, epoch.held_out_loss) for epoch in model.card.history
            ),
            chart=chart if (chart := path.with_suffix(".png")).is_file() else None,
        )


@dataclass(frozen=True, slots=True)
class AvailableModels:
    """What a guild can choose from."""

    models: tuple[ModelRecord, ...]  # the default first
    used: ModelRecord | None  # None: its choice is unavailable
    missing: tuple[str, ...]  # names of its own models whose files are gone, or not as they were


class GuildModels:
    """The models of each guild, its own and the shared ones."""

    def __init__(self, library: Models, guilds: Guilds, store: BookStore) -> None:
        self._library = library
        self._guilds = guilds
        self._store = store

    async def available(self, asker: Asker) -> AvailableModels:
        """Return what the asker's guild can choose from."""
        guild = asker.guild
        models = await asyncio.to_thread(self._library.models, guild)
        choice = self._guilds.choice(guild, asker.channel, asker.category)
        used = next((model for model in models if _is_meant(model, choice)), None)
        present = {(model.name.casefold(), model.sha256) for model in models}
        kept = await self._store.added_models(guild) if guild else []
        missing = [k.name for k in kept if (k.name.casefold(), k.sha256) not in present]
        return AvailableModels(models, used, tuple(missing))

    async def info(self, asker: Asker, name: str) -> tuple[ModelRecord, AddedModel | None]:
        """Return what is known of a model, and how it came; raise UnknownModel."""
        model = await asyncio.to_thread(self._library.find, name, asker.guild)
        kept = await self._store.added_models(model.guild) if model.guild else []
        return model, next((k for k in kept if k.name.casefold() == model.name.casefold()), None)

    async def use(self, asker: Asker, name: str, channel: str = "") -> ModelRecord:
        """Let the asker's guild use a model, or one channel or category of it.

        Raises NotAllowed, UnknownModel, BadSetting or DataNotKept.
        """
        guild = self._guilds.managed_by(asker)
        model = await asyncio.to_thread(self._library.find, name, guild)
        if channel:
            await self._guilds.choose_in(guild, channel, model)
            return model
        await self._guilds.choose(guild, None if model.default else model, asker.member)
        return model

    async def undo(self, asker: Asker, only: str = "") -> tuple[str, ModelRecord]:
        """Go back to the model before; return the name of the one that went, and the one used now.

        If the model before is missing by now, it goes back further. With `only` it is done if that
        model is in use, else NothingThere is raised.
        """
        guild = self._guilds.managed_by(asker)
        gone, now = await self._guilds.undo(guild, only)
        while True:
            try:
                serves = await asyncio.to_thread(self._meant_by, now, guild)
                break
            except UnknownModel:
                _, now = await self._guilds.undo(guild)
        return gone.name or "the default model", serves

    async def removable(self, asker: Asker, name: str) -> str:
        """Return the whole name of a model that the asker may delete.

        Raises NotAllowed, UnknownModel, and NothingThere for one that ships or has to stay.
        """
        guild = self._guilds.managed_by(asker)
        kept, model = await self._named(name, guild)
        if model is None:
            return kept.name if kept else name
        if not model.guild:
            self._guilds.managed_by(asker, shared=True)
        if model.shipped:
            raise NothingThere(
                sentence("{name} came with Sonneteer and cannot be removed.", name=repr(model.name))
            )
        if model.default and not await asyncio.to_thread(self._library.hides_another, model):
            raise NothingThere(
                sentence(
                    "{name} is the default model, and I cannot start without it. Name another one "
                    "in config.toml, section [models], and restart me.",
                    name=repr(model.name),
                )
            )
        return model.name

    async def remove(self, asker: Asker, name: str) -> str:
        """Delete a model of the asker's guild; an owner may delete a shared one, too.

        Returns its whole name; raises what `removable` does, and DataNotKept.
        """
        name = await self.removable(asker, name)
        guild = asker.guild
        await self._take_away(guild, *await self._named(name, guild))
        return name

    async def _take_away(
        self, guild: str, kept: AddedModel | None, model: ModelRecord | None
    ) -> None:
        """Delete the row and the file of a model, and forget that the guild ever used it."""
        both = (kept, model)  # of a file that was changed, what it was before, too
        gone = [(each.guild, ModelChoice(each.name, each.sha256)) for each in both if each]
        if gone:
            await self._guilds.drop(guild, gone)
        if model is not None:
            await asyncio.to_thread(_delete_files, self._folder_of(model.guild), model.path)

    async def _named(self, name: str, guild: str) -> tuple[AddedModel | None, ModelRecord | None]:
        """Return the row and the file of a model; raise UnknownModel where there is neither.

        A guild's own model comes before a shared one of that name, also when its file is missing.
        """
        store = {kept.name.casefold(): kept for kept in await self._store.added_models(guild)}
        kept = store.get(name.casefold())
        try:
            model = await asyncio.to_thread(self._library.find, name, guild)
        except UnknownModel:
            if kept is None:
                raise
            return kept, None
        if model.guild == guild:
            return store.get(model.name.casefold()), model
        return (None, model) if kept is None else (kept, None)

    def _folder_of(self, guild: str) -> Path:
        """Return the folder of a guild's own models, "" for the shared ones; raise PathRefused."""
        folder = self._library.guild_folder(guild) if guild else self._library.shared_folder
        if folder is None:
            raise PathRefused(self._library.shared_folder, guild)
        return folder

    def _meant_by(self, choice: ModelChoice, guild: str) -> ModelRecord:
        """Return what poems come from after a choice; raise UnknownModel where it is gone."""
        try:
            return self._library.find(choice.sha256 if choice.name else None, guild)
        except UnknownModel:
            newer = self._library.find(choice.name, guild)
            if newer.guild:  # its file was changed; a shared model may be trained again
                raise
            return newer

    async def share(self, asker: Asker, name: str) -> ModelRecord:
        """Return the model whose file will be sent; raise NotAllowed or UnknownModel."""
        guild = self._guilds.managed_by(asker)
        return await asyncio.to_thread(self._library.find, name, guild)

    async def install(self, job: Job, made: Path) -> InstallResult:
        """Copy a finished model to where its guild finds it.

        May be done again after a kill or an error. Raises DataNotKept, and OSError.
        """
        await asyncio.to_thread(_copy_files, made, self._folder_of(job.guild), job.name)
        model = await asyncio.to_thread(self._library.find, job.name, job.guild)
        kept = await self._store.job(job.id)
        asker = kept.asker if kept else ""  # who may have asked to be forgotten since
        added_models = AddedModel(
            job.guild, model.name, model.sha256, job.title, job.source, utc_now(), asker
        )
        await self._store.add_model(added_models, job.id)
        if not job.guild:
            return InstallResult(
                sentence("The model {name} is ready for everybody.", name=model.name), model.chart
            )
        if not self._guilds.guild_settings(job.guild).switch:
            told = sentence(
                "The model {name} is ready. Use /book use to choose it.", name=model.name
            )
            return InstallResult(told, model.chart)
        await self._guilds.choose(job.guild, model, asker)
        told = sentence(
            "Poems in this server now come from {name}. Use /book undo to go back.",
            name=model.name,
        )
        return InstallResult(told, model.chart)

    async def withdraw(self, job: Job) -> None:
        """Undo what `install` has done for a job, complete or not; raise what that does."""
        try:
            kept, model = await self._named(job.name, job.guild)
        except UnknownModel:
            return
        own = model if model is not None and model.guild == job.guild else None
        await self._take_away(job.guild, kept, own)


def _is_meant(model: ModelRecord, choice: ModelChoice) -> bool:
    if not choice.name:
        return model.default
    return model.sha256 == choice.sha256 or (model.name == choice.name and not model.guild)


def _copy_files(made: Path, folder: Path, name: str) -> None:
    """Copy what a training left, the model last: it counts as installed from then on."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in reversed(FILES):
        source, target = named(made, f"{name}{suffix}"), named(folder, f"{name}{suffix}")
        if source.exists():
            write_durably(target, read_blocks(source))


def _delete_files(folder: Path, model: Path) -> None:
    """Delete a model with its chart and poem; raise PathRefused where it lies elsewhere."""
    if model.parent != folder:
        raise PathRefused(folder, str(model))
    for suffix in FILES:
        remove_file(folder, model.with_suffix(suffix).name)
