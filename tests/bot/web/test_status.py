"""/healthz, /metrics and /api/models."""

from __future__ import annotations

from bot.core.records import RANGES
from tests.bot.web.conftest import Serve
from tests.fakes import fake_service


async def test_health_is_200_when_a_model_is_loaded(serve: Serve) -> None:
    service = fake_service()
    await service.warm_up()
    service.metrics.observe_loop_lag(0.0042)
    client = await serve(service)
    async with client.get("/healthz") as response:
        assert response.status == 200
        assert await response.json() == {
            "ok": True,
            "model_loaded": True,
            "gateway_ready": None,
            "shards": None,
            "closing": False,
            "loop_lag_ms": 4.2,
        }


async def test_health_is_503_before_a_model_is_loaded(serve: Serve) -> None:
    client = await serve()
    async with client.get("/healthz") as response:
        assert response.status == 503
        assert (await response.json())["model_loaded"] is False


async def test_health_follows_the_gateway(serve: Serve) -> None:
    service = fake_service()
    await service.warm_up()
    ready = [False]
    client = await serve(service, shards=lambda: {0: True, 1: ready[0]})
    async with client.get("/healthz") as response:
        assert response.status == 503
    ready[0] = True
    async with client.get("/healthz") as response:
        assert response.status == 200


async def test_health_is_503_while_stopping(serve: Serve) -> None:
    service = fake_service()
    await service.warm_up()
    client = await serve(service)
    await service.close()
    async with client.get("/healthz") as response:
        assert response.status == 503
        assert (await response.json())["closing"] is True


async def test_metrics_count_the_poems_of_this_door(serve: Serve) -> None:
    client = await serve()
    async with client.post("/api/poems", json={}) as response:
        assert response.status == 200
    async with client.get("/metrics") as response:
        assert response.content_type == "text/plain"
        text = await response.text()
    assert 'sonneteer_requests_total{door="web",outcome="complete"} 1.0' in text


async def test_metrics_are_refused_through_a_proxy_unless_public(serve: Serve) -> None:
    proxied = {"X-Forwarded-For": "127.0.0.1"}
    client = await serve()
    async with client.get("/metrics", headers=proxied) as response:
        assert response.status == 403
    client = await serve(metrics_public=True)
    async with client.get("/metrics", headers=proxied) as response:
        assert response.status == 200


async def test_models_are_listed_without_their_paths(serve: Serve) -> None:
    client = await serve()
    async with client.get("/api/models") as response:
        answer = await response.json()
    assert [model["name"] for model in answer["models"]] == ["sonnets", "sea-songs"]
    assert answer["models"][0]["default"] is True
    assert not {"path", "chart", "guild", "losses"} & set(answer["models"][0])
    names = ["lines", "temperature", "top_k", "top_p", "min_p", "repetition_guard"]
    assert list(answer["defaults"]) == [*names, "form", "verse_temperature"]
    assert answer["defaults"]["lines"] == 14
    assert answer["ranges"]["temperature"] == [0.05, 2.0]
    assert set(answer["ranges"]) == set(RANGES)
