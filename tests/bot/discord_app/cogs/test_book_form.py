"""/book add without a book: the form, in a simulated Discord."""

from __future__ import annotations

from typing import Any

import pytest
from simcord.actors import MemberActor
from simcord.results import InteractionResult, ResponseMessage

from bot.core.training.queue import SHORT_SECONDS
from bot.discord_app.client import SonneteerBot
from tests.apps import FakeTrainer
from tests.bot.discord_app.cogs.conftest import last
from tests.bot.discord_app.conftest import Simulation
from tests.texts import quatrains

BOOK = quatrains(200).encode()
LOG = "\n".join(f"[2024-05-0{day % 9 + 1} 10:0{day % 9}] ann: hello there" for day in range(400))

# Refusals are meant: the simulation would have every error of a command acknowledged.
pytestmark = pytest.mark.simcord(check_errors=False)


@pytest.fixture
def simcord_bot(app_bot: SonneteerBot) -> SonneteerBot:
    return app_bot


async def opened(simulation: Simulation, admin: MemberActor, **options: Any) -> InteractionResult:
    shown = await admin.slash(simulation.channel, "book add", **options)
    assert shown.modal is not None
    return shown


def controls(shown: InteractionResult) -> dict[str, dict[str, Any]]:
    assert shown.modal is not None
    inner = [label["component"] for label in shown.modal["components"]]
    return {each["custom_id"]: each for each in inner}


def told(result: InteractionResult) -> ResponseMessage:
    """Return the sentence that only the member sees."""
    [message] = [each for each in (result.response, *result.followups) if each and each.ephemeral]
    return message


async def test_without_a_book_the_command_opens_a_form(
    simulation: Simulation, admin: MemberActor
) -> None:
    shown = await opened(simulation, admin, name="walks", training="short")
    fields = controls(shown)
    assert list(fields) == ["file", "source", "name", "training"]
    assert fields["name"]["value"] == "walks"
    chosen = [each["value"] for each in fields["training"]["options"] if each.get("default")]
    assert chosen == ["short"]


async def test_members_get_no_form(simulation: Simulation) -> None:
    result = await simulation.ann.slash(simulation.channel, "book add")
    assert result.modal is None
    assert told(result).content.startswith("Only members who may manage this server")


async def test_a_file_in_the_form_is_trained_on(
    simulation: Simulation, admin: MemberActor, trainer: FakeTrainer
) -> None:
    shown = await opened(simulation, admin)
    file = ("walks.txt", BOOK)
    result = await admin.submit_modal(shown, {"file": file, "name": "paths", "training": "short"})
    assert result.response is not None
    assert not result.response.ephemeral
    assert "**walks** (an attachment)" in result.response.content
    assert "Model name: `paths`" in result.response.content
    await admin.click(last(simulation), label="Train")
    assert [(spec.name, spec.seconds) for spec in trainer.specs] == [("paths", SHORT_SECONDS)]


async def test_a_long_training_may_take_as_long_as_trainings_may(
    simulation: Simulation, admin: MemberActor, trainer: FakeTrainer
) -> None:
    shown = await opened(simulation, admin)
    await admin.submit_modal(shown, {"file": ("walks.txt", BOOK), "training": "long"})
    await admin.click(last(simulation), label="Train")
    assert [spec.seconds for spec in trainer.specs] == [3600.0]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "an attached file, a web address or a Project Gutenberg number"),
        ({"file": ("a.txt", BOOK), "source": "1041"}, "'1041'"),
        ({"file": ("a.txt", LOG.encode())}, "chat"),
        ({"file": ("a.pdf", b"%PDF-1.7" * 999)}, "it is a PDF"),
        ({"file": ("a.txt", b"a" * 5_000_001)}, "at most 5,000,000 are allowed"),
        ({"source": "http://127.0.0.1/book.txt"}, "127.0.0.1"),
        ({"file": ("a.txt", BOOK), "name": "../../etc"}, "letters"),
    ],
    ids=["nothing", "both", "a chat log", "a PDF", "too long", "an address within", "a bad name"],
)
async def test_what_is_refused_by_the_command_is_refused_by_the_form(
    simulation: Simulation, admin: MemberActor, values: dict[str, Any], sentence: str
) -> None:
    shown = await opened(simulation, admin)
    result = await admin.submit_modal(shown, {"training": "long", **values})
    assert sentence in told(result).content
    assert simulation.answers == []


async def test_what_was_typed_is_told_with_a_refusal_and_filled_in_again(
    simulation: Simulation, admin: MemberActor
) -> None:
    shown = await opened(simulation, admin)
    typed = {"source": "http://10.0.0.1/`a`.txt", "name": "my walks", "training": "short"}
    result = await admin.submit_modal(shown, typed)
    refusal = told(result)
    assert "name: `my walks`" in refusal.content
    again = await admin.click(refusal, label="Try again")
    fields = controls(again)
    assert fields["source"]["value"] == "http://10.0.0.1/'a'.txt"
    assert fields["name"]["value"] == "my walks"
    file = ("walks.txt", BOOK)
    result = await admin.submit_modal(
        again, {"file": file, "source": "", "name": "my-walks", "training": "short"}
    )
    assert result.response is not None
    assert "Model name: `my-walks`" in result.response.content


async def test_a_refused_file_has_to_be_attached_again(
    simulation: Simulation, admin: MemberActor
) -> None:
    shown = await opened(simulation, admin)
    result = await admin.submit_modal(shown, {"file": ("a.txt", b"%PDF-1.7"), "training": "long"})
    assert "Attach the file again" in told(result).content


async def test_only_owners_add_a_book_for_all_servers_with_the_form(
    simulation: Simulation, admin: MemberActor
) -> None:
    result = await admin.slash(simulation.channel, "book add", shared=True)
    assert result.modal is None
    assert "Only the owners" in told(result).content


async def test_an_unknown_length_of_training_gets_a_sentence(
    simulation: Simulation, admin: MemberActor
) -> None:
    attached = [("walks.txt", BOOK)]
    await admin.send(simulation.channel, "!book add 1041 walks no forever", attachments=attached)
    assert "'forever'" in last(simulation).content
    assert "short or long" in last(simulation).content


async def test_with_the_prefix_a_missing_book_gets_a_sentence(
    simulation: Simulation, admin: MemberActor
) -> None:
    await admin.send(simulation.channel, "!book add")
    assert "a Project Gutenberg number" in last(simulation).content
