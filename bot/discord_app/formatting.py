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
from bot.core.jobs import ENDINGS, Job, JobState, JobView, Progress, Proposal, TrainingStage
from bot.core.languages import (
    LANGUAGES,
    form_name,
    recognise,
    say,
    say_counted,
    sentence,
    translate,
    write_number,
)
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
    lines = [
        f"**{escape(book.title)}** ({_source(job.source)})",
        say(
            "{characters:,} characters · {words:,} words · {alphabet} different characters",
            characters=book.characters,
            words=book.words,
            alphabet=book.alphabet,
        ),
        *(f"> {escape(line)}" for line in book.first_lines),
        say(
            "Model name: {name} · training time: {time}",
            name=_marked(job.name),
            time=format_duration(found.estimated_seconds),
        ),
        *(f"{FOOTER_MARK}{escape(translate(note))}" for note in book.notes[:3]),
    ]
    if found.is_short:
        lines.append(say("This book is short, so the model will memorise and repeat it."))
    lines.append(say("**Train on this book?**"))
    return _fit(lines)


def format_short_book_question(characters: int) -> str:
    return say(
        "This book has only {characters:,} characters, so poems will repeat parts of it word for "
        "word. **Train anyway?**",
        characters=characters,
    )


def format_job(view: JobView) -> str:
    """Show the state of a training, for one message that is edited in place."""
    what = f"**{escape(view.job.title)}** → `{_code(view.job.name)}`"
    match view.job.state:
        case JobState.WAITING:
            if view.place <= 1:
                return _fit([what, say("Waiting for training: next in line.")])
            waits = say_counted(
                "Waiting for training: {count} ahead of it.",
                "Waiting for training: {count} ahead of it.",
                view.place - 1,
            )
            return _fit([what, waits])
        case JobState.RUNNING:
            return _fit([what, *_progress(view.progress)])
        case JobState.DONE:
            return _fit([what, _measured(view), _ending(view.job), *_sample(view.progress)])
        case JobState.CANCELLED:
            reason = _ending(view.job)
            return _fit([what, say("The training was stopped. {reason}", reason=reason)])
        case _:
            reason = _ending(view.job)
            return _fit([what, say("The training failed. {reason}", reason=reason)])


def format_job_privately(view: JobView) -> str:
    """Say how a training ended, in a direct message where the channel takes none."""
    if view.job.channel:
        why = say(
            "I can no longer write in {channel}, so here is how your training ended.",
            channel=_channel(view.job.channel),
        )
    else:
        why = say("I can no longer write in the channel, so here is how your training ended.")
    return _fit([why, *format_job(view).split("\n")])


def _ending(job: Job) -> str:
    return escape(translate(recognise(job.sentence, ENDINGS)))


def _source(source: str) -> str:
    """Say where a book is from, which a job keeps in English."""
    return {"an attachment": say("an attachment"), "an address": say("an address")}.get(
        source, escape(source)
    )


def tells_end(content: str, view: JobView) -> bool:
    """Whether a message says how this training ended; after a restart it would be shorter."""
    heading = format_job(view).partition("\n")[0]
    lines = content.split("\n")
    return heading in lines and any(_ending(view.job) in line for line in lines)


def _progress(progress: Progress) -> list[str]:
    if progress.stage is TrainingStage.WAITING:
        return [_bar(0.0) + " " + say("waiting for a machine that trains…")]
    if progress.stage is TrainingStage.STARTING:
        return [_bar(0.0) + " " + say("starting…")]
    lines = [" · ".join((f"{_bar(progress.share)} {_share(progress)}", *_epoch(progress)))]
    facts = []
    if progress.loss is not None:
        facts.append(say("loss {loss:.3f}", loss=progress.loss))
    if progress.held_out_loss is not None:
        facts.append(say("on held-out text {loss:.3f}", loss=progress.held_out_loss))
    if progress.characters_per_second:
        facts.append(say("{speed:,.0f} characters/s", speed=progress.characters_per_second))
    if progress.stage is TrainingStage.FINISHING:
        facts.append(say("measuring and writing…"))
    elif progress.seconds_left is not None:
        facts.append(say("{time} left", time=format_duration(progress.seconds_left)))
    return [*lines, " · ".join(facts), *_sample(progress)]


def _share(progress: Progress) -> str:
    return write_number(progress.share, ".0%")


def _epoch(progress: Progress) -> list[str]:
    if not progress.epochs:
        return []
    return [say("epoch {epoch} of {epochs}", epoch=progress.epoch, epochs=progress.epochs)]


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
        [say("Trained in {time}", time=format_duration(view.progress.seconds))]
        if view.progress.seconds
        else []
    )
    if view.job.loss is not None:
        facts.append(
            say("loss {loss:.3f} nats per character (lower is better)", loss=view.job.loss)
        )
    return " · ".join(facts) or say("Trained")


def format_books(shown: AvailableModels) -> str:
    """List what a server can choose from."""
    lines = [say("**Books in this server**")]
    for model in shown.models[:MAX_LISTED]:
        mark = "▸ " if model == shown.used else "  "
        facts = [
            f"{mark}`{_code(model.name)}`",
            escape(model.book),
            say("loss {loss:.2f}", loss=model.loss),
            say("this server") if model.guild else say("all servers"),
            *([say("the default")] if model.default else []),
        ]
        lines.append(" · ".join(facts))
    if len(shown.models) > MAX_LISTED:
        lines.append(say("and {count} more", count=len(shown.models) - MAX_LISTED))
    if shown.used is None:
        lines.append(say("The model chosen with /book use is unavailable, so I use the default."))
    for name in shown.missing:
        lines.append(
            say(
                "⚠ The file of {name} is missing or was modified. Use /book remove to take it off "
                "the list, or /book add to train it again.",
                name=_marked(name),
            )
        )
    lines.append(say("-# ▸ in use here · /book use · /book info · /book remove · /book share"))
    return _fit(lines)


def format_model(model: ModelRecord, kept: AddedModel | None) -> str:
    """Show what is known of a model."""
    facts = [say("loss {loss:.4f} nats per character", loss=model.loss)]
    if model.held_out_loss is not None:
        facts.append(say("on held-out text {loss:.4f}", loss=model.held_out_loss))
    lines = [
        f"**{escape(model.book)}** · `{_code(model.name)}`",
        say(
            "{characters:,} characters · {epochs} epochs · {facts}",
            characters=model.characters,
            epochs=len(model.losses),
            facts=" · ".join(facts),
        ),
        say(
            "created {date} · {size:.1f} MB · SHA-256 {hash}",
            date=escape(model.created[:10]),
            size=model.size_bytes / 1e6,
            hash=_marked(model.sha256[:12]),
        ),
    ]
    if kept is not None:
        came = {"source": _source(kept.source), "date": escape(kept.added[:10])}
        lines.append(
            say("from {source}, added {date} by {member}", **came, member=_member(kept.added_by))
            if kept.added_by
            else say("from {source}, added {date}", **came)
        )
    elif not model.guild:
        lines.append(
            say("comes with Sonneteer") if model.shipped else say("available to all servers")
        )
    return _fit(lines)


def _member(asker: str) -> str:
    return f"<@{asker.partition(':')[2]}>"


def format_queue(views: Sequence[JobView], limits: BookLimits) -> str:
    """Show the trainings of all servers; of other ones only that they are there."""
    if not views:
        return say("No training is running. Start one with /book add.")
    lines = [say("**Trainings**")]
    for view in views:
        name = f"`{_code(view.job.name)}`" if view.job.name else say("another server's training")
        shown = say("{name} (number {number})", name=name, number=view.job.id)
        if view.job.state is JobState.RUNNING:
            left = view.progress.seconds_left
            rest = [say("{time} left", time=format_duration(left))] if left is not None else []
            share = _share(view.progress)
            lines.append(" · ".join((f"▸ {shown}", share, *_epoch(view.progress), *rest)))
        else:
            lines.append(f"{view.place}. {shown}")
    lines.append(
        say(
            "-# one at a time · up to {minutes:g} min each · {count} per day per server",
            minutes=limits.max_minutes,
            count=limits.max_per_day,
        )
    )
    return _fit(lines)


def format_settings(
    guild_settings: GuildSettings, defaults: Defaults, doubts: Sequence[str] = ()
) -> str:
    """Show what a server has set, the defaults elsewhere, and what is doubtful in it."""
    channels = " ".join(f"<#{channel}>" for channel in guild_settings.channels)
    roles = " ".join(f"<@&{role}>" for role in guild_settings.roles)
    managers = " ".join(f"<@&{role}>" for role in guild_settings.managers)
    warmth = say(
        "{verse:g}, free {free:g}",
        verse=defaults.verse_temperature,
        free=defaults.sampling.temperature,
    )
    form, length = guild_settings.form, guild_settings.lines
    seconds, warm = guild_settings.cooldown_seconds, guild_settings.temperature
    cooldown = say("the bot's default") if seconds is None else f"{seconds:g} s"
    keep = guild_settings.keep_channel
    none = say("none")
    language = LANGUAGES[guild_settings.language] if guild_settings.language else None
    lines = [
        say("**Settings of this server**"),
        *doubts,
        say("- channels for poems: {channels}", channels=channels or say("everywhere")),
        say("- who may ask: {roles}", roles=roles or say("everyone")),
        say(
            "- who may manage books and settings: members with Manage Server {roles}",
            roles=managers,
        ).rstrip(),
        say("- cooldown: {time}", time=cooldown),
        say(
            "- form: {form} · length of free text: {lines} · temperature: {temperature}",
            form=translate(form_name(form)) if form else _usual(form_name(defaults.form)),
            lines=_lines(length) if length is not None else _usual(_lines(defaults.lines)),
            temperature=write_number(warm, "g") if warm is not None else _usual(warmth),
        ),
        say("- words to avoid: {words}", words=escape(", ".join(guild_settings.avoid)) or none),
        say("- use a new model as soon as it is trained: yes")
        if guild_settings.switch
        else say("- use a new model as soon as it is trained: no"),
        say("- models of single channels: {models}", models=_channel_models(guild_settings)),
        say("- poem of the day: {poem}", poem=_daily(guild_settings.daily)),
        say("- channel for kept poems: {channel}", channel=_channel(keep) if keep else none),
        say("- language: {language}", language=language or say("that of each member")),
    ]
    assert len(fields(guild_settings)) == 13  # noqa: S101 - all of them are shown
    return _fit(lines)


def _channel_models(guild_settings: GuildSettings) -> str:
    chosen = [each.split()[:2] for each in guild_settings.channel_models]
    return ", ".join(f"<#{channel}> `{_code(name)}`" for channel, name in chosen) or say("none")


def _daily(daily: DailyPoem | None) -> str:
    if daily is None:
        return say("none")
    seeds = say("a word from the date")
    if count := len(daily.seeds):
        seeds = say_counted("{count} opening in turn", "{count} openings in turn", count)
    how = [
        *([f"`{_code(daily.model)}`"] if daily.model else []),
        *([translate(form_name(daily.form))] if daily.form else []),
        seeds,
        *([say("paused")] if daily.paused else []),
    ]
    return say(
        "{channel} at {time} ({details})",
        channel=_channel(daily.channel),
        time=" ".join((daily.time, escape(daily.timezone))),
        details=", ".join(how),
    )


def _lines(count: int) -> str:
    return say_counted("{count} line", "{count} lines", count)


def _usual(value: str) -> str:
    return say("{value} (the default)", value=value)


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
            "-# a self-hosted bot that writes verse with an LSTM trained on one book · "
            "free software, MIT licence · /help, /privacy"
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


def _marked(name: str) -> str:
    return f"`{_code(name)}`"


def _channel(number: str) -> str:
    return f"<#{number}>"


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
