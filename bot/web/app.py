"""The web application: its addresses, joined with what guards them.

It runs with `start`, whose doorway cancels the handler of a client that goes away; the row of the
poem is freed with it. No access log is kept: a permanent link carries the seed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web

from bot.core.service import Service
from bot.web.answers import Handler, answer_errors
from bot.web.books import BookHandler
from bot.web.cards import CardHandler
from bot.web.connection import Bounds
from bot.web.dashboard import DashboardHandler
from bot.web.doorway import BOUNDS, CLIENTS, Doorway
from bot.web.files import page_routes
from bot.web.intake import MAX_BODY_BYTES, Intake
from bot.web.limits import ClientLimits, Pace
from bot.web.poems import PoemHandler, Pulse
from bot.web.security import Clients, Figures, HostGuard, add_headers
from bot.web.status import StatusHandlers


def create_app(
    service: Service,
    *,
    allowed_hosts: Sequence[str] = (),
    trusted_proxies: Sequence[str] = (),
    metrics_public: bool = False,
    max_streams_per_client: int = 4,
    poems_per_minute: int = 60,
    shards: Callable[[], Mapping[int, bool]] | None = None,
    pulse: Pulse | None = None,
    bounds: Bounds | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """Make the application.

    `allowed_hosts` are names beside loopback's and the bound address; `trusted_proxies` are
    addresses or networks whose X-Forwarded-For counts. `max_streams_per_client` is how many poems
    one client may have written at once; it and `poems_per_minute` are off at 0.
    """
    hosts = HostGuard(allowed_hosts)
    clients, pulse = Clients(trusted_proxies), pulse or Pulse()
    figures = Figures(clients, public=metrics_public)
    status = StatusHandlers(service, figures, shards=shards)
    limits = ClientLimits(
        max_at_once=max_streams_per_client, per_minute=poems_per_minute, clock=clock
    )
    pace = Pace()
    intake = Intake(hosts, clients, limits, pulse.max_body_seconds)

    @web.middleware
    async def receive(request: web.Request, handler: Handler) -> web.StreamResponse:
        if wait := pace.wait_seconds(clients.client(request)):
            await asyncio.sleep(wait)
        hosts.check_host(request)
        return await handler(request)

    app = web.Application(middlewares=[answer_errors, receive], client_max_size=MAX_BODY_BYTES)
    app[CLIENTS], app[BOUNDS] = clients, bounds or Bounds()
    app.on_response_prepare.append(add_headers)
    app.add_routes(
        [
            *page_routes(),
            web.get("/healthz", status.healthz),
            web.get("/metrics", status.metrics),
            web.get("/dashboard", DashboardHandler(figures).get),
            web.get("/api/models", status.models),
            web.get("/api/books", BookHandler(service).get),
            web.post("/api/poems", PoemHandler(service, intake, pulse).post),
            web.post("/api/cards", CardHandler(service, intake).post),
        ]
    )
    return app


async def start(app: web.Application, host: str, port: int) -> Doorway:
    """Serve on `host` and `port` (0: any free one) until the doorway's `cleanup()`.

    Raises CannotListen. Its `addresses` tell where it listens.
    """
    return await Doorway.open(app, host, port)
