"""What can be typed after `python -m bot`, or `sonneteer` where it was installed as a package."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from bot import health, logs
from bot.cli import admin, setup
from bot.core.application import VERSION
from bot.core.installation import COMMAND, CONFIG_FILE
from bot.core.records import FORMS, FREE, RANGES, SAMPLING_SETTINGS

WRONG_USE = 2
TRAIN = "train"  # its arguments are those of train.py, which reads them


class Parser(argparse.ArgumentParser):
    """Answers wrong use with one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"{message}. See: {self.prog} --help\n")


def make_parser() -> Parser:
    parser = Parser(prog=COMMAND, description="Sonneteer, a bot that writes verse.")
    parser.add_argument("--version", action="version", version=f"Sonneteer {VERSION}")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"settings; default: {CONFIG_FILE}"
    )
    parser.add_argument(
        "--shards",
        metavar="A-B/N",
        help="serve shards A to B of N; other processes on the same data folder serve the rest",
    )
    parser.add_argument(
        "--log", choices=logs.STYLES, default="text", help="how to log, on stderr; default: text"
    )
    parser.add_argument("--verbose", action="store_true", help="also log every step of a request")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    prompt = commands.add_parser("console", help="write poems at a prompt: each line is an opening")
    write = commands.add_parser("write", help="write one poem to stdout")
    write.add_argument("seed", metavar="SEED", help='opening words; "" for a random opening')
    write.add_argument(
        "--card", type=Path, metavar="FILE", help="also save a picture of it, as a PNG file"
    )
    write.add_argument("--json", action="store_true", help="print one JSON object on one line")
    for command in (prompt, write):
        _add_settings(command)
    setup.add_command(commands)
    commands.add_parser(
        TRAIN, help=f"train a model on a book; see {COMMAND} {TRAIN} --help", add_help=False
    )
    commands.add_parser("worker", help="write poems for the gateways of a cluster, until Ctrl-C")
    commands.add_parser("trainer", help="train for the gateways of a cluster, until Ctrl-C")
    commands.add_parser(health.COMMAND, help="ask the running bot whether it is well; exit 1: no")
    doctor = commands.add_parser(
        "doctor", help="check the installation, with advice for each fault"
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    admin.add_commands(commands)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME|FILE", help="default: the one in config.toml")
    parser.add_argument("--random-seed", type=int, metavar="N", help=str(RANGES["random_seed"]))
    for setting in SAMPLING_SETTINGS:
        option = f"--{setting.name.replace('_', '-')}"
        if setting.kind is bool:
            parser.add_argument(option, action="store_true", help=setting.help)
        else:
            text, metavar = setting.help or str(RANGES[setting.name]), "NX"[setting.kind is float]
            parser.add_argument(option, type=setting.kind, metavar=metavar, help=text)
    parser.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="stop before TEXT; repeatable"
    )
    parser.add_argument("--form", metavar="NAME", help=f"{', '.join(FORMS)} or {FREE}")
    parser.add_argument(
        "--avoid",
        action="append",
        default=[],
        metavar="WORD",
        help="keep WORD out of the poem; repeatable",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--chars", type=int, metavar="N", help=str(RANGES["characters"]))
    length.add_argument("--lines", type=int, metavar="N", help=str(RANGES["lines"]))
