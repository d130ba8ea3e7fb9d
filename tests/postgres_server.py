"""A real PostgreSQL server on loopback, for the tests: started, killed and started again."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import asyncpg
import psutil  # type: ignore[import-untyped]

from bot.core.errors import DatabaseUnusable
from bot.core.store.postgres import PostgresDatabase
from bot.core.store.server_address import Login, ServerAddress

if TYPE_CHECKING:
    from pwd import struct_passwd  # not on Windows

PLACES = "/usr/lib/postgresql/*/bin"
USER, PASSWORD = "sonneteer", "a-wrong-token"  # one that tests/leaks.py looks for
OTHERS = ("postgres", "nobody")  # as whom root starts it: it refuses to run as root
SETTINGS = (
    *("fsync=off", "max_connections=50", "shared_buffers=16MB"),
    *("unix_socket_directories=", "logging_collector=off", "autovacuum=off", "jit=off"),
)
SHARED = "shared"  # the database of tests that need rows and no more
MIN_ROOM_BYTES = 2**30
START_SECONDS = 60.0


def find_programs() -> Path | None:
    """Return the folder with the newest server's programs, None where there is none."""
    found = [path for path in Path("/").glob(PLACES.lstrip("/")) if (path / "initdb").exists()]
    if found:
        return max(found, key=lambda path: [int(n) for n in path.parent.name.split(".")])
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class PostgresServer:
    """A server with a database cluster of its own in a temporary folder."""

    def __init__(
        self,
        programs: Path,
        *settings: str,
        admin: str = USER,
        host: str = "127.0.0.1",
        inside: Sequence[str] = (),
    ) -> None:
        """Take further settings; `inside` is a command that runs another, as root, on `host`."""
        self._programs = programs
        self._settings = settings
        self._admin = admin
        self._host = host
        self._inside = tuple(inside)
        self._as = _another_user() if os.getuid() == 0 else None
        self.folder = Path(mkdtemp(prefix="sonneteer-postgres-", dir=_in_memory()))
        if self._as:
            os.chown(self.folder, self._as.pw_uid, self._as.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._tls: list[str] = []
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        if self._as:
            os.chown(secret, self._as.pw_uid, self._as.pw_gid)
        self._run(
            *("initdb", "--pgdata", str(self.folder / "data"), "--username", admin, "--no-sync"),
            *("--auth", "password", "--pwfile", str(secret), "--encoding", "UTF8"),
            *("--locale", "C", "--no-instructions"),
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        data = str(self.folder / "data")
        self._process = self._open("postgres", "-D", data, *self._options(), inside=self._inside)
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, "PostgreSQL does not start"
            assert time.monotonic() < until, "PostgreSQL does not answer"
            time.sleep(0.02)

    def use_tls(self) -> Path:
        """Encrypt from the next start on, with a certificate for localhost; return its file.

        On a host of its own it takes others' logins, then. Raises FileNotFoundError where OpenSSL's
        program is missing.
        """
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
        names = "DNS:localhost" + (f",IP:{self._host}" if self._inside else "")
        subject = ("-subj", "/CN=localhost", "-addext", f"subjectAltName={names}")
        files = ("-keyout", str(key), "-out", str(certificate))
        subprocess.run([*new, *subject, *files], check=True, capture_output=True)
        key.chmod(0o600)
        if self._as:
            os.chown(key, self._as.pw_uid, self._as.pw_gid)
        certificate.chmod(0o644)
        tls = {"ssl": "on", "ssl_key_file": key, "ssl_cert_file": certificate}
        self._tls = [f"{name}={value}" for name, value in tls.items()]
        if self._inside:
            with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("hostssl all all samenet scram-sha-256\n")
        return certificate

    def kill(self) -> None:
        """Kill the server with all its processes: -9, nothing is put in order."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # it makes no more of them
        others = psutil.Process(self._process.pid).children()
        for process in (self._process, *others):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        while any(map(_is_there, others)):  # its memory is theirs, too
            time.sleep(0.005)
        self._process = None

    def shut_down(self) -> None:
        """Stop the server as an admin does: connections are ended, everything is put in order."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(START_SECONDS)
        self._process = None

    def stop(self) -> None:
        """Kill the server and delete its folder."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder)

    def login(self, name: str = "postgres", password: str = PASSWORD) -> Login:
        address = f"postgresql://{self._admin}@{self._host}:{self.port}/{name}"
        if self._tls and self._inside:
            address += f"?sslrootcert={self.folder / 'certificate.pem'}"
        return Login(ServerAddress.read(address), password)

    def _options(self) -> list[str]:
        ours = (f"listen_addresses={self._host}", f"port={self.port}")
        settings = (*SETTINGS, *self._tls, *self._settings, *ours)
        return [word for setting in settings for word in ("-c", setting)]

    def _answers(self) -> bool:
        ready = (self._programs / "pg_isready", "-q", "-h", self._host, "-p", str(self.port))
        return subprocess.run(ready, check=False, env=ENVIRONMENT).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        process = self._open(program, *arguments)
        assert process.wait(START_SECONDS) == 0, f"{program} failed: see {self.folder / 'log'}"

    def _open(
        self, program: str, *arguments: str, inside: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        user, group = (self._as.pw_uid, self._as.pw_gid) if self._as else (None, None)
        if inside:  # as root, who steps down afterwards
            inside = (*inside, "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups")
            user = group = None
        with (self.folder / "log").open("ab") as written:
            return subprocess.Popen(
                [*inside, self._programs / program, *arguments],
                stdout=written,
                stderr=written,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env=ENVIRONMENT,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )


ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}


def _in_memory() -> Path | None:
    """Return a folder in memory with room for a server, None where there is none."""
    folder = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of its own there
    room = folder.is_dir() and shutil.disk_usage(folder).free > MIN_ROOM_BYTES
    return folder if room and os.access(folder, os.W_OK) else None


def _is_there(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _another_user() -> struct_passwd:
    import pwd  # not on Windows

    for name in OTHERS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise LookupError(f"none of the users {OTHERS} is there")


@contextmanager
def running() -> Iterator[PostgresServer | None]:
    """Run a server; None where PostgreSQL is not installed."""
    programs = find_programs()
    if programs is None:
        yield None
        return
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.stop()


async def run_sql(login: Login, *statements: str) -> None:
    """Run statements as another program would."""
    connection = await asyncpg.connect(**login.options())
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def new_database(server: PostgresServer) -> Login:
    """Make an empty database and return where it is."""
    name = f"t{secrets.token_hex(6)}"
    await run_sql(server.login(), f"CREATE DATABASE {name}")
    return server.login(name)


async def emptied(server: PostgresServer) -> Login:
    """Return where a database without tables is, the same for all tests: a new one takes longer."""
    login = server.login(SHARED)
    try:
        await run_sql(login, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    except asyncpg.InvalidCatalogNameError:
        await run_sql(server.login(), f"CREATE DATABASE {SHARED}")
    return login


async def open_empty(server: PostgresServer) -> PostgresDatabase:
    """Open a database with our tables and no rows."""
    login = server.login(SHARED)
    with suppress(asyncpg.PostgresError):  # no tables yet, or others that a test has left
        await run_sql(
            login,
            "DELETE FROM guilds; DELETE FROM unfinished; ALTER SEQUENCE jobs_id_seq RESTART; "
            "ALTER SEQUENCE choices_id_seq RESTART",
        )
        with suppress(DatabaseUnusable):
            return await PostgresDatabase.open(login)
    return await PostgresDatabase.open(await emptied(server))
