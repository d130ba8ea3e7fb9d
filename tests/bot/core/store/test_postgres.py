"""The database on a server: who may open it, what is refused, and what outlasts its failures."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from bot.core.errors import DatabaseBusyError, DatabaseUnusable, DataNotKept, DataUncertain
from bot.core.guilds import Guilds
from bot.core.jobs import Job, JobState
from bot.core.ports import ModelChoice
from bot.core.records import Asker
from bot.core.shards import ShardRange
from bot.core.store.books import BookStore
from bot.core.store.guilds import GuildStore
from bot.core.store.postgres import PostgresDatabase, look_at
from bot.core.store.postgres_connection import RETRY_SECONDS
from bot.core.store.postgres_watch import Claim
from bot.core.store.schema import MIGRATIONS
from bot.core.store.server_address import Login, ServerAddress
from tests.postgres_server import PASSWORD, PostgresServer, find_programs, new_database, run_sql
from tests.timeouts import HANG_SECONDS

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[4]
JOB = Job(0, "10", "dunes", "The Dunes", "an attachment", 9, JobState.WAITING, created="2026")
ADMIN = Asker("discord:1", "10", manages=True)


@asynccontextmanager
async def opened(
    login: Login, claim: Claim | None = None, retry_seconds: float = RETRY_SECONDS
) -> AsyncIterator[PostgresDatabase]:
    database = await PostgresDatabase.open(login, claim, retry_seconds=retry_seconds)
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def database(login: Login) -> AsyncIterator[PostgresDatabase]:
    async with opened(login) as made:
        yield made


async def guilds_of(database: PostgresDatabase) -> list[str]:
    return [row["guild"] for row in await database.fetch("SELECT guild FROM guilds ORDER BY guild")]


async def add_guild(database: PostgresDatabase, guild: str) -> None:
    await database.execute("INSERT INTO guilds VALUES (?)", guild)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not true():
            await asyncio.sleep(0.005)


async def refusal(login: Login, claim: Claim | None = None) -> str:
    """Return why a database is not opened."""
    with pytest.raises(DatabaseUnusable) as caught:
        await PostgresDatabase.open(login, claim, retry_seconds=0.2)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


# Who may open it


async def test_a_new_database_has_the_newest_schema(database: PostgresDatabase) -> None:
    [row] = await database.fetch("SELECT version FROM sonneteer_version")
    assert row["version"] == len(MIGRATIONS)


async def test_a_database_can_be_opened_again_and_has_what_was_kept(login: Login) -> None:
    async with opened(login) as database:
        await add_guild(database, "10")
    async with opened(login) as database:
        assert await guilds_of(database) == ["10"]


async def test_a_wrong_password_is_refused_with_a_sentence(login: Login) -> None:
    assert "password authentication failed" in await refusal(replace(login, password="another"))


async def test_a_database_that_there_is_not_is_named(login: Login) -> None:
    nowhere = replace(login, address=replace(login.address, name="nowhere"))
    assert 'database "nowhere" does not exist' in await refusal(nowhere)


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
async def test_a_wrong_host_or_port_is_refused_after_a_while(login: Login, host: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = replace(login.address, host=host, port=nobody.getsockname()[1])
        assert "cannot be reached" in await refusal(replace(login, address=address))


async def test_a_server_without_tls_is_refused_where_tls_is_wanted(login: Login) -> None:
    address = replace(login.address, tls="require")
    assert "SSL" in await refusal(replace(login, address=address))


async def test_a_server_that_never_answers_is_given_up(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.core.store.server_address.CONNECT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = replace(login.address, port=silent.getsockname()[1])
        assert "does not answer" in await refusal(replace(login, address=address))


async def test_of_two_bots_with_the_same_shards_the_second_is_refused(login: Login) -> None:
    first, second = Claim(True, ShardRange(0, 1, 4)), Claim(True, ShardRange(2, 3, 4))
    async with opened(login, first), opened(login, second), opened(login):
        assert "has shard 1/4 already" in await refusal(login, Claim(True, ShardRange(1, 2, 4)))
        assert "counts the shards otherwise" in await refusal(login, Claim(serves=True))
        assert (await look_at(login)).in_use
    async with opened(login, Claim(serves=True)):
        assert "has all shards already" in await refusal(login, Claim(serves=True))


async def test_who_replaces_everything_is_alone(login: Login) -> None:
    async with opened(login):
        assert "another Sonneteer is using it" in await refusal(login, Claim(alone=True))
    async with opened(login, Claim(alone=True)):
        assert "is being copied or restored" in await refusal(login)


async def test_many_that_start_at_once_make_one_schema(login: Login) -> None:
    made = await asyncio.gather(*(PostgresDatabase.open(login) for _ in range(4)))
    for database in made:
        await database.close()


# The schema


STRANGE = [
    ("CREATE TABLE poems (line TEXT)", "relation 'poems'"),
    ("CREATE VIEW lines AS SELECT 1", "relation 'lines'"),
    ("ALTER TABLE settings ADD COLUMN more TEXT", "column 'settings.more'"),
    ("ALTER TABLE settings ALTER COLUMN value SET DEFAULT now()::text", "'settings.value'"),
    ("CREATE UNIQUE INDEX one ON settings (lower(value))", "'one'"),
    ("ALTER TABLE keepers ADD CHECK (length(member) > 0)", "constraint 'keepers."),
    ("DROP TABLE keepers", "no such"),
    ("DROP INDEX models_by_name", "no such"),
    ("CREATE RULE never AS ON DELETE TO settings DO INSTEAD NOTHING", "rule 'settings.never'"),
    (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
        "CREATE TRIGGER t BEFORE INSERT ON settings EXECUTE FUNCTION f()",
        "'settings.t'",
    ),
]


@pytest.mark.parametrize(("statement", "named"), STRANGE, ids=[name for _, name in STRANGE])
async def test_what_is_not_ours_in_a_database_is_refused(
    login: Login, statement: str, named: str
) -> None:
    async with opened(login):
        pass
    await run_sql(login, statement)
    sentence = await refusal(login)
    assert "not one of Sonneteer's" in sentence
    if "FUNCTION" not in statement:  # the function is named first
        assert named in sentence
    assert (await look_at(login)).fault is not None


async def test_a_database_of_another_program_is_refused_and_left_as_it_is(login: Login) -> None:
    await run_sql(login, "CREATE TABLE wiki (page TEXT)", "INSERT INTO wiki VALUES ('home')")
    assert "not one of Sonneteer's" in await refusal(login)
    connection = await asyncpg.connect(**login.options())
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert [row[0] for row in await connection.fetch(tables)] == ["wiki"]
    await connection.close()


async def test_a_newer_database_is_refused(login: Login) -> None:
    async with opened(login):
        pass
    await run_sql(login, "UPDATE sonneteer_version SET version = 999")
    assert "has version 999; this Sonneteer knows" in await refusal(login)


async def test_an_older_database_is_brought_to_the_newest_step_by_step(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("postgres_schema", "schema"):
        monkeypatch.setattr(f"bot.core.store.{module}.MIGRATIONS", MIGRATIONS[:2])
    async with opened(login) as database:
        await GuildStore(database).keep_settings("10", {"lines": 8})
    assert (await look_at(login)).version == 2
    monkeypatch.undo()
    with pytest.raises(DatabaseUnusable, match="has version 2; the bot's next start makes that"):
        await PostgresDatabase.open(login, migrates=False)
    async with opened(login) as database:
        assert await GuildStore(database).settings() == {"10": {"lines": 8}}
        assert await BookStore(database).add_job(JOB)
    assert (await look_at(login)).fault is None


async def test_to_look_changes_nothing(login: Login) -> None:
    report = await look_at(login)
    assert (report.version, report.fault, report.in_use, report.encrypted) == (
        0,
        None,
        False,
        False,
    )
    connection = await asyncpg.connect(**login.options())
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert await connection.fetchval(tables) == 0
    await connection.close()


# Transactions


async def test_of_a_transaction_that_fails_nothing_is_left(database: PostgresDatabase) -> None:
    async def fail() -> None:
        async with database.transaction() as run:
            await run("INSERT INTO guilds VALUES ('10')")
            await run("INSERT INTO nowhere VALUES (1)")

    async def give_up() -> None:
        async with database.transaction("10") as run:
            await run("INSERT INTO guilds VALUES ('10')")
            raise ZeroDivisionError

    with pytest.raises(DataNotKept, match="nowhere"):
        await fail()
    with pytest.raises(ZeroDivisionError):
        await give_up()
    assert await guilds_of(database) == []
    await add_guild(database, "11")


async def test_many_transactions_at_once_do_not_mix(database: PostgresDatabase) -> None:
    async def write(number: int) -> None:
        async with database.transaction() as run:
            await run("INSERT INTO guilds VALUES (?)", f"{number:02}a")
            if number % 3 == 0:
                raise ZeroDivisionError
            await run("INSERT INTO guilds VALUES (?)", f"{number:02}b")

    await asyncio.gather(*(write(number) for number in range(40)), return_exceptions=True)
    assert await guilds_of(database) == [
        f"{number:02}{half}" for number in range(40) if number % 3 for half in "ab"
    ]


async def test_whoever_is_cancelled_holds_nobody_up(database: PostgresDatabase) -> None:
    for turns in range(30):
        writing = asyncio.create_task(add_guild(database, f"cancelled {turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        await add_guild(database, f"kept {turns}")
    kept = [guild for guild in await guilds_of(database) if guild.startswith("kept")]
    assert len(kept) == 30


async def test_a_guilds_changes_come_one_after_another_whoever_makes_them(login: Login) -> None:
    """Two processes replace all settings of a guild at the same time: one set of them stays."""
    async with opened(login) as one, opened(login) as other:
        for number in range(10):
            await asyncio.gather(
                GuildStore(one).keep_settings("10", {"lines": number, "form": "haiku"}),
                GuildStore(other).keep_settings("10", {"lines": number, "form": "sonnet"}),
            )
        kept = await GuildStore(one).settings_of("10")
        assert kept.keys() == {"lines", "form"}
        await asyncio.gather(
            *(
                GuildStore(each).choose("10", ModelChoice(f"m{number}", ""), "", "2026")
                for number in range(15)
                for each in (one, other)
            )
        )
        assert len(await GuildStore(one).choices_of("10")) == 20


async def test_a_lock_that_somebody_keeps_is_named(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"lock_timeout": "50ms"}
    monkeypatch.setattr("bot.core.store.server_address.SETTINGS", settings)
    async with opened(login) as one, opened(login) as other:
        async with one.transaction("10"):
            with pytest.raises(DatabaseBusyError):
                await GuildStore(other).keep_settings("10", {"lines": 8})
            await GuildStore(other).keep_settings("11", {"lines": 8})
        await GuildStore(other).keep_settings("10", {"lines": 9})


async def test_a_text_with_the_character_0_is_kept_without_it(database: PostgresDatabase) -> None:
    """A server refuses it, and the end of a training would be tried for ever."""
    job_id = await BookStore(database).add_job(JOB)
    await BookStore(database).update_job(job_id, sentence="died\0of it")
    kept = await BookStore(database).job(job_id)
    assert kept is not None
    assert kept.sentence == "died\N{REPLACEMENT CHARACTER}of it"


# Several processes


async def test_what_another_process_has_changed_is_known_at_once(login: Login) -> None:
    async with opened(login) as one, opened(login) as other:
        here, there = [await Guilds.read(GuildStore(each)) for each in (one, other)]
        one.watch(here.read_again)
        await there.change(ADMIN, "lines", 9)
        await until(lambda: here.guild_settings("10").lines == 9)
        await GuildStore(other).choose("10", ModelChoice("dunes", "d1"), "", "2026")
        await until(lambda: here.choice("10") == ModelChoice("dunes", "d1"))


async def test_two_processes_that_change_different_settings_lose_none(login: Login) -> None:
    async with opened(login) as one, opened(login) as other:
        here, there = [await Guilds.read(GuildStore(each)) for each in (one, other)]
        await here.change(ADMIN, "lines", 9)
        await there.change(ADMIN, "form", "haiku")  # it has not heard of the lines
        assert await GuildStore(one).settings_of("10") == {"lines": 9, "form": "haiku"}


# Servers that fail


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """Return a server that a test may kill."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.stop()


async def test_a_server_that_is_killed_in_the_middle_of_writes_loses_and_doubles_nothing(
    own_server: PostgresServer,
) -> None:
    """Whoever was told that a choice was kept finds it once; of the others none is there."""
    login = await new_database(own_server)
    async with opened(login, Claim(serves=True)) as database:
        guilds, books = GuildStore(database), BookStore(database)
        here = await Guilds.read(guilds)
        database.watch(here.read_again)
        kept: dict[str, list[str]] = {}
        uncertain: set[str] = set()
        ended = asyncio.Event()

        async def write(guild: str) -> None:
            number = 0
            while not ended.is_set():
                number += 1
                name = f"{guild}-{number}"
                try:
                    await books.add_job(replace(JOB, guild=guild, name=name))
                except DataUncertain:
                    uncertain.add(name)
                except DataNotKept:
                    continue
                else:
                    kept.setdefault(guild, []).append(name)

        writers = [asyncio.create_task(write(str(guild))) for guild in range(1, 9)]
        for _ in range(3):
            before = sum(map(len, kept.values()))
            await until(lambda: sum(map(len, kept.values())) > before + 40)  # noqa: B023
            await asyncio.to_thread(own_server.kill)
            await asyncio.to_thread(own_server.start)
        before = sum(map(len, kept.values()))
        await until(lambda: sum(map(len, kept.values())) > before + 40)
        ended.set()
        await asyncio.gather(*writers)
        rows = await database.fetch("SELECT guild, name FROM jobs ORDER BY id")
        found: dict[str, list[str]] = {}
        for row in rows:
            if row["name"] not in uncertain:
                found.setdefault(row["guild"], []).append(row["name"])
        assert found == kept
        async with opened(login) as other:  # and what others change is heard again
            await GuildStore(other).keep_settings("10", {"lines": 9})
            await until(lambda: here.guild_settings("10").lines == 9)
        assert "has all shards already" in await refusal(login, Claim(serves=True))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL's program is not installed")
async def test_a_server_is_believed_by_its_certificate(own_server: PostgresServer) -> None:
    login = await new_database(own_server)
    certificate = await asyncio.to_thread(own_server.use_tls)
    await asyncio.to_thread(own_server.kill)
    await asyncio.to_thread(own_server.start)

    def at(host: str, options: str) -> Login:
        address = f"postgresql://sonneteer@{host}:{own_server.port}/{login.address.name}?{options}"
        return Login(ServerAddress.read(address), PASSWORD)

    trusted = f"sslmode=verify-full&sslrootcert={certificate}"
    for options in ("sslmode=require", trusted):
        assert (await look_at(at("localhost", options))).encrypted
    assert "certificate verify failed" in await refusal(at("localhost", "sslmode=verify-full"))
    assert "certificate verify failed" in await refusal(at("127.0.0.1", trusted))
    nowhere = await refusal(at("localhost", "sslmode=verify-full&sslrootcert=/no/such.pem"))
    assert "No such file" in nowhere


async def test_while_a_server_restarts_questions_and_changes_wait(
    own_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    login = await new_database(own_server)
    async with opened(login) as database:
        await add_guild(database, "10")
        await asyncio.to_thread(own_server.kill)
        waiting = [
            asyncio.create_task(add_guild(database, "11")),
            asyncio.create_task(GuildStore(database).keep_settings("12", {"lines": 8})),
        ]
        asking = asyncio.create_task(guilds_of(database))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(own_server.start)
        await asyncio.gather(*waiting)
        assert "10" in await asking
        assert await guilds_of(database) == ["10", "11", "12"]


async def test_a_server_that_stays_away_is_said_and_logged_once(
    own_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    login = await new_database(own_server)
    caplog.set_level(logging.INFO, "bot.core.store.postgres")
    async with opened(login, retry_seconds=0.2) as database:
        await asyncio.to_thread(own_server.kill)
        for guild in "123":
            with pytest.raises(DataNotKept, match=r"Nothing was changed. .* the database server"):
                await add_guild(database, guild)
        await asyncio.to_thread(own_server.start)
        await add_guild(database, "4")
        assert await guilds_of(database) == ["4"]
    said = [each for each in caplog.messages if "Until the database can be used" in each]
    assert len(said) == 1
    assert "the database can be used again" in caplog.messages


class Relay:
    """Passes bytes on between a bot and the server; breaks when a test says so."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.swallow: bytes | None = None  # what is passed on, and its answer not
        self.stop_at: bytes | None = None  # what is not passed on any more
        self.refuses = self.then_refuses = False  # new connections, at once or after `swallow`
        self._open: set[asyncio.StreamWriter] = set()
        self._ended: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        self._server.close()
        for writer in self._open:
            writer.close()
        if self._ended:
            await asyncio.wait(self._ended)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ended.add(task)
        if self.refuses:
            writer.close()
            return
        there, onward = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer, onward}
        back = asyncio.create_task(self._pass(there, writer))
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.stop_at and self.stop_at in data:
                    self.stop_at = None
                    break
                if self.swallow and self.swallow in data:
                    self.swallow, self.refuses = None, self.then_refuses
                    back.cancel()
                    await asyncio.wait([back])
                    onward.write(data)
                    await there.read(65536)  # the server has done it
                    break
                onward.write(data)
        back.cancel()
        await asyncio.wait([back])
        for each in (writer, onward):
            each.close()
            self._open.discard(each)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()


@asynccontextmanager
async def relayed(login: Login) -> AsyncIterator[tuple[Relay, Login]]:
    relay = Relay(login.address.port)
    port = await relay.open()
    try:
        yield relay, replace(login, address=replace(login.address, port=port))
    finally:
        await relay.close()


async def test_a_commit_whose_answer_is_lost_counts_and_counts_once(login: Login) -> None:
    async with relayed(login) as (relay, through), opened(through) as database:
        relay.swallow = b"; COMMIT"
        job_id = await BookStore(database).add_job(JOB)
        assert relay.swallow is None
        assert [row["id"] for row in await database.fetch("SELECT id FROM jobs")] == [job_id]
        relay.swallow = b"; COMMIT"
        await add_guild(database, "11")
        assert await guilds_of(database) == ["10", "11"]


async def test_a_commit_that_never_arrived_does_not_count(login: Login) -> None:
    async with relayed(login) as (relay, through), opened(through) as database:
        relay.stop_at = b"; COMMIT"
        with pytest.raises(DataNotKept, match="Nothing was changed"):
            await BookStore(database).add_job(JOB)
        assert relay.stop_at is None
        assert await database.fetch("SELECT id FROM jobs") == ()
        relay.stop_at = b"; COMMIT"
        await add_guild(database, "11")  # one statement is simply done again
        assert await guilds_of(database) == ["11"]


async def test_a_commit_that_nobody_can_be_asked_about_is_said_to_be_uncertain(
    login: Login,
) -> None:
    async with relayed(login) as (relay, through), opened(through, retry_seconds=0.2) as database:
        relay.swallow, relay.then_refuses = b"; COMMIT", True
        with pytest.raises(DataUncertain, match="It is not known whether"):
            await BookStore(database).add_job(JOB)
        relay.refuses = False


# Addresses


@pytest.mark.parametrize(
    "text",
    [
        "mysql://bot@db/verse",
        "postgresql://bot:secret@db/verse",
        "postgresql://bot:@db/verse",
        "postgresql://db/verse",
        "postgresql://bot@db",
        "postgresql://bot@db/a/b",
        "postgresql://bot@/verse",
        "postgresql://bot@db:port/verse",
        "postgresql://bot@db/verse?sslmode=prefer",
        "postgresql://bot@db/verse?password=secret",
        "postgresql://bot@db/verse?sslmode=require&sslmode=disable",
        "postgresql://bot@db/verse?sslmode=require&sslrootcert=/ca.pem",
        "postgresql://bot@db/verse?sslrootcert=ca.pem",
        "postgresql://bot@db/verse?host=/run",
        "postgresql://bot@db/verse#x",
        "postgresql://bot@d b/verse",
        "postgresql://[::1/verse",
        "verse",
    ],
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"without a password|port|IPv6"):
        ServerAddress.read(text)


def test_a_password_is_not_shown_with_its_login() -> None:
    login = Login(ServerAddress.read("postgresql://bot@db/verse"), PASSWORD)
    assert PASSWORD not in repr(login)
