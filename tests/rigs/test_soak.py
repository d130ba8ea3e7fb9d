"""What the soak looks for, it would find."""

from __future__ import annotations

import dataclasses

import pytest

from bot.core.poems import PoemService
from bot.core.records import Ending, Poem, PoemSettings, Sampling
from tests.fakes import fake_service
from tests.rigs.soak import SoakRecord, check_ends, check_memory, may_be_so_long

SETTINGS = PoemSettings(Sampling(temperature=0.5), lines=None, characters=20)


def record_of(*endings: str) -> SoakRecord:
    record = SoakRecord(ends_of=bytearray(len(endings)))
    for number, ending in enumerate(endings):
        record.end(number, ending)
    return record


def service_of(*endings: str) -> PoemService:
    service = fake_service()
    for ending in endings:
        service.metrics.requests.labels("bench", ending).inc()
    return service


def failing(record: SoakRecord, service: PoemService) -> set[str]:
    return {check.name for check in check_ends(service, record) if not check.holds}


def poem(text: str, *, stop: tuple[str, ...] = ()) -> Poem:
    return Poem(
        text=text,
        seed="the sea",
        model="guest",
        model_sha256="a1" * 32,
        random_seed=1,
        settings=dataclasses.replace(SETTINGS, stop=stop),
        notes=(),
        ending=Ending.COMPLETE,
    )


def test_a_day_without_a_fault_passes() -> None:
    endings = ("complete", "complete", "cancelled", "QueueFull")
    assert not failing(record_of(*endings), service_of(*endings))


def test_a_request_without_an_end_is_found() -> None:
    record = record_of("complete")
    record.ends_of.append(0)
    assert failing(record, service_of("complete")) == {"one end"}


def test_a_request_with_two_ends_is_found() -> None:
    record = record_of("complete")
    record.end(0, "complete")
    assert failing(record, service_of("complete", "complete")) == {"one end"}


@pytest.mark.parametrize("counted", [(), ("complete", "complete"), ("complete", "cancelled")])
def test_a_service_that_counts_otherwise_is_found(counted: tuple[str, ...]) -> None:
    assert failing(record_of("complete"), service_of(*counted)) == {"service agrees"}


def test_poems_by_characters_are_as_long_as_was_asked_for() -> None:
    assert may_be_so_long(poem("the sea is cold and "), 20)
    assert not may_be_so_long(poem("the sea is cold and"), 20)
    assert not may_be_so_long(poem("the sea is cold and g"), 20)


def test_poems_with_stop_strings_may_be_shorter_but_have_none_of_them() -> None:
    assert may_be_so_long(poem("the sea is c", stop=("old",)), 20)
    assert not may_be_so_long(poem("the sea is cold", stop=("old",)), 20)
    assert not may_be_so_long(poem("the sea is cold and g", stop=("moon",)), 20)


@pytest.mark.parametrize(("growth", "holds"), [(0.2, True), (1.5, False), (-1.5, False)])
def test_memory_that_grows_is_found(growth: float, holds: bool) -> None:
    record = SoakRecord()
    record.memory = [(poems, 300.0 + growth * poems / 10_000) for poems in range(0, 100_000, 500)]
    assert check_memory(record, 100_000).holds is holds
    assert check_memory(record, 1_000).holds
