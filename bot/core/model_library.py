"""Which models are installed: the files of some folders, described by their own cards.

A file that cannot be read is left out with one warning; the others go on serving.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

from bot.core.errors import ModelUnusable, UnknownModel
from bot.core.guild_settings import is_snowflake
from bot.core.records import EpochLoss, ModelRecord
from model import ModelError, load_model

log = logging.getLogger(__name__)

SUFFIX = ".safetensors"
HASH = re.compile(r"[0-9a-f]{8,64}")


class ModelLibrary:
    """Models by name and by hash.

    Of two files of one name the one in the earlier folder serves, so that an admin's own model
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
            # Every file: a link to the model that ships holds when another one took its name.
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
        """Where everybody's models are put."""
        return self._folders[0]

    def guild_folder(self, guild: str) -> Path | None:
        """Return where a guild's own models are; None for those that can have none."""
        # Its name becomes a path: Discord's numbers only, never what somebody typed.
        return self._private / guild if self._private and is_snowflake(guild) else None

    def hides_another(self, model: ModelRecord) -> bool:
        """Return whether everybody has another model of that name, which would take its place."""
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
            # A good file was spoilt: what it held may be in memory, and goes on serving.
            self._records[path] = (stamp, self._records[path][1])
            return self._records[path][1]
        self._records[path] = (stamp, record)
        return record

    def _describe(self, path: Path) -> ModelRecord:
        guild = path.parent.name if path.parent.parent == self._private else ""
        try:
            # All of it: a file with spoilt weights shall not serve.
            model = load_model(path, for_guild=bool(guild))
        except ModelError as error:
            # Members read this sentence: where the file lies is not their business.
            raise ModelUnusable(path.stem, str(error).replace(str(path), path.name)) from error
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
