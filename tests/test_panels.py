"""Ways in besides Docker: the egg for Pelican and Pterodactyl, and the template for Unraid."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bot.config import SECTIONS
from bot.sources import LOGIN_VARIABLES, given_settings, variable_of
from tests.nats_server import free_port
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[1]
EGG: dict[str, Any] = json.loads((ROOT / "deploy/pelican/egg-sonneteer.json").read_text("utf-8"))
TEMPLATE = ElementTree.parse(ROOT / "deploy/unraid/sonneteer.xml").getroot()  # noqa: S314 - ours
VARIABLES = {each["env_variable"]: each for each in EGG["variables"]}
OF_THE_INSTALLATION = {"GIT_ADDRESS", "GIT_BRANCH", "TRAINING"}
SETTINGS = {
    variable_of(section, key): (section, key)
    for section, kind in SECTIONS.items()
    for key in kind.model_fields
}
SECRETS = {"DISCORD_TOKEN", "SONNETEER_API_KEY"}
# What the panels read of an export in their format PTDL_v2, which both import.
KEYS = {"meta", "exported_at", "name", "author", "description", "features", "docker_images"}
KEYS |= {"file_denylist", "startup", "config", "scripts", "variables"}
RESERVED = {"SERVER_MEMORY", "SERVER_IP", "SERVER_PORT", "ENV", "HOME", "USER", "STARTUP"}
RESERVED |= {"SERVER_UUID", "UUID"}
SCRIPT: str = EGG["scripts"]["installation"]["script"]
BASH = shutil.which("bash")


def test_the_egg_has_what_both_panels_read() -> None:
    assert set(EGG) - {"_comment"} == KEYS
    assert EGG["meta"] == {"version": "PTDL_v2", "update_url": None}
    assert set(EGG["config"]) == {"files", "startup", "logs", "stop"}
    for part in ("files", "startup", "logs"):  # JSON as text within JSON
        assert isinstance(json.loads(EGG["config"][part]), dict)
    assert EGG["config"]["stop"] == "^C"  # the container is stopped, as by docker stop
    assert set(EGG["scripts"]) == {"installation"}
    assert set(EGG["scripts"]["installation"]) == {"script", "container", "entrypoint"}
    assert all(isinstance(image, str) for image in EGG["docker_images"].values())


def test_a_variable_of_the_egg_has_what_both_panels_check() -> None:
    assert len(VARIABLES) == len(EGG["variables"])
    for name, variable in VARIABLES.items():
        assert set(variable) == {
            *("name", "description", "env_variable", "default_value", "rules", "field_type"),
            *("user_viewable", "user_editable"),
        }
        assert re.fullmatch(r"[A-Z_]{1,191}", name)
        assert name not in RESERVED
        first, *rules = variable["rules"].split("|")
        assert first in ("required", "nullable"), name
        assert rules[0] in ("string", "integer", "boolean"), name
        assert (first == "nullable") >= (variable["default_value"] == "") or name == "GIT_ADDRESS"


def test_each_variable_of_a_panel_is_a_setting_that_takes_its_default() -> None:
    of_the_template = {each.get("Target") for each in TEMPLATE if each.get("Type") == "Variable"}
    names = (VARIABLES.keys() - OF_THE_INSTALLATION) | of_the_template
    assert names <= SETTINGS.keys() | set(LOGIN_VARIABLES)
    defaults = {name: VARIABLES[name]["default_value"] for name in VARIABLES if name in SETTINGS}
    for (section, key), given in given_settings(defaults, SECTIONS).items():
        SECTIONS[section].model_validate({key: given.value})
    for name, (section, key) in SETTINGS.items():
        if found := re.search(r"between:(\d+),(\d+)", VARIABLES.get(name, {}).get("rules", "")):
            for bound in (int(found[1]), int(found[2])):
                SECTIONS[section].model_validate({key: bound})


def test_the_installation_takes_the_python_that_starts_the_bot() -> None:
    """A virtual environment is of one Python, at one path; both images are python:3.11-slim."""
    (image,) = EGG["docker_images"].values()
    assert image.endswith("python_3.11")
    assert EGG["scripts"]["installation"]["container"].startswith("python:3.11-slim")
    for name in re.findall(r"requirements[\w-]*\.lock", SCRIPT):
        assert (ROOT / name).is_file(), name
    assert set(re.findall(r"\$\{?(GIT_\w+|TRAINING)", SCRIPT)) == OF_THE_INSTALLATION


@pytest.mark.skipif(BASH is None, reason="no bash here")
def test_the_script_of_the_installation_is_bash_that_asks_for_an_address(tmp_path: Path) -> None:
    script = SCRIPT.replace("/mnt/server", str(tmp_path))
    assert BASH is not None
    done = subprocess.run(
        [BASH],
        input=script,
        env={"PATH": os.environ["PATH"], "GIT_ADDRESS": ""},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("The address of the repository is missing.")


@pytest.mark.skipif(sys.platform == "win32" or BASH is None, reason="no bash here")
async def test_what_the_panel_waits_for_is_said_and_its_stop_ends_the_bot(tmp_path: Path) -> None:
    """The command is read as the panels' images read it: {{X}} is $X, and a shell splits it."""
    (tmp_path / "config.toml").write_text("")
    port = free_port()
    command = EGG["startup"].replace("{{", "${").replace("}}", "}")
    command = command.replace("/home/container/program", str(ROOT))
    command = command.replace("/home/container", str(tmp_path))
    command = command.replace(".venv/bin/python", sys.executable)
    defaults = {name: each["default_value"] for name, each in VARIABLES.items()}
    own = {"SERVER_PORT": str(port), "SONNETEER_WEB_HOST": "127.0.0.1"}
    process = await asyncio.create_subprocess_exec(
        *(str(BASH), "-c", f"exec {command}"),
        env={**os.environ, **defaults, **own},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(HANG_SECONDS):
            done = json.loads(EGG["config"]["startup"])["done"]
            async for line in process.stderr:
                if done in line.decode():
                    break
            assert f"http://127.0.0.1:{port}".encode() in line
            process.send_signal(signal.SIGTERM)
            await process.stderr.read()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (tmp_path / "data" / "sonneteer.db").exists()


def test_the_template_fits_the_image() -> None:
    assert TEMPLATE.tag == "Container"
    assert TEMPLATE.get("version") == "2"
    texts = {each.tag: each.text or "" for each in TEMPLATE}
    assert texts.keys() >= {"Name", "Repository", "Network", "Overview", "Category", "WebUI"}
    assert texts["Privileged"] == "false"
    docker_file = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    entries = {each.get("Target"): each for each in TEMPLATE.iter("Config")}
    assert "EXPOSE 8080\n" in docker_file
    assert texts["WebUI"] == "http://[IP]:[PORT:8080]"
    assert entries["8080"].get("Type") == "Port"
    assert "VOLUME /var/lib/sonneteer\n" in docker_file
    assert entries["/var/lib/sonneteer"].get("Type") == "Path"
    for name, entry in entries.items():
        assert set(entry.attrib) == {
            *("Name", "Target", "Default", "Mode", "Description", "Type", "Display"),
            *("Required", "Mask"),
        }
        assert (entry.get("Mask") == "true") == (name in SECRETS), name
        assert (entry.text or "") == entry.get("Default"), name


def test_the_template_takes_from_the_container_what_compose_takes() -> None:
    extra = TEMPLATE.findtext("ExtraParams") or ""
    compose = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
    for option, line in (
        ("--read-only", "read_only: true"),
        ("--cap-drop ALL", "cap_drop: [ALL]"),
        ("--security-opt no-new-privileges", "no-new-privileges:true"),
        ("--memory 900m", "mem_limit: 900m"),
        ("--pids-limit 256", "pids_limit: 256"),
        ("--stop-timeout 100", "stop_grace_period: 100s"),
        ("--restart on-failure:10", "restart: on-failure:10"),
        ("--init", "init: true"),
    ):
        assert option in extra
        assert line in compose
