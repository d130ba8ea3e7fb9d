"""The command `sonneteer`: `python -m bot`, and `sonneteer train` is train.py.

Processes that the bot starts need nothing of this: Python looks for modules in the folder where it
is started, and for a script's in the script's own.
"""

import os.path
import runpy
import sys


def main() -> None:
    """Run the bot as if this folder were a checkout, and exit."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    runpy.run_module("bot", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
