"""The description of the API, and whether the API does as it says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from aiohttp import ClientSession
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import Case

from bot.web.app import create_app
from bot.web.openai import ChatBody, CompletionBody
from bot.web.openapi import describe_api
from bot.web.poems import CardBody, PoemBody
from tests.bot.web.conftest import Serve
from tests.fakes import FakeEngine, fake_service
from tests.rigs.api_hooks import filter_body

SCHEMAS = describe_api(needs_key=False)["components"]["schemas"]
EXAMPLES = 4  # of each address; the rig takes more


def described() -> Iterator[tuple[str, str]]:
    for path, operations in describe_api(needs_key=False)["paths"].items():
        yield from ((path, method) for method in operations)


def test_every_address_for_programs_is_described() -> None:
    served = {
        (route.resource.canonical, route.method.lower())
        for route in create_app(fake_service()).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    programs = ("/api/", "/v1/", "/healthz", "/metrics")
    assert {each for each in served if each[0].startswith(programs)} == set(described())


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        *(
            (f"{kind}Settings", PoemBody.model_fields.keys())
            for kind in ("Poem", "Line", "Scansion")
        ),
        ("Card", CardBody.model_fields.keys()),
        ("ChatSettings", ChatBody.model_fields.keys() | ChatBody.NEUTRAL.keys()),
        ("CompletionSettings", CompletionBody.model_fields.keys() | CompletionBody.NEUTRAL.keys()),
    ],
)
def test_every_key_of_a_body_is_described(name: str, fields: set[str]) -> None:
    assert SCHEMAS[name]["properties"].keys() == fields


async def test_the_description_says_whether_a_key_is_needed(serve: Serve) -> None:
    for key in (None, "key-of-programs-0123456789"):
        session = await serve(api_key=key)
        async with session.get("/api/openapi.json") as response:
            told = await response.json()
        assert told == describe_api(needs_key=key is not None)
        assert ("401" in told["paths"]["/v1/models"]["get"]["responses"]) == (key is not None)


async def test_whatever_is_described_is_answered_as_described(serve: Serve) -> None:
    service = fake_service(FakeEngine("upon the water"))
    session = await serve(service, poems_per_minute=0, max_streams_per_client=0)
    await service.warm_up()
    await asyncio.to_thread(ask_all, session)


def ask_all(session: ClientSession) -> None:
    """Ask for some of what each address allows, from another thread than the server's."""
    schema: Any = schemathesis.openapi.from_dict(describe_api(needs_key=False))
    for operation in schema.get_all_operations():

        @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.ok().as_strategy())
        def ask(case: Case[Any]) -> None:
            assume(filter_body(None, case.body))
            case.call_and_validate(base_url=str(session._base_url))

        ask()
