"""In by the image: the Dockerfile is built by buildah, and what it made is started in a chroot.

No registry can be counted on, so the base image is a Debian that debootstrap makes, with Debian's
Python. Packages lie in a folder that the build sees, so that no download is in its time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

from bench.gauges import ROOT
from tests.rigs.newcomer.packages import Downloads, serve_and_stop
from tests.rigs.newcomer.person import Person, Session
from tests.rigs.newcomer.walks import Walk, free_port, size_of

SUITE = "bookworm"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
TOOLS = ("debootstrap", "buildah")
BASE, IMAGE = "localhost/newcomers-base", "localhost/newcomers-sonneteer"
WHEELS = "/wheels"
USER = "10001"
RUN = "python -m bot --config /etc/sonneteer/config.toml"  # the image's entry point


async def by_image(walk: Walk, folder: Path, downloads: Downloads) -> None:
    """Build the image without trainings, start it, and write on the page."""
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        walk.why_not = f"{' and '.join(missing)} is missing" if missing else "it needs root"
        return
    person = Person(folder / "image")
    base = person.folder / "base"
    builder = Builder(person)
    try:
        with walk.step("download", counts=False) as step:
            step.megabytes = await asyncio.to_thread(builder.fetch, base, downloads)
            step.seen = f"Debian {SUITE} and its Python, packages"
        with walk.step("build the image") as step:
            walk.look(await asyncio.to_thread(builder.build, downloads))
            mounted = await asyncio.to_thread(builder.mount)
            step.megabytes = size_of(mounted / "opt")
            step.seen = "built; MB of /opt"
        port = str(free_port())

        def start() -> Session:
            return person.start(
                *("chroot", f"--userspec={USER}:{USER}", mounted, "/usr/bin/env", "-i"),
                *("HOME=/var/lib/sonneteer", "PATH=/opt/sonneteer/.venv/bin:/usr/bin:/bin"),
                *("PYTHONDONTWRITEBYTECODE=1", f"SONNETEER_WEB_PORT={port}", "LANG=C.UTF-8"),
                *("sh", "-c", f"cd /opt/sonneteer && exec {RUN}"),
            )

        await serve_and_stop(walk, start, name="first start, which compiles")
        await serve_and_stop(walk, start, name="second start", counts=False)
    finally:
        await asyncio.to_thread(builder.clean)


class Builder:
    """buildah, with its storage in the newcomer's folder."""

    def __init__(self, person: Person) -> None:
        self._person = person
        storage = person.folder / "storage"
        self._call = (
            *("buildah", "--storage-driver", "vfs", "--root", str(storage)),
            *("--runroot", str(person.folder / "run")),
        )
        self._containers: list[str] = []
        self._mounted: list[Path] = []

    def fetch(self, base: Path, downloads: Downloads) -> float:
        """Make the base image and fetch the packages; return their MB."""
        self._person.do("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, base)
        (base / "usr/bin/python").symlink_to("python3")
        for mark in base.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            mark.unlink()  # the image of Docker's library has none
        before = size_of(downloads.folder)
        fetched = downloads.fetch(
            *("--no-deps", "--python-version", "3.11", "-r", ROOT / "requirements-bot.lock")
        )
        scratch = self._output("from", "scratch")
        self._do("copy", "--quiet", scratch, base, "/")
        self._do("config", "--env", "PIP_NO_INDEX=1", "--env", f"PIP_FIND_LINKS={WHEELS}", scratch)
        self._do("commit", "--quiet", "--rm", scratch, BASE)
        return size_of(base) + max(fetched - before, 0.0)

    def build(self, downloads: Downloads) -> Session:
        """Build the Dockerfile; return what was shown."""
        return self._do(
            *("build", "--isolation", "chroot", "--file", ROOT / "deploy" / "Dockerfile"),
            *("--build-arg", f"IMAGE={BASE}", "--build-arg", "TRAINING=no", "--tag", IMAGE),
            *("--pull=false", "--volume", f"{downloads.folder}:{WHEELS}:ro", ROOT),
        )

    def mount(self) -> Path:
        """Return the folder of a container, with what a container engine puts into it."""
        self._containers.append(container := self._output("from", "--pull=false", IMAGE))
        folder = Path(self._output("mount", container))
        for name in ("proc", "dev"):
            self._person.do("mount", "--bind", f"/{name}", folder / name)
            self._mounted.append(folder / name)
        return folder

    def clean(self) -> None:
        """Unmount and remove what is left."""
        for folder in self._mounted:
            self._person.do("umount", folder, status=None)
        for container in self._containers:
            self._do("rm", container)

    def _do(self, *arguments: str | Path) -> Session:
        return self._person.do(*self._call, *arguments)

    def _output(self, *arguments: str) -> str:
        done = subprocess.run([*self._call, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip().splitlines()[-1]
