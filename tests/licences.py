"""The licences of what Sonneteer needs to run, and of what others made in its folders.

What is needed is in the locks; licences, home pages and texts are what the installed packages say.
Where they say nothing that can be compared, it has been judged by hand, here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from tests.locks import Locked, read_lock

# What needs a package, and in which locks those packages are that nothing above needs.
GPU = "NVIDIA GPU"
NEEDED_FOR = {
    "bot": ["requirements-bot.lock"],
    "training": ["requirements.lock", "requirements-cpu.lock"],
    "cluster": ["requirements-cluster.lock"],
    GPU: ["requirements-cuda.lock"],
}

# Licences that oblige nobody to more than to keep their texts with copies. tqdm's MPL asks for
# the source of its own files, which are those of its package.
ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "LicenseRef-WordNet-3.0",
        "MIT",
        "MIT-CMU",
        "MPL-2.0",
        "OFL-1.1",
        "PSF-2.0",
        "Zlib",
    }
)
# NVIDIA's own. No copy of ours has them: pip fetches them where there is such a GPU.
ONLY_FETCHED = frozenset({"LicenseRef-NVIDIA-Proprietary"})

# What a package's texts say where its metadata has no licence, or none in SPDX's words.
JUDGED = {
    "aiosignal": "Apache-2.0",
    "aiosqlite": "MIT",
    "contourpy": "BSD-3-Clause",
    "cycler": "BSD-3-Clause",
    "discord-py": "MIT",
    "jinja2": "BSD-3-Clause",
    "kiwisolver": "BSD-3-Clause",
    "matplotlib": "PSF-2.0",
    "mpmath": "BSD-3-Clause",
    "numba": "BSD-2-Clause",
    "safetensors": "Apache-2.0",
    "segno": "BSD-3-Clause",
    "sympy": "BSD-3-Clause",
}

# What libraries inside a wheel are under besides, which the package's own licence does not say:
# GCC's runtime library, whose exception covers programs that use it, and libquadmath, a shared
# library that anybody can replace; autocommand, which setuptools carries and nothing here imports.
INSIDE = {
    "numpy": "GPL-3.0-or-later WITH GCC-exception-3.1 AND LGPL-2.1-or-later",
    "setuptools": "LGPL-3.0-only",
}
COPYLEFT = re.compile(r"GNU\s+(LESSER |LIBRARY |AFFERO )?GENERAL\s+PUBLIC\s+LICENSE")  # its title

# What is not installed on every system: licence and home page by hand, from the wheels' metadata.
NVIDIA = ("LicenseRef-NVIDIA-Proprietary", "https://developer.nvidia.com/cuda-zone")
CUDA_PYTHON = ("Apache-2.0", "https://github.com/NVIDIA/cuda-python")
ELSEWHERE = {
    "audioop-lts": ("PSF-2.0", "https://github.com/AbstractUmbra/audioop"),
    "colorama": ("BSD-3-Clause", "https://github.com/tartley/colorama"),
    "cuda-bindings": CUDA_PYTHON,
    "cuda-pathfinder": CUDA_PYTHON,
    "cuda-toolkit": ("LicenseRef-NVIDIA-Proprietary", "https://developer.nvidia.com/cuda-toolkit"),
    "nvidia-cublas": NVIDIA,
    "nvidia-cuda-cupti": NVIDIA,
    "nvidia-cuda-nvrtc": NVIDIA,
    "nvidia-cuda-runtime": NVIDIA,
    "nvidia-cudnn-cu13": NVIDIA,
    "nvidia-cufft": NVIDIA,
    "nvidia-cufile": NVIDIA,
    "nvidia-curand": NVIDIA,
    "nvidia-cusolver": NVIDIA,
    "nvidia-cusparse": NVIDIA,
    "nvidia-cusparselt-cu13": (NVIDIA[0], "https://developer.nvidia.com/cusparselt"),
    "nvidia-nccl-cu13": NVIDIA,
    "nvidia-nvjitlink": NVIDIA,
    "nvidia-nvshmem-cu13": NVIDIA,
    "nvidia-nvtx": ("Apache-2.0", NVIDIA[1]),
    "triton": ("MIT", "https://github.com/triton-lang/triton"),
}
TEXTS_ELSEWHERE = Path(__file__).parent / "data" / "licences"

HOME = ("home", "homepage", "repository", "source", "sourcecode", "github", "code", "documentation")
TEXT = re.compile(r"(?!.*\.(py|pyc|pyi|h)$).*(licen[cs]e|notice|copying|copyright)", re.IGNORECASE)
# Folders of a package's source whose licences are listed, but whose files are in no wheel.
NOT_IN_WHEELS = {"test", "tests", "testing", "examples"}


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    licence: str  # an SPDX expression
    home: str
    needed_for: str  # a key of NEEDED_FOR
    texts: dict[str, str]  # licences and notices by the name of their file; empty if only fetched

    @property
    def full_licence(self) -> str:
        """The licence of the package and of what is inside, as an SPDX expression."""
        inside = INSIDE.get(self.name)
        return f"{self.licence} AND {inside}" if inside else self.licence


@dataclass(frozen=True)
class Data:
    """Files of the repository that others made."""

    name: str
    version: str
    licence: str
    home: str
    files: tuple[str, ...]
    text: str  # the file that has the licence


DATA = (
    Data(
        "EB Garamond 12",
        "0.016",
        "OFL-1.1",
        "http://www.georgduffner.at/ebgaramond",
        ("bot/core/fonts/EBGaramond12-Italic.otf", "bot/core/fonts/EBGaramond12-Regular.otf"),
        "bot/core/fonts/OFL.txt",
    ),
    Data(
        "CMU Pronouncing Dictionary",
        "",
        "BSD-2-Clause",
        "https://github.com/cmusphinx/cmudict",
        ("model/verse/cmudict.dict.gz",),
        "model/verse/cmudict.LICENSE",
    ),
    Data(
        "WordNet",
        "3.0",
        "LicenseRef-WordNet-3.0",
        "https://wordnet.princeton.edu",
        ("model/verse/definitions.txt.gz",),
        "model/verse/wordnet.LICENSE",
    ),
)


@cache
def needed() -> list[tuple[str, str, dict[str, Locked]]]:
    """Return each package that is needed to run: what for, its name, its entries by lock."""
    locks = {lock: read_lock(lock) for names in NEEDED_FOR.values() for lock in names}
    found: dict[str, tuple[str, str, dict[str, Locked]]] = {}
    for purpose, names in NEEDED_FOR.items():
        for package in sorted({each for name in names for each in locks[name]}):
            entries = {name: lock[package] for name, lock in locks.items() if package in lock}
            found.setdefault(package, (purpose, package, entries))
    return list(found.values())


def declared(package: Distribution) -> str | None:
    """Return the licence that a package's metadata has, None if it is none in SPDX's words."""
    metadata = package.metadata
    said = metadata.get_all("License-Expression") or metadata.get_all("License") or [""]
    try:
        return canonicalize_license_expression(said[0])
    except InvalidLicenseExpression:
        return None


def home_of(package: Distribution) -> str:
    """Return the address of a package's home page, or of what comes closest to one."""
    said = [f"home, {page}" for page in package.metadata.get_all("Home-page") or []]
    links: dict[str, str] = {}
    for link in said + (package.metadata.get_all("Project-URL") or []):
        label, _, address = link.partition(",")
        links.setdefault(re.sub("[^a-z]", "", label.lower()), address.strip())
    return next((links[label] for label in HOME if label in links), "")


def texts_of(package: Distribution) -> dict[str, str]:
    """Return the licences and notices in a package, wherever in it they are."""
    texts = {}
    for file in sorted(package.files or [], key=str):
        folders = set(file.parts[:-1])
        if TEXT.match(file.name) and not folders & NOT_IN_WHEELS:
            # The name without the version: …-1.2.dist-info/licenses/LICENSE is LICENSE.
            name = re.sub(r"^[^/]+\.dist-info/(licenses/)?", "", file.as_posix())
            texts[name] = Path(str(file.locate())).read_text("utf-8", errors="replace")
    return texts


def read_package(name: str, version: str, purpose: str) -> Package:
    """Read what is known of a locked package; LookupError if that is not enough."""
    if name in ELSEWHERE:
        licence, home = ELSEWHERE[name]
        file = TEXTS_ELSEWHERE / f"{name}.txt"
        texts = {"LICENSE": file.read_text("utf-8")} if purpose != GPU else {}
        return Package(name, version, licence, home, purpose, texts)
    package = distribution(name)
    installed = package.version.partition("+")[0]
    if installed != version:
        raise LookupError(f"{name} {installed} is installed and {version} is locked: make test")
    found = declared(package) or JUDGED.get(name)
    if found is None:
        raise LookupError(f"{name} does not say its licence in SPDX's words: add it to JUDGED")
    texts = texts_of(package)
    if not texts:
        raise LookupError(f"{name} has no text of its licence")
    return Package(name, version, found, home_of(package), purpose, texts)


@cache
def packages() -> list[Package]:
    """Return what is known of every package that is needed, in the order of what needs it."""
    return [
        read_package(name, next(iter(entries.values())).version, purpose)
        for purpose, name, entries in needed()
    ]


def parts_of(licence: str) -> list[str]:
    """Return the licences in an SPDX expression, exceptions included.

    >>> parts_of("MIT AND (Apache-2.0 WITH LLVM-exception OR 0BSD)")
    ['MIT', 'Apache-2.0 WITH LLVM-exception', '0BSD']
    """
    return [part for part in re.split(r" (?:AND|OR) ", re.sub("[()]", "", licence)) if part]
