"""Trainings that other machines do, and what is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from nats.errors import TimeoutError as NatsTimeout

from bot.app import make_library, open_app
from bot.cluster import remote_trainer, trainer
from bot.cluster.bus import Bus, BusConfig
from bot.cluster.messages import TrainingEnd
from bot.cluster.remote_trainer import RemoteTrainer
from bot.cluster.trainer import TrainingMachine
from bot.cluster.training_orders import TrainingOrders
from bot.core.application import App
from bot.core.jobs import GIVEN_UP, Job, JobState, JobView, TrainingStage
from bot.core.training.process import (
    ProcessTrainer,
    Trainer,
    TrainingEvent,
    TrainingExit,
    TrainingSpec,
)
from bot.core.training.queue import BOOK_NAME
from tests.apps import ADMIN, GUILD, FakeTrainer, make_config
from tests.fakes import Clock
from tests.nats_server import NatsServer
from tests.texts import VERSES, in_cyrillic
from tests.timeouts import HANG_SECONDS


@pytest.fixture(autouse=True)
def _hurried_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (remote_trainer, trainer):
        monkeypatch.setattr(module, "BEAT_SECONDS", 0.1)
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(remote_trainer, "GONE_SECONDS", 1.0)
    monkeypatch.setattr(trainer, "LOST_SECONDS", 1.0)


@dataclass
class Gateway:
    """A gateway; `here` is what trains on its own machine."""

    app: App
    bus: Bus
    remote: RemoteTrainer
    here: FakeTrainer

    async def ask(self, name: str = "walks", book: str = VERSES) -> Job:
        """Have a book trained on that a member has proposed."""
        job = Job(0, GUILD, name, "Walks", "an attachment", len(book), JobState.PROPOSED)
        job = replace(job, id=await self.app.books.add_job(job), asker=ADMIN.member)
        queue = self.app.training_requests.queue
        queue.job_folder(job.id).mkdir(parents=True)
        (queue.job_folder(job.id) / BOOK_NAME).write_text(book, "utf-8")
        await queue.submit(job)
        return job

    async def until(self, job: Job, is_it: Callable[[JobView], bool]) -> JobView:
        """Wait until a training is as wanted."""
        async with asyncio.timeout(HANG_SECONDS):
            async for view in self.app.training_requests.queue.watch(job.id):
                if is_it(view):
                    return view
        raise AssertionError("it ended otherwise")

    async def end_of(self, job: Job) -> JobView:
        return await self.until(job, lambda view: view.job.state.is_final)


@dataclass
class Machine:
    """A machine that trains, or pretends to."""

    bus: Bus
    orders: TrainingOrders
    trainer: FakeTrainer
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    running: asyncio.Task[None] | None = None

    async def begins(self) -> None:
        async with asyncio.timeout(HANG_SECONDS):
            await self.trainer.began.wait()

    async def kill(self) -> None:
        """End it without a goodbye."""
        await self.bus.close()
        if self.running is not None:
            self.running.cancel()
            await asyncio.wait([self.running])


class Cluster:
    """Gateways and machines on one NATS server."""

    def __init__(self, home: Path, server: NatsServer, running: AsyncExitStack) -> None:
        self._home = home
        self._server = server
        self._running = running

    async def bus(self, name: str) -> Bus:
        bus = await Bus.connect(BusConfig(self._server.address, "tests"), name)
        self._running.push_async_callback(bus.close)
        return bus

    @asynccontextmanager
    async def gateway(self, *, may_train_here: bool = False) -> AsyncIterator[Gateway]:
        """Open a gateway; the same one again, where it was opened before."""
        config, here = make_config(self._home / "gateway"), FakeTrainer()
        bus = await Bus.connect(BusConfig(self._server.address, "tests"), "gateway")
        orders = TrainingOrders(bus, "tests")
        remote = RemoteTrainer(bus, orders, may_train_here=may_train_here)
        await remote.open()
        async with open_app(
            config, make_library(config), here, trainers=remote, clock=Clock()
        ) as app:
            yield Gateway(app, bus, remote, here)
        await remote.close()
        await bus.close()

    async def machine(
        self, name: str, trainer: Trainer | None = None, *, held: bool = False, **limits: float
    ) -> Machine:
        """Start a machine; if it is `held`, its trainings do not end by themselves."""
        bus = await self.bus(name)
        orders = TrainingOrders(bus, "tests")
        fake = FakeTrainer(gate=asyncio.Event() if held else None)
        machine = Machine(bus, orders, fake)
        limits = {"max_book_bytes": 100_000, "max_seconds": 60.0, **limits}
        folder = self._home / name / "trainings"
        training = TrainingMachine(
            bus,
            orders,
            trainer or fake,
            folder,
            max_book_bytes=int(limits["max_book_bytes"]),
            max_seconds=limits["max_seconds"],
        )
        machine.running = asyncio.create_task(training.run(machine.stop))
        self._running.push_async_callback(machine.kill)
        return machine

    async def orders(self) -> TrainingOrders:
        return TrainingOrders(await self.bus("looker"), "tests")


@pytest.fixture
async def cluster(tmp_path: Path, server: NatsServer) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as running:
        yield Cluster(tmp_path, server, running)


async def nothing_left(cluster: Cluster) -> bool:
    """Wait until the cluster knows of no training."""
    orders = await cluster.orders()
    async with asyncio.timeout(HANG_SECONDS):
        while await orders.look():
            await asyncio.sleep(0.02)
    return True


async def test_a_training_of_another_machine_ends_with_its_model_in_the_guilds_folder(
    cluster: Cluster,
) -> None:
    machine = await cluster.machine("one", held=True)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        shown = await gateway.until(job, lambda view: view.progress.drawn > 0)
        assert (shown.progress.epoch, shown.progress.sample) == (1, "a line of verse")
        assert shown.progress.chart is not None
        assert shown.progress.chart.exists()
        machine.trainer.go()
        ended = await gateway.end_of(job)
        assert (ended.job.state, ended.job.loss) == (JobState.DONE, 1.25)
        assert ended.progress.chart is not None
        model = gateway.app.service.models(GUILD)[-1]
        assert (model.name, model.guild) == ("walks", GUILD)
        assert gateway.app.guilds.choice(GUILD).sha256 == model.sha256
        assert await nothing_left(cluster)
        assert not gateway.here.specs


@pytest.mark.slow  # the others have a machine that leaves the files of a training at once
async def test_what_a_real_training_leaves_is_installed(cluster: Cluster) -> None:
    await cluster.machine("one", ProcessTrainer(threads=1), max_seconds=1.0)
    async with cluster.gateway() as gateway:
        # Of a small network, as the base model does not know the letters.
        ended = await gateway.end_of(await gateway.ask(book=in_cyrillic(VERSES)))
        assert (ended.job.state, ended.job.sentence[:5]) == (JobState.DONE, "Poems")
        assert ended.progress.sample


async def test_a_training_whose_machine_dies_is_taken_by_another(cluster: Cluster) -> None:
    dying = await cluster.machine("dying", held=True)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await dying.begins()
        other = await cluster.machine("other")
        await dying.kill()
        assert (await gateway.end_of(job)).job.state is JobState.DONE
        assert [len(each.trainer.specs) for each in (dying, other)] == [1, 1]
        assert not other.trainer.specs[0].resume


async def test_a_machine_that_was_killed_goes_on_where_it_stood(cluster: Cluster) -> None:
    dying = await cluster.machine("one", held=True)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await gateway.until(job, lambda view: view.progress.epoch == 1)
        await dying.kill()
        again = await cluster.machine("one")
        assert (await gateway.end_of(job)).job.state is JobState.DONE
        assert again.trainer.specs[0].resume


async def test_a_training_that_ends_machine_after_machine_is_given_up(cluster: Cluster) -> None:
    async with cluster.gateway(may_train_here=True) as gateway:
        first = await cluster.machine("0", held=True)
        job = await gateway.ask()
        await first.begins()
        await first.kill()
        for name in ("1", "2"):
            dying = await cluster.machine(name, held=True)
            await dying.begins()
            await dying.kill()
        last = await cluster.machine("3")
        ended = await gateway.end_of(job)
        assert (ended.job.state, ended.job.sentence) == (JobState.FAILED, str(GIVEN_UP))
        assert not last.trainer.specs + gateway.here.specs
        assert await nothing_left(cluster)


async def test_a_machine_that_stops_gives_its_training_back_at_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trainer, "LOST_SECONDS", 1_000.0)
    caplog.set_level("INFO")
    stopping = await cluster.machine("stopping", held=True)
    stopping.trainer.saving = asyncio.Event()
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await stopping.begins()
        other = await cluster.machine("other")
        stopping.stop.set()
        assert (await gateway.end_of(job)).job.state is JobState.DONE
        assert len(other.trainer.specs) == 1
        assert not stopping.trainer.saved, "it is given back before everything is saved"
        stopping.trainer.saving.set()
        assert stopping.running is not None
        async with asyncio.timeout(HANG_SECONDS):
            await stopping.running
    assert "is given back" in caplog.text


class Stopped(FakeTrainer):
    """Is ended by whoever stops the whole service, and that before the trainer is told."""

    stop: asyncio.Event

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        await super().train(spec, tell)
        asyncio.get_running_loop().call_later(0.02, self.stop.set)
        return TrainingExit(143, "")


async def test_a_training_that_is_stopped_with_its_trainer_is_given_back(cluster: Cluster) -> None:
    stopped = Stopped()
    async with cluster.gateway() as gateway:
        stopping = await cluster.machine("stopping", stopped)
        stopped.stop = stopping.stop
        job = await gateway.ask()
        async with asyncio.timeout(HANG_SECONDS):
            await stopping.stop.wait()
        other = await cluster.machine("other")
        assert (await gateway.end_of(job)).job.state is JobState.DONE
        assert [len(each.specs) for each in (stopped, other.trainer)] == [1, 1]


async def test_two_machines_have_one_training_once_and_two_at_once(cluster: Cluster) -> None:
    machines = [await cluster.machine(name, held=True) for name in ("one", "two")]
    async with cluster.gateway() as gateway:
        async with asyncio.timeout(HANG_SECONDS):
            while gateway.remote.at_once < 2:
                await asyncio.sleep(0.02)
        first, second, third = [await gateway.ask(name) for name in ("one", "two", "three")]
        for machine in machines:
            await machine.begins()
        places = [view.place for view in gateway.app.training_requests.queue.views()]
        assert places == [0, 0, 1]
        assert [len(machine.trainer.specs) for machine in machines] == [1, 1]
        for machine in machines:
            machine.trainer.go()
        ends = [await gateway.end_of(job) for job in (first, second, third)]
        assert [view.job.state for view in ends] == [JobState.DONE] * 3
        assert sum(len(machine.trainer.specs) for machine in machines) == 3


async def test_a_training_goes_on_while_nats_is_restarted(
    cluster: Cluster, server: NatsServer
) -> None:
    machine = await cluster.machine("one", held=True)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await machine.begins()
        await server.stop(kill=True)
        await server.start()
        machine.trainer.go()
        assert (await gateway.end_of(job)).job.state is JobState.DONE
        assert len(machine.trainer.specs) == 1


async def test_a_training_that_nats_has_lost_is_given_anew(
    cluster: Cluster, server: NatsServer, tmp_path: Path
) -> None:
    machine = await cluster.machine("one", held=True)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await machine.begins()
        await server.stop(kill=True)
        (tmp_path / "nats" / "jetstream").rename(tmp_path / "lost")
        await server.start()
        machine.trainer.go()
        assert (await gateway.end_of(job)).job.state is JobState.DONE


async def test_a_training_that_is_cancelled_ends_on_its_machine(cluster: Cluster) -> None:
    machine = await cluster.machine("one", held=True)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await machine.begins()
        await gateway.app.training_requests.cancel(ADMIN, job.id)
        assert (await gateway.end_of(job)).job.state is JobState.CANCELLED
        async with asyncio.timeout(HANG_SECONDS):
            await machine.trainer.stopping.wait()
        assert await nothing_left(cluster)
        machine.trainer.go()
        assert (await gateway.end_of(await gateway.ask("next"))).job.state is JobState.DONE


async def test_a_gateway_that_is_restarted_takes_its_training_up_again(cluster: Cluster) -> None:
    machine = await cluster.machine("one", held=True)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await gateway.until(job, lambda view: view.progress.epoch == 1)
    assert not machine.trainer.stopped
    async with cluster.gateway() as gateway:
        await gateway.until(job, lambda view: view.progress.epoch == 1)
        machine.trainer.go()
        assert (await gateway.end_of(job)).job.state is JobState.DONE
    assert len(machine.trainer.specs) == 1


async def test_a_training_that_ended_meanwhile_is_installed_after_a_restart(
    cluster: Cluster,
) -> None:
    machine = await cluster.machine("one", held=True)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await machine.begins()
    machine.trainer.go()
    orders = await cluster.orders()
    async with asyncio.timeout(HANG_SECONDS):
        while not all(entry.order and entry.order.end for entry in await orders.look()):
            await asyncio.sleep(0.02)
    await machine.kill()
    async with cluster.gateway() as gateway:
        assert (await gateway.end_of(job)).job.state is JobState.DONE


async def test_of_two_machines_that_both_think_that_they_train_one_ends_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is cut off for a while, and so missed."""
    cut = await cluster.machine("cut", held=True)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await cut.begins()
        change = cut.orders.change

        async def fail(*_: object) -> None:
            raise NatsTimeout

        monkeypatch.setattr(cut.orders, "change", fail)
        other = await cluster.machine("other", held=True)
        await other.begins()
        monkeypatch.setattr(cut.orders, "change", change)
        async with asyncio.timeout(HANG_SECONDS):
            await cut.trainer.stopping.wait()
        other.trainer.go()
        assert (await gateway.end_of(job)).job.state is JobState.DONE
        assert [len(each.trainer.specs) for each in (cut, other)] == [1, 1]


async def test_without_any_trainer_a_gateway_trains_itself(cluster: Cluster) -> None:
    async with cluster.gateway(may_train_here=True) as gateway:
        assert (await gateway.end_of(await gateway.ask())).job.state is JobState.DONE
        assert len(gateway.here.specs) == 1


async def test_a_gateway_that_may_not_waits_for_a_trainer_and_says_so(cluster: Cluster) -> None:
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await gateway.until(job, lambda view: view.progress.stage is TrainingStage.WAITING)
        await cluster.machine("late")
        assert (await gateway.end_of(job)).job.state is JobState.DONE
        assert not gateway.here.specs


async def test_orders_that_cannot_be_read_are_left_alone_and_one_of_ours_is_given_anew(
    cluster: Cluster,
) -> None:
    orders = await cluster.orders()
    values = await orders._open()
    for key in ("0" * 32, "1" * 32, "no-key", ".".join("ab")):
        await values.put(key, b'{"book": "../../etc/passwd", "version": 1}')
    await values.put("2" * 32, b"\xff" * 60_000)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        await gateway.until(job, lambda view: view.progress.stage is TrainingStage.WAITING)
        [ours] = [entry for entry in await orders.look() if entry.order is not None]
        await values.put(ours.key, b"{}")
        machine = await cluster.machine("one")
        assert (await gateway.end_of(job)).job.state is JobState.DONE
        assert len(machine.trainer.specs) == 1


class Careless(FakeTrainer):
    """Leaves what is no model."""

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        ended = await super().train(spec, tell)
        (spec.out / f"{spec.name}.safetensors").write_bytes(b"\x80\x04no model")
        return ended


async def test_a_file_that_is_no_model_is_not_installed(cluster: Cluster) -> None:
    await cluster.machine("one", Careless())
    async with cluster.gateway() as gateway:
        ended = await gateway.end_of(await gateway.ask())
        assert ended.job.state is JobState.FAILED
        assert "walks.safetensors" in ended.job.sentence
        assert [model.guild for model in gateway.app.service.models(GUILD)] == [""]


async def test_files_that_never_come_are_a_failed_attempt(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_trainer, "MAX_MISSING", 2)
    async with cluster.gateway() as gateway:
        job = await gateway.ask()
        orders = await cluster.orders()
        for _ in range(3):
            async with asyncio.timeout(HANG_SECONDS):
                while not (entries := await orders.look()) or entries[0].order.end:  # type: ignore[union-attr]
                    await asyncio.sleep(0.02)
            [entry] = entries
            assert entry.order is not None
            false = entry.order.model_copy(update={"end": TrainingEnd(status=0, model="0" * 64)})
            await orders.change(entry.key, false, entry.revision)
        ended = await gateway.end_of(job)
        assert "failed 3 times" in ended.job.sentence


async def test_a_trainer_refuses_a_book_that_is_longer_than_its_own_limit(
    cluster: Cluster,
) -> None:
    await cluster.machine("one", max_book_bytes=100)
    async with cluster.gateway() as gateway:
        ended = await gateway.end_of(await gateway.ask())
        assert ended.job.state is JobState.FAILED
        assert "longer than the 100 bytes" in ended.job.sentence


async def test_what_a_training_says_about_its_book_is_what_the_asker_reads(
    cluster: Cluster,
) -> None:
    machine = await cluster.machine("one")
    machine.trainer.endings = [TrainingExit(2, "train.py: The book is a PDF.")]
    async with cluster.gateway() as gateway:
        ended = await gateway.end_of(await gateway.ask())
        assert (ended.job.state, ended.job.sentence) == (JobState.FAILED, "The book is a PDF.")


async def test_a_training_that_is_killed_on_its_machine_is_tried_again(cluster: Cluster) -> None:
    machine = await cluster.machine("one")
    machine.trainer.endings = [TrainingExit(-9, "")]
    async with cluster.gateway() as gateway:
        assert (await gateway.end_of(await gateway.ask())).job.state is JobState.DONE
        assert [spec.resume for spec in machine.trainer.specs] == [False, True]
