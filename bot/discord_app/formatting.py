"""Books, trainings and settings as text within Discord's limits. Pure.

Titles, names and samples come from strangers' files: each is escaped where it is put in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

from bot.core.application import About
from bot.core.daily import DailyPoem
from bot.core.guild_settings import GuildSettings
from bot.core.jobs import JobState, JobView, Progress, Proposal, TrainingStage
from bot.core.languages import LANGUAGES, say, say_counted, sentence, translate
from bot.core.model_library import AvailableModels
from bot.core.policies import FORGETTING, PRIVACY, Operator
from bot.core.records import Defaults, ModelRecord
from bot.core.store.books import AddedModel, Forgotten
from bot.core.training_requests import BookLimits
from bot.discord_app.poem_formatting import FOOTER_MARK, MAX_MESSAGE, escape, measure

BAR = 20
MAX_SAMPLE = 800  # a sonnet has some 620 characters
MAX_LISTED = 25


def format_duration(seconds: float) -> str:
    """Say a length of time in round figures.

    >>> [format_duration(seconds) for seconds in (4, 75, 200, 4000)]
    ['less than 10 s', 'about 1 min', 'about 3 min', 'about 1 h 7 min']
    """
    if seconds < 10:
        return sentence("less than {seconds} s", seconds=10)
    if seconds < 60:
        return sentence("about {seconds} s", seconds=10 * math.ceil(seconds / 10))
    minutes = round(seconds / 60)
    if minutes < 60:
        return sentence("about {minutes} min", minutes=minutes)
    return sentence("about {hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)


def format_proposal(found: Proposal) -> str:
    """Show what was found in a file, before anything is trained."""
    book, job = found.book, found.job
    training_time = format_duration(found.estimated_seconds)
    lines = [
        f"**{escape(book.title)}** ({escape(job.source)})",
        f"{book.characters:,} characters · {book.words:,} words · {book.alphabet} different "
        "characters",
        *(f"> {escape(line)}" for line in book.first_lines),
        f"Model name: `{_code(job.name)}` · training time: {training_time}",
        *(f"{FOOTER_MARK}{escape(note)}" for note in book.notes[:3]),
    ]
    if found.is_short:
        lines.append("This book is short, so the model will memorise and repeat it.")
    lines.append("**Train on this book?**")
    return _fit(lines)


def format_short_book_question(characters: int) -> str:
    return (
        f"This book has only {characters:,} characters, so poems will repeat parts of it word for "
        "word. **Train anyway?**"
    )


def format_job(view: JobView) -> str:
    """Show the state of a training, for one message that is edited in place."""
    what = f"**{escape(view.job.title)}** → `{_code(view.job.name)}`"
    match view.job.state:
        case JobState.WAITING:
            others = "next in line" if view.place <= 1 else f"{view.place - 1} ahead of it"
            return _fit([what, f"Waiting for training: {others}."])
        case JobState.RUNNING:
            return _fit([what, *_progress(view.progress)])
        case JobState.DONE:
            return _fit([what, _measured(view), escape(view.job.sentence), *_sample(view.progress)])
        case JobState.CANCELLED:
            return _fit([what, f"The training was stopped. {escape(view.job.sentence)}"])
        case _:
            return _fit([what, f"The training failed. {escape(view.job.sentence)}"])


def format_job_privately(view: JobView) -> str:
    """Say how a training ended, in a direct message where the channel takes none."""
    where = f"<#{view.job.channel}>" if view.job.channel else "the channel"
    why = f"I can no longer write in {where}, so here is how your training ended."
    return _fit([why, *format_job(view).split("\n")])


def tells_end(content: str, view: JobView) -> bool:
    """Whether a message says how this training ended; after a restart it would be shorter."""
    heading = format_job(view).partition("\n")[0]
    lines = content.split("\n")
    return heading in lines and any(escape(view.job.sentence) in line for line in lines)


def _progress(progress: Progress) -> list[str]:
    if progress.stage is TrainingStage.STARTING:
        return [f"{_bar(0.0)} starting…"]
    lines = [f"{_bar(progress.share)} {progress.share:.0%}{_epoch(progress)}"]
    facts = []
    if progress.loss is not None:
        facts.append(f"loss {progress.loss:.3f}")
    if progress.held_out_loss is not None:
        facts.append(f"on held-out text {progress.held_out_loss:.3f}")
    if progress.characters_per_second:
        facts.append(f"{progress.characters_per_second:,.0f} characters/s")
    if progress.stage is TrainingStage.FINISHING:
        facts.append(f"{TrainingStage.FINISHING.value}…")
    elif progress.seconds_left is not None:
        facts.append(f"{format_duration(progress.seconds_left)} left")
    return [*lines, " · ".join(facts), *_sample(progress)]


def _epoch(progress: Progress) -> str:
    return f" · epoch {progress.epoch} of {progress.epochs}" if progress.epochs else ""


def _bar(share: float) -> str:
    """Draw a bar.

    >>> _bar(0.25)
    '▰▰▰▰▰▱▱▱▱▱▱▱▱▱▱▱▱▱▱▱'
    """
    full = round(BAR * share)
    return "▰" * full + "▱" * (BAR - full)


def _sample(progress: Progress) -> list[str]:
    text = progress.sample.strip()
    if len(text) > MAX_SAMPLE:
        text = text[:MAX_SAMPLE].rsplit("\n", 1)[0]
    return [f"> {escape(line)}" if line.strip() else "> " for line in text.split("\n") if text]


def _measured(view: JobView) -> str:
    facts = (
        [f"Trained in {format_duration(view.progress.seconds)}"] if view.progress.seconds else []
    )
    if view.job.loss is not None:
        facts.append(f"loss {view.job.loss:.3f} nats per character (lower is better)")
    return " · ".join(facts) or "Trained"


def format_books(shown: AvailableModels) -> str:
    """List what a server can choose from."""
    lines = ["**Books in this server**"]
    for model in shown.models[:MAX_LISTED]:
        mark = "▸ " if model == shown.used else "  "
        whose = "this server" if model.guild else "all servers"
        default = ", the default" if model.default else ""
        lines.append(
            f"{mark}`{_code(model.name)}` · {escape(model.book)} · loss {model.loss:.2f} · "
            f"{whose}{default}"
        )
    if len(shown.models) > MAX_LISTED:
        lines.append(f"and {len(shown.models) - MAX_LISTED} more")
    if shown.used is None:
        lines.append("The model chosen with /book use is unavailable, so I use the default.")
    for name in shown.missing:
        lines.append(
            f"⚠ The file of `{_code(name)}` is missing or was modified. Use /book remove to take "
            "it off the list, or /book add to train it again."
        )
    lines.append(f"{FOOTER_MARK}▸ in use here · /book use, info, remove, share, undo")
    return _fit(lines)


def format_model(model: ModelRecord, kept: AddedModel | None) -> str:
    """Show what is known of a model."""
    facts = [f"loss {model.loss:.4f} nats per character"]
    if model.held_out_loss is not None:
        facts.append(f"on held-out text {model.held_out_loss:.4f}")
    lines = [
        f"**{escape(model.book)}** · `{_code(model.name)}`",
        f"{model.characters:,} characters · {len(model.losses)} epochs · {' · '.join(facts)}",
        f"created {escape(model.created[:10])} · {model.size_bytes / 1e6:.1f} MB · "
        f"SHA-256 `{model.sha256[:12]}`",
    ]
    if kept is not None:
        who = f" by <@{kept.added_by.partition(':')[2]}>" if kept.added_by else ""
        lines.append(f"from {escape(kept.source)}, added {escape(kept.added[:10])}{who}")
    elif not model.guild:
        lines.append("comes with Sonneteer" if model.shipped else "available to all servers")
    return _fit(lines)


def format_queue(views: Sequence[JobView], limits: BookLimits) -> str:
    """Show the trainings of all servers; of other ones only that they are there."""
    if not views:
        return "No training is running. Start one with /book add."
    lines = ["**Trainings**"]
    for view in views:
        name = f"`{_code(view.job.name)}`" if view.job.name else "another server's training"
        if view.job.state is JobState.RUNNING:
            left = view.progress.seconds_left
            rest = f", {format_duration(left)} left" if left is not None else ""
            share = f" · {view.progress.share:.0%}{_epoch(view.progress)}{rest}"
            lines.append(f"▸ {name} (number {view.job.id}){share}")
        else:
            lines.append(f"{view.place}. {name} (number {view.job.id})")
    lines.append(
        f"{FOOTER_MARK}one at a time · up to {limits.max_minutes:g} min each · "
        f"{limits.max_per_day} per day per server"
    )
    return _fit(lines)


def format_settings(
    guild_settings: GuildSettings, defaults: Defaults, doubts: Sequence[str] = ()
) -> str:
    """Show what a server has set, the defaults elsewhere, and what is doubtful in it."""
    channels = " ".join(f"<#{channel}>" for channel in guild_settings.channels) or "everywhere"
    roles = " ".join(f"<@&{role}>" for role in guild_settings.roles) or "everyone"
    managers = " ".join(f"<@&{role}>" for role in guild_settings.managers)
    warmth = f"{defaults.verse_temperature:g}, free {defaults.sampling.temperature:g}"
    seconds = guild_settings.cooldown_seconds
    cooldown = "the bot's default" if seconds is None else f"{seconds:g} s"
    keep = guild_settings.keep_channel
    lines = [
        "**Settings of this server**",
        *doubts,
        f"- channels for poems: {channels}",
        f"- who may ask: {roles}",
        f"- who may manage books and settings: members with Manage Server {managers}".rstrip(),
        f"- cooldown: {cooldown}",
        f"- form: {_or(guild_settings.form, defaults.form)} · length of free text: "
        f"{_or(guild_settings.lines, defaults.lines, ' lines')} · temperature: "
        f"{_or(guild_settings.temperature, warmth)}",
        f"- words to avoid: {escape(', '.join(guild_settings.avoid)) or 'none'}",
        f"- use a new model as soon as it is trained: {'yes' if guild_settings.switch else 'no'}",
        f"- models of single channels: {_channel_models(guild_settings)}",
        f"- poem of the day: {_daily(guild_settings.daily)}",
        f"- channel for kept poems: {f'<#{keep}>' if keep else 'none'}",
        f"- language: {LANGUAGES.get(guild_settings.language or '', 'that of each member')}",
    ]
    assert len(fields(guild_settings)) == 13  # noqa: S101 - all of them are shown
    return _fit(lines)


def _channel_models(guild_settings: GuildSettings) -> str:
    chosen = [each.split()[:2] for each in guild_settings.channel_models]
    return ", ".join(f"<#{channel}> `{_code(name)}`" for channel, name in chosen) or "none"


def _daily(daily: DailyPoem | None) -> str:
    if daily is None:
        return "none"
    seeds = f"{len(daily.seeds)} openings in turn" if daily.seeds else "a word from the date"
    model = [f"`{_code(daily.model)}`"] if daily.model else []
    how = [*model, *([daily.form] if daily.form else []), seeds]
    paused = ", paused" if daily.paused else ""
    when = f"{daily.time} {escape(daily.timezone)}"
    return f"<#{daily.channel}> at {when} ({', '.join(how)}){paused}"


def _or(value: object, default: object, unit: str = "") -> str:
    if value is None:
        shown = str(default)
        return f"{shown}{unit if shown.replace('.', '').isdigit() else ''} (the default)"
    return f"{value:g}{unit}" if isinstance(value, float) else f"{value}{unit}"


def format_forgotten(what: Forgotten) -> str:
    """Say what was removed."""
    if not what.total:
        return say("I stored nothing about you.")
    return say(
        "I removed your user ID from {trainings} trainings, {models} models, {choices} model "
        "choices, and {kept} poems that you kept. I no longer store anything about you.",
        trainings=what.trainings,
        models=what.models,
        choices=what.choices,
        kept=what.kept,
    )


def format_privacy(operator: Operator) -> str:
    """Say what is stored, and by whom where the host says so."""
    told = [f"- {translate(each)}" for each in PRIVACY]
    heading = say("**What I store and what I do not**")
    return _fit(["\n".join((heading, *told, translate(FORGETTING))), *_runs(operator)])


def format_about(me: About, model: ModelRecord | None) -> str:
    """Say who answers here."""
    writes = f"{escape(model.book)} (`{_code(model.name)}`)" if model else say("the default")
    hours, minutes = divmod(int(me.uptime_seconds) // 60, 60)
    lines = [
        say("**Sonneteer {version}** · model here: {model}", version=me.version, model=writes),
        say_counted(
            "up for {hours} h {minutes} min · {count} poem written since the start",
            "up for {hours} h {minutes} min · {count:,} poems written since the start",
            int(me.poems),
            hours=hours,
            minutes=minutes,
        ),
        say(
            "-# a self-hosted bot that writes verse, character by character, with an LSTM trained "
            "on one book · free software, MIT licence · /help, /privacy"
        ),
    ]
    return _fit([*lines, *_runs(me.operator)])


def _runs(operator: Operator) -> list[str]:
    """Name the operator and the pages with the rules, as far as they are known."""
    links = [
        f"[{title}](<{link}>)"
        for title, page in ((say("Privacy"), "privacy"), (say("Terms of use"), "terms"))
        if (link := operator.link(page))
    ]
    who = [say("run by {name}", name=escape(operator.name))] if operator.name else []
    contact = (
        [say("contact: {contact}", contact=escape(operator.contact))] if operator.contact else []
    )
    told = [*who, *contact, *links]
    return [f"{FOOTER_MARK}{' · '.join(told)}"] if told else []


def _code(name: str) -> str:
    """Put a name between backticks; a model's name has none, a stranger's could."""
    return name.replace("`", "'").replace("\n", " ")


def _fit(lines: Sequence[str]) -> str:
    """Join lines; those in the middle go where a message cannot hold all."""
    kept = [line for line in lines if line]
    while measure("\n".join(kept)) > MAX_MESSAGE and len(kept) > 3:
        del kept[-2]
    text = "\n".join(kept)
    while measure(text) > MAX_MESSAGE:
        text = text[: len(text) - 50]
    return text
