"""A model's card as a page: what it says, and that titles cannot say more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.model_card import MAX_EPOCHS, CardSource, render_model_card, source_of
from model import Card, EpochLosses, Model, load_model
from tests.conftest import write_model

HOSTILE = '"]\n---\nlicense: mit\n# Heading <script>alert(1)</script> | ![x](http://x) `y`'


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load_model(write_model(tmp_path / "harbour.safetensors"))


def with_card(model: Model, **values: object) -> Model:
    return replace(model, card=Card.model_validate({**model.card.model_dump(), **values}))


def render(model: Model, source: CardSource | None = None, name: str = "harbour") -> str:
    return render_model_card(name, model, source or CardSource(), has_chart=True)


def front(page: str) -> list[str]:
    """Return the lines between the first two rules."""
    first, second = [n for n, line in enumerate(page.split("\n")) if line == "---"][:2]
    assert first == 0
    return page.split("\n")[1:second]


def test_the_page_has_what_hubs_read_and_what_people_ask(model: Model) -> None:
    history = tuple(
        EpochLosses(epoch=n, running_loss=2.0 / n, held_out_loss=2.5 / n, seconds=float(n))
        for n in (1, 2)
    )
    page = render(with_card(model, history=history, training={"rows": 16, "clip": None}))
    assert 'license: "unknown"' in front(page)
    assert "- poetry" in front(page)
    assert "language:" not in front(page)  # it has no English words
    for part in (
        "# harbour",
        "*The Book of Harbour* (5,000 characters)",
        "sonneteer write 'The sea' --model harbour",
        "| rows | 16 |",
        "| clip | – |",
        "| 2 | 1.0000 | 1.2500 | 2 |",
        "![The losses](harbour.png)",
        model.sha256,
        "Nothing is known of the book's licence",
    ):
        assert part in page


def test_a_title_stays_text_on_its_line(model: Model) -> None:
    page = render(with_card(model, book_title=HOSTILE, recipe="a | b"), name="har bour & co")
    assert [line for line in page.split("\n") if line == "---"] == ["---", "---"]
    assert front(page).count('license: "unknown"') == 1
    assert "license: mit" not in page.split("\n")
    assert "<script>" not in page
    assert "![x]" not in page
    assert "--model 'har bour & co'" in page
    assert "(har%20bour%20%26%20co.png)" in page


def test_a_long_history_is_shown_in_part_with_its_end(model: Model) -> None:
    history = tuple(EpochLosses(epoch=n, running_loss=1.0, seconds=0.0) for n in range(1, 1002))
    page = render(with_card(model, history=history))
    rows = [line for line in page.split("\n") if line.endswith("| 1.0000 |  | 0 |")]
    assert len(rows) <= MAX_EPOCHS + 1
    assert rows[0].startswith("| 1 |")
    assert rows[-1].startswith("| 1001 |")


@pytest.mark.parametrize(
    ("shipped", "source", "licence", "expected"),
    [
        (True, "", None, "mit"),
        (False, "Project Gutenberg 1041", None, "other"),
        (False, "an attachment", None, "unknown"),
        (False, "", None, "unknown"),
        (True, "", "cc0-1.0", "cc0-1.0"),
    ],
)
def test_the_licence_is_said_where_it_is_known(
    model: Model, shipped: bool, source: str, licence: str | None, expected: str
) -> None:
    found = source_of(shipped=shipped, source=source, licence=licence)
    assert f"license: {json.dumps(expected)}" in front(render(model, found))
