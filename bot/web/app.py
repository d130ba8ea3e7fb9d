"""The web application: its addresses, joined with what guards them.

`WebServer.open` serves it, and cancels the handler of a client that goes away; the row of the poem
is freed with it. No access log is kept, because a permanent link carries the seed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from aiohttp import web

from bot.core.poems import PoemService
from bot.core.policies import NOBODY_NAMED, Operator
from bot.core.room import RoomLimits
from bot.core.rooms import Rooms
from bot.web.admission import (
    MAX_BODY_BYTES,
    SCANSIONS_PER_POEM,
    WRONG_CODES_PER_MINUTE,
    Admission,
    ClientLimits,
    RequestThrottle,
)
from bot.web.errors import Counted, Handler, answer_errors
from bot.web.events import StreamTiming
from bot.web.lines import LinesEndpoint, ScansionEndpoint
from bot.web.openai import OpenAIEndpoints
from bot.web.openapi import describe_api
from bot.web.page import DashboardEndpoint, page_routes
from bot.web.poems import CardEndpoint, PoemEndpoint
from bot.web.policies import PolicyPages
from bot.web.qr_code import QrCodeEndpoint
from bot.web.rooms import RoomAdmissions, RoomEndpoints
from bot.web.security import ApiKey, ClientAddresses, HostGuard, MetricsAccess, add_headers
from bot.web.server import CLIENTS, CONNECTION_LIMITS, ConnectionLimits
from bot.web.status import StatusEndpoints


def create_app(
    service: PoemService,
    *,
    allowed_hosts: Sequence[str] = (),
    trusted_proxies: Sequence[str] = (),
    metrics_public: bool = False,
    api_key: str | None = None,
    max_streams_per_client: int = 4,
    poems_per_minute: int = 60,
    room_limits: RoomLimits | None = None,
    operator: Operator = NOBODY_NAMED,
    shards: Callable[[], Mapping[int, bool]] | None = None,
    stream_timing: StreamTiming | None = None,
    connection_limits: ConnectionLimits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """Make the application.

    `allowed_hosts` are names beside loopback's and the bound address; `trusted_proxies` are
    addresses or networks whose X-Forwarded-For counts; `api_key` is what /v1 asks for, None if
    nothing. `max_streams_per_client` is how many poems
    one client may have written at once; it and `poems_per_minute` are off at 0.
    """
    hosts = HostGuard(allowed_hosts)
    clients, stream_timing = ClientAddresses(trusted_proxies), stream_timing or StreamTiming()
    metrics_access = MetricsAccess(clients, public=metrics_public)
    status = StatusEndpoints(service, metrics_access, shards=shards)
    limits = ClientLimits(
        max_at_once=max_streams_per_client, per_minute=poems_per_minute, clock=clock
    )
    throttle = RequestThrottle()
    policies = PolicyPages(operator)
    scansions = ClientLimits(
        max_at_once=0, per_minute=SCANSIONS_PER_POEM * poems_per_minute, what="line", clock=clock
    )
    admission = Admission(hosts, clients, limits, stream_timing.max_body_seconds)
    description = describe_api(needs_key=api_key is not None)
    openai = OpenAIEndpoints(service, admission, stream_timing, ApiKey(api_key))

    async def openapi(_request: web.Request) -> web.Response:
        return web.json_response(description)

    line_admission = replace(admission, limits=scansions)
    rooms = Rooms(service, room_limits)
    room_endpoints = RoomEndpoints(
        service, rooms, _room_admissions(admission, poems_per_minute, clock), stream_timing
    )

    async def close_rooms(_app: web.Application) -> None:
        await rooms.close()

    @web.middleware
    async def receive(request: web.Request, handler: Handler) -> web.StreamResponse:
        if wait := throttle.wait_seconds(clients.client(request)):
            await asyncio.sleep(wait)
        hosts.check_host(request)
        return await handler(request)

    app = web.Application(middlewares=[answer_errors, receive], client_max_size=MAX_BODY_BYTES)
    app[CLIENTS], app[CONNECTION_LIMITS] = clients, connection_limits or ConnectionLimits()
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(close_rooms)  # their streams end with it
    app.add_routes(
        [
            *page_routes(),
            web.get("/privacy", policies.privacy),
            web.get("/terms", policies.terms),
            web.get("/healthz", status.healthz),
            web.get("/metrics", status.metrics),
            web.get("/dashboard", DashboardEndpoint(metrics_access).get),
            web.get("/api/models", status.models),
            web.get("/api/books", status.books),
            web.get("/api/qr", QrCodeEndpoint(service, hosts, clients).get),
            web.post("/api/poems", PoemEndpoint(service, admission, stream_timing).post),
            web.post("/api/lines", LinesEndpoint(service, admission).post),
            web.post("/api/scansion", ScansionEndpoint(service, line_admission).post),
            web.post("/api/cards", CardEndpoint(service, admission).post),
            web.post("/api/rooms", room_endpoints.open),
            web.post("/api/rooms/{code}/events", room_endpoints.events),
            web.post("/api/rooms/{code}/contributions", room_endpoints.give),
            web.post("/api/rooms/{code}/actions", room_endpoints.act),
            web.get("/api/openapi.json", openapi),
            web.get("/v1/models", openai.models),
            web.get("/v1/models/{name}", openai.model),
            web.post("/v1/completions", openai.complete),
            web.post("/v1/chat/completions", openai.chat),
        ]
    )
    return app


def _room_admissions(
    admission: Admission, per_minute: int, clock: Callable[[], float]
) -> RoomAdmissions:
    """Return limits beside those of poems, so that a room takes nothing from the page."""

    def limits(count: int, what: Counted) -> ClientLimits:
        return ClientLimits(max_at_once=0, per_minute=count, what=what, clock=clock)

    return RoomAdmissions(
        opening=admission,
        giving=replace(admission, limits=limits(per_minute, "contribution")),
        rest=replace(admission, limits=limits(SCANSIONS_PER_POEM * per_minute, "request")),
        wrong_codes=limits(WRONG_CODES_PER_MINUTE if per_minute else 0, "wrong code"),
    )
