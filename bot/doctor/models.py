"""Model files: each is loaded as the bot would, and servers that chose a missing one are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.app import SHIPPED
from bot.core.errors import ModelUnusable
from bot.core.guild_settings import is_snowflake
from bot.core.installation import COMMAND
from bot.core.model_library import SUFFIX, ModelLibrary
from bot.core.records import ModelRecord
from bot.doctor.database import DatabaseContents
from bot.doctor.results import CheckResult, failed, first_of, ok, warning
from bot.doctor.system import format_bytes

BASE = SHIPPED / "base"  # what a book's training begins with; it writes no poems itself


@dataclass(frozen=True, slots=True)
class InstalledModels:
    """What is installed: shared models, servers' own models, and files that cannot be used."""

    shared: tuple[ModelRecord, ...]
    own: tuple[ModelRecord, ...]
    unusable: tuple[tuple[Path, str], ...]  # with the sentence that says why not

    def find(self, guild: str, name: str, sha256: str) -> bool:
        """Whether a guild still has a model: that very one, or a shared one of its name."""
        mine = (*self.shared, *(record for record in self.own if record.guild == guild))
        same_name = (record.name.casefold() for record in self.shared)
        return any(record.sha256 == sha256 for record in mine) or name.casefold() in same_name


def load_models(
    shared: Path,
    guilds: Path,
    *,
    shipped: Path = SHIPPED,
    base: Path = BASE,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> InstalledModels:
    """Load every model file once; `told` is called with how many are done, and of how many."""
    library = ModelLibrary([], shipped=shipped, default="", private=guilds)
    folders = [shared, shipped, base]
    if guilds.is_dir():
        folders += sorted(each for each in guilds.iterdir() if is_snowflake(each.name))
    paths = [path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}"))]
    everybodys: list[ModelRecord] = []
    own: list[ModelRecord] = []
    unusable: list[tuple[Path, str]] = []
    for number, path in enumerate(paths):
        told(number, len(paths))
        try:
            record = library.add_file(path)
        except ModelUnusable as error:
            unusable.append((path, error.reason))
            continue
        if path.parent != base:
            (own if record.guild else everybodys).append(record)
    return InstalledModels(tuple(everybodys), tuple(own), tuple(unusable))


def check_default_model(installed: InstalledModels, default: str) -> CheckResult:
    """Look for the model that is used where no other was chosen."""
    found = next((record for record in installed.shared if record.name == default), None)
    if found is not None:
        origin = "bundled" if found.shipped else str(found.path)
        return ok("default model", f"{default}, trained on {found.book!r} ({origin})")
    names = sorted({record.name for record in installed.shared})
    choice = f"Set [models] default in config.toml to one of these: {', '.join(names)}."
    none = "Reinstall Sonneteer: even the bundled models cannot be loaded."
    seen = f"no usable model is called {default!r}, so the bot will not start"
    return failed("default model", seen, choice if names else none)


def check_model_files(installed: InstalledModels) -> CheckResult:
    """Say which files cannot be used."""
    usable = (*installed.shared, *installed.own)
    size = format_bytes(sum(record.size_bytes for record in usable))
    seen = f"{len(usable)} usable, {len(installed.own)} of them servers' own; {size}"
    if not installed.unusable:
        return ok("model files", seen)
    lines = [f"{path}: {why}" for path, why in installed.unusable]
    count = len(lines)
    seen = f"{seen}; {count} cannot be loaded and {'is' if count == 1 else 'are'} skipped"
    way = "Or restore the file from a backup, or delete it."
    return failed("model files", seen, *first_of(lines), way)


def check_chosen_models(installed: InstalledModels, contents: DatabaseContents) -> CheckResult:
    """Say which guilds lack a model that they use or had."""
    lines = [
        f"Server {guild} uses {choice.name}, which is missing or was modified; it gets the default."
        for guild, choice in sorted(contents.choices.items())
        if not installed.find(guild, choice.name, choice.sha256)
    ]
    used = {(guild, choice.sha256) for guild, choice in contents.choices.items()}
    present = {(record.guild, record.sha256) for record in installed.own}
    lines += [
        f"Server {kept.guild} had {kept.name}; its file is missing or was modified."
        for kept in contents.kept
        if kept.guild
        and (kept.guild, kept.sha256) not in present
        and (kept.guild, kept.sha256) not in used
    ]
    if lines:
        way = (
            "Restore the file from a backup, or stop the bot and remove the entry: "
            f"{COMMAND} models --guild ID undo, or remove NAME."
        )
        count = "1 is unavailable" if len(lines) == 1 else f"{len(lines)} are unavailable"
        return warning("servers' models", count, *first_of(lines), way)
    choosers = len(contents.choices)
    return ok("servers' models", f"{choosers or 'no'} server{'s'[: choosers != 1]} chose one")
