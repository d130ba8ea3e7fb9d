"""The body of POST /api/poems, whatever it is; and the permanent link made of it."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

from hypothesis import given
from hypothesis import strategies as st

from bot.core.records import Asker
from bot.web.errors import BadBody
from bot.web.poems import PoemBody, permanent_query
from tests.fakes import fake_service

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
KEYS = st.sampled_from(sorted(PoemBody.model_fields))
ASKER = Asker("web:127.0.0.1")


@given(st.binary() | st.dictionaries(KEYS, ANYTHING).map(lambda body: json.dumps(body).encode()))
def test_a_body_is_read_or_refused_whatever_it_is(body: bytes) -> None:
    refusal = ""
    try:
        PoemBody.parse(body).request(ASKER)
    except BadBody as error:
        refusal = str(error)
    assert len(refusal) < 250


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=700))
async def test_a_permanent_link_asks_for_the_same_poem(seed: str) -> None:
    service = fake_service()
    body = PoemBody(seed=seed, temperature=0.7, top_k=3, greedy=True)
    async with service.write(await service.admit(body.request(ASKER))) as poem_stream:
        query = parse_qs(permanent_query(body, poem_stream)[1:], keep_blank_values=True)
        again = PoemBody(seed=query["seed"][0], random_seed=int(query["random_seed"][0]))
        async with service.write(await service.admit(again.request(ASKER))) as second:
            assert second.seed == poem_stream.seed
    assert query["temperature"] == ["0.7"]
    assert query["top_k"] == ["3"]
    assert query["greedy"] == ["true"]
    assert query["lines"] == ["14"]
    assert "characters" not in query
