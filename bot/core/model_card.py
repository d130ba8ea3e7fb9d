"""A model's card as a page in Markdown, as hubs of models show it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from model import Card, Model

MAX_EPOCHS = 50  # lines of the table of losses
TAGS = ("sonneteer", "poetry", "verse", "lstm")
SPECIAL = re.compile(r"([\\`*_{}\[\]<>()!|~$&])")  # in Markdown, within a line
# What hubs of models call licences: https://huggingface.co/docs/hub/repositories-licenses
UNKNOWN, OTHER = "unknown", "other"


@dataclass(frozen=True, slots=True)
class CardSource:
    """Where a model's book comes from, as far as is known."""

    licence: str = UNKNOWN  # of the model, as hubs call it
    licence_name: str = ""  # where it is OTHER
    licence_link: str = ""
    sentence: str = (
        "Nothing is known of the book's licence. Find out before you share the model: its "
        "weights come from the book, and its file has words of it."
    )


SHIPPED = CardSource("mit", sentence="The book is in the public domain; the weights are MIT.")
GUTENBERG = CardSource(
    OTHER,
    "public-domain-in-the-usa",
    "https://www.gutenberg.org/policy/license.html",
    "The book comes from Project Gutenberg: it is in the public domain in the USA. Check the law "
    "of your country before you share the model.",
)


def source_of(*, shipped: bool, source: str, licence: str | None) -> CardSource:
    """Return what is known of a model: what the host says comes first.

    `source` is where its training had the book from, "" if that is not known.

    >>> source_of(shipped=False, source="Project Gutenberg 1041", licence=None).licence_name
    'public-domain-in-the-usa'
    """
    if licence is not None:
        return CardSource(licence, sentence=f"The licence was given as {licence}.")
    if shipped:
        return SHIPPED
    return GUTENBERG if source.startswith("Project Gutenberg") else CardSource()


def render_model_card(name: str, model: Model, source: CardSource, *, has_chart: bool) -> str:
    """Return the page; titles and names in it are anybody's, and stay text."""
    card, title = model.card, escape_markdown(model.card.book_title)
    date = escape_markdown(card.created[:10])
    chart = [f"![The losses]({quote(name)}.png)", ""] if has_chart else []
    return "\n".join(
        [
            *_front_matter(model, source),
            f"# {escape_markdown(name)}",
            "",
            f"A small LSTM that writes verse. It learnt from *{title}* "
            f"({card.book_characters:,} characters) with Sonneteer on {date}.",
            "",
            "## How to use it",
            "",
            "It needs Sonneteer: it is no model for other libraries. Put the file into Sonneteer's",
            "folder `models` and ask for a poem. In a clone, the command is `python -m bot`.",
            "",
            "```sh",
            f"sonneteer write 'The sea' --model {shlex.quote(name)}",
            "```",
            "",
            "## What it is",
            "",
            *_table(("", ""), _facts(name, model)),
            "",
            "## How it was trained",
            "",
            *_table(("setting", "value"), [(k, _shown(v)) for k, v in card.training.items()]),
            "",
            "## Losses",
            "",
            "In nats per character; lower is better. Held-out text is text of the book that the",
            "model did not learn from.",
            "",
            *chart,
            *_losses(card),
            "",
            "## Limits",
            "",
            "- It knows its book, and English verse if it was fine-tuned from the base model. It",
            "  answers no questions and follows no instructions.",
            "- Where the book is English verse, poems scan and rhyme. No thought runs on.",
            "- It says what its book says, including what is false, old or offensive.",
            "- The file has words of the book, and beginnings of its passages.",
            "",
            "## Licence",
            "",
            source.sentence,
            "",
        ]
    )


def escape_markdown(text: str) -> str:
    r"""Return a text as Markdown shows it, on one line.

    >>> escape_markdown("a *star* | [x](y)\n<b>")
    'a \\*star\\* \\| \\[x\\]\\(y\\) \\<b\\>'
    """
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _front_matter(model: Model, source: CardSource) -> list[str]:
    """Return what programs read of the page: YAML, every text in quotes."""
    values = {
        "license": source.licence,
        "license_name": source.licence_name,
        "license_link": source.licence_link,
    }
    return [
        "---",
        *(f"{key}: {json.dumps(value)}" for key, value in values.items() if value),
        *(["language:", "- en"] if model.lexicon.can_rhyme else []),
        "library_name: sonneteer",
        "pipeline_tag: text-generation",
        "tags:",
        *(f"- {tag}" for tag in TAGS),
        "---",
        "",
    ]


def _facts(name: str, model: Model) -> list[tuple[str, str]]:
    card, network = model.card, model.network
    held_out = card.held_out_loss
    return [
        ("file", f"{name}.safetensors, {model.size_bytes:,} bytes"),
        ("SHA-256", model.sha256),
        ("format", f"{card.format_version}"),
        ("network", f"LSTM, {network.layers} layers of {network.hidden_size} units"),
        ("tokens", f"{network.vocabulary_size:,}, {len(model.vocabulary.characters):,} characters"),
        ("writes forms", "yes" if model.lexicon.can_rhyme else "no, free text alone"),
        ("recipe", card.recipe),
        ("weights of epoch", f"{card.epoch}"),
        ("held-out loss", "not measured" if held_out is None else f"{held_out:.4f}"),
        ("SHA-256 of the book", card.book_sha256 or "not known"),
    ]


def _losses(card: Card) -> list[str]:
    history = card.history
    if not history:
        return ["The file has no history of its training."]
    step = -(-len(history) // MAX_EPOCHS)
    kept = [*history[:-1:step], history[-1]]
    rows = [
        (
            str(each.epoch),
            f"{each.running_loss:.4f}",
            "" if each.held_out_loss is None else f"{each.held_out_loss:.4f}",
            f"{each.seconds:.0f}",
        )
        for each in kept
    ]
    return _table(("epoch", "training", "held-out", "seconds"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *([*map(escape_markdown, row)] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _shown(value: object) -> str:
    return "–" if value is None else f"{value}"
