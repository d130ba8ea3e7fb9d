"""Whether this Python and this processor can run Sonneteer, asked before anything else is loaded.

Every Python since 3.6 can read this file. Nothing is imported before it is needed: until the bot
hides its memory, others can read the token there. `make` runs this file, too.
"""

import sys

TYPE_CHECKING = False  # as typing has it, which is not imported here
if TYPE_CHECKING:
    from pathlib import Path

PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
NEEDED = "Sonneteer needs Python 3.11, 3.12, 3.13 or 3.14"
WRONG_USE = 2  # the exit status
OURS = ("bot", "model", "train", "train_base")
CPUINFO = "/proc/cpuinfo"
HEAD_BYTES = 8192  # of it: the first processor
PROCESSOR_FLAGS = ("ssse3", "sse4_1", "sse4_2", "popcnt")  # x86-64-v2, for which numpy is built
NO_EXECUTION = "failed to map segment"  # what the loader says of a library there


def begin() -> None:
    """Exit with a sentence where Sonneteer cannot run here; say one of what is not installed."""
    fault = python_fault(sys.version_info[:2], sys.executable) or processor_fault()
    if fault:
        stop(fault)
    sys.excepthook = explain


def python_fault(version: "tuple[int, int]", path: str, newest: "tuple[int, int]" = (4, 0)) -> str:
    """Say that a Python is too old, or newer than `newest`, and which one to take; "" if it is not.

    Libraries may have come for Pythons that are newer than ours.
    """
    if PYTHONS[0] <= version <= newest:
        return ""
    names = ["python{}.{}".format(*each) for each in reversed(PYTHONS)]
    found = next(filter(starts, names), None)
    if found:
        way = f"Take {found}, which is installed: make run PYTHON={found}"
    else:
        way = "Install one of them; docs/install.md says how. Then: make run PYTHON=python3.12"
    return "{}; {} is {}.{}. {}".format(NEEDED, path, *version, way)


def starts(python: str) -> bool:
    """Whether a Python of that name can be started; a version manager has names for others, too."""
    import subprocess

    try:
        done = subprocess.run(
            [python, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def processor_fault(cpuinfo: str = CPUINFO) -> str:
    """Say that an x86 processor is too old for numpy, which would end without a word; "" if not."""
    try:
        with open(cpuinfo, "rb", buffering=0) as file:  # noqa: PTH123
            lines = file.read(HEAD_BYTES).decode("ascii", "replace").splitlines()
    except OSError:
        return ""
    told = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
    flags = told.get("flags", "").split()
    missing = [flag for flag in PROCESSOR_FLAGS if flag not in flags]
    if not flags or not missing:
        return ""
    return (
        f"The processor, {told.get('model name', 'unknown')}, lacks {', '.join(missing)}, which "
        "Sonneteer's libraries need: processors made since 2013 have them. In a virtual machine, "
        "give it the processor type host, or x86-64-v2 or later."
    )


def explain(kind: "type[BaseException]", error: BaseException, traceback: "object") -> None:
    """Show what ended the program: one sentence of a library that cannot be loaded."""
    name = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ImportError) or name in OURS:
        sys.__excepthook__(kind, error, error.__traceback__)
        return
    if isinstance(error, ModuleNotFoundError):
        reason = f"{sys.executable} has no module {name}"
    else:
        reason = next(filter(None, map(str.strip, str(error).splitlines())), "unknown")
    from pathlib import Path

    way = way_to_libraries(reason, Path(__file__).resolve().parents[1], Path(sys.prefix))
    stop(f"Sonneteer's libraries cannot be loaded: {reason}. {way}")


def way_to_libraries(reason: str, root: "Path", prefix: "Path") -> str:
    """Say how to get libraries that this Python, which is in `prefix`, can load."""
    own = root / ".venv"
    if NO_EXECUTION in reason:
        return "Their folder may be on a file system without programs (mount option noexec)."
    if (root / "__main__.py").is_file():  # a package: deploy/wheel
        return "Install Sonneteer again with the tool that installed it, such as pipx."
    if own.exists() and prefix.resolve() == own.resolve():
        return "Python may have been replaced since the set-up. Set up again: make clean, make run"
    if (own / "run.done").exists():
        python = "Scripts\\python" if sys.platform == "win32" else "bin/python"
        return f"Take the Python of the set-up: {own / python}"
    return "Set up first: make run. docs/install.md has the lines without make."


def set_up_fault() -> str:
    """Say why `make` cannot set up with this Python; "" if it can."""
    from importlib.util import find_spec

    version = sys.version_info[:2]
    fault = python_fault(version, sys.executable, newest=PYTHONS[-1]) or processor_fault()
    missing = [name for name in ("venv", "ensurepip") if find_spec(name) is None]
    if fault or not missing:
        return fault
    return "{} lacks its own module {}. On Debian and Ubuntu: apt install python{}.{}-venv".format(
        sys.executable, missing[0], *version
    )


def stop(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.exit(WRONG_USE)


if __name__ == "__main__":
    problem = set_up_fault()
    if problem:
        stop(problem)
