"""What comes from the bus is a stranger's until it has been looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cluster.messages import (
    MAX_BYTES,
    MAX_COMPLAINT,
    MAX_SAMPLE,
    BadMessage,
    PoemOrder,
    PoemText,
    TrainingEnd,
    TrainingOrder,
    TrainingReport,
    decode,
)
from bot.core.errors import ModelUnusable
from bot.core.jobs import TrainingStage
from bot.core.languages import sentence, translate
from model import FORMS, NO_PLAN, LengthConfig, Opening, Request, Sampling

ID, SHA = "0" * 32, "a" * 64
REQUEST = Request(
    Opening(("the sea",), "and", "The sea\nand"),
    Sampling(temperature=0.9),
    7,
    LengthConfig(lines=14),
    FORMS["sonnet"],
    frozenset({"rain", "night"}),
    replace(NO_PLAN, topic=("sea",), keywords=("",) * 14, ends=("shore",) * 14),
)


def order(request: Request = REQUEST) -> PoemOrder:
    return PoemOrder.of(request, gateway=ID, draft=ID, attempt=1, model=(SHA, "sonnets", False))


def test_an_order_arrives_as_it_was_sent() -> None:
    for request in (REQUEST, replace(REQUEST, form=None, candidates=3)):
        assert decode(PoemOrder, order(request).encode()).asked == request


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version"),
        ({"gateway": "../x"}, "gateway"),
        ({"model": "a" * 63}, "model"),
        ({"form": "limerick"}, "form"),
        ({"attempt": 0}, "attempt"),
        ({"surprise": 1}, "surprise"),
        ({"request": {}}, "request"),
        ({"model_name": "x" * 101}, "model_name"),
    ],
)
def test_what_is_not_as_agreed_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    values = {**json.loads(order().encode()), **change}
    with pytest.raises(BadMessage, match=words):
        decode(PoemOrder, json.dumps(values).encode())


def test_settings_out_of_their_ranges_are_refused() -> None:
    values = json.loads(order().encode())
    values["request"]["sampling"]["temperature"] = 99
    with pytest.raises(BadMessage, match="temperature"):
        decode(PoemOrder, json.dumps(values).encode())


def test_a_form_is_never_taken_from_the_bus() -> None:
    values = json.loads(order().encode())
    values["request"]["form"] = {"name": "sonnet", "syllables": [1]}
    with pytest.raises(BadMessage):
        decode(PoemOrder, json.dumps(values).encode())
    assert decode(PoemOrder, order().encode()).asked.form is FORMS["sonnet"]


def test_a_long_message_is_not_read() -> None:
    with pytest.raises(BadMessage, match="65,536"):
        decode(PoemText, b" " * (MAX_BYTES + 1))


def failed(failure: str) -> PoemText:
    return PoemText(worker=ID, draft=ID, attempt=1, number=0, failure=failure)


def test_why_a_worker_cannot_write_is_still_a_sentence() -> None:
    reason = sentence("It is longer than the {most:,} bytes that are taken.", most=2_000)
    failure = ModelUnusable("rose", reason).sentence
    told = decode(PoemText, failed(failure).encode()).failure
    assert told == failure
    assert translate(told, "de") == (
        "Das Modell 'rose' kann nicht benutzt werden. Es ist länger als die 2.000 Bytes, die "
        "angenommen werden."
    )
    assert len(decode(PoemText, failed("x" * 99_999).encode()).failure or "") == 2_000


@pytest.mark.parametrize("failure", [7, [], {}, {"messages": ["{x.y}"], "values": {"x": "y"}}])
def test_a_failure_that_is_no_sentence_is_refused(failure: object) -> None:
    values = {**json.loads(failed("x").encode()), "failure": failure}
    with pytest.raises(BadMessage, match="failure"):
        decode(PoemText, json.dumps(values).encode())


TRAINING = TrainingOrder(
    book=SHA,
    title="Walks — in the rain",
    seconds=3_600.0,
    trainer=ID,
    attempt=2,
    lost=1,
    report=TrainingReport(
        stage=TrainingStage.LEARNING,
        share=0.5,
        loss=1.5,
        sample="\N{MUSICAL SYMBOL G CLEF}" * MAX_SAMPLE,
        chart=SHA,
    ),
    end=TrainingEnd(
        status=-9, complaint="\N{MUSICAL SYMBOL G CLEF}" * MAX_COMPLAINT, model=SHA, poem=SHA
    ),
)


def test_the_longest_training_arrives_as_it_was_sent() -> None:
    assert decode(TrainingOrder, TRAINING.encode()) == TRAINING


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version"),
        ({"book": "../book"}, "book"),
        ({"title": "a\0b"}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": float("inf")}, "JSON|seconds"),
        ({"trainer": "me"}, "trainer"),
        ({"attempt": -1}, "attempt"),
        ({"name": "../../model"}, "name"),
        ({"report": {"version": 1, "share": 1.5}}, "share"),
        ({"report": {"version": 1, "loss": float("nan")}}, "JSON|loss"),
        ({"report": {"version": 1, "stage": "done"}}, "stage"),
        ({"report": {"version": 1, "sample": "x" * 2_001}}, "sample"),
        ({"end": {"version": 1, "status": "0"}}, "status"),
        ({"end": {"version": 1, "status": 0, "model": "/etc/passwd"}}, "model"),
    ],
)
def test_a_training_that_is_not_as_agreed_is_refused_by_name(
    change: dict[str, Any], words: str
) -> None:
    values = {**json.loads(TRAINING.encode()), **change}
    with pytest.raises(BadMessage, match=words):
        decode(TrainingOrder, json.dumps(values, ensure_ascii=False).encode())


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(data: bytes) -> None:
    for kind in (PoemText, TrainingOrder):
        with pytest.raises(BadMessage):
            decode(kind, data)
