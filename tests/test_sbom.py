"""The software bill of materials fits CycloneDX's schema and has what the locks have."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from tests.licences import needed
from tests.locks import pins_of
from tests.sbom import MODELS, PINS, sbom

SCHEMAS = files("cyclonedx.schema") / "_res"


@cache
def made() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sbom())
    return found


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (SCHEMAS / f"{name}.SNAPSHOT.schema.json").read_text("utf-8")
    )
    return found


def by_name() -> dict[str, dict[str, Any]]:
    return {component["name"]: component for component in made()["components"]}


def hashes(component: dict[str, Any]) -> set[str]:
    links = component["externalReferences"]
    return {each["content"] for link in links for each in link.get("hashes", [])}


def test_it_fits_the_schema() -> None:
    others = [
        (f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json", schema(name))
        for name in ("spdx", "jsf-0.82")
    ]
    validator = jsonschema_rs.validator_for(
        schema("bom-1.6"), registry=jsonschema_rs.Registry(others), validate_formats=True
    )
    assert [f"{each.instance_path}: {each.message}" for each in validator.iter_errors(made())] == []
    broken = made() | {"components": [{"name": "no type"}]}
    assert not validator.is_valid(broken)


def test_it_has_every_hash_of_every_package_that_is_needed() -> None:
    components = by_name()
    for _, name, entries in needed():
        assert {locked.version for locked in entries.values()} == {components[name]["version"]}
        assert hashes(components[name]) == set().union(*(e.hashes for e in entries.values())), name


def test_every_component_has_a_licence() -> None:
    assert all(component["licenses"][0]["expression"] for component in made()["components"])


def test_it_has_the_models() -> None:
    assert all(len(by_name()[path]["hashes"]) == 1 for path in MODELS)


def test_dependencies_lead_from_the_project_to_every_component() -> None:
    leads_to = {each["ref"]: each.get("dependsOn", []) for each in made()["dependencies"]}
    reached, waiting = set(), ["sonneteer"]
    while waiting:
        reached.add(part := waiting.pop())
        waiting += set(leads_to[part]) - reached
    assert reached == {"sonneteer"} | {each["bom-ref"] for each in made()["components"]}
    direct = {part.removeprefix("pkg:pypi/").partition("@")[0] for part in leads_to["sonneteer"]}
    assert direct >= {name for file in PINS for name in pins_of(file)}


def test_it_is_the_same_each_time_and_names_what_it_is() -> None:
    assert json.loads(sbom()) == made()
    assert made()["serialNumber"].startswith("urn:uuid:")
    assert "timestamp" not in made()["metadata"]
