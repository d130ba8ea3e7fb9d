"""The software bill of materials: what Sonneteer includes and needs to run, as CycloneDX.

    python -m tests.sbom    write build/sonneteer.cdx.json: `make sbom`

The same locks and files give the same list, byte for byte, on every system; so it has no date.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
import uuid
from typing import Any

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement, LicenseExpression
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from bot.core.application import VERSION
from tests.licences import DATA, INSIDE, JUDGED, Data, Package, needed, packages
from tests.locks import ROOT, Locked, pins_of

SBOM = ROOT / "build" / "sonneteer.cdx.json"
MODELS = ("model/pretrained/base/verse.safetensors", "model/pretrained/sonnets.safetensors")
PINS = ("requirements.txt", "requirements-cluster.txt")


def licence(expression: str, *, judged: bool = False) -> list[LicenseExpression]:
    kind = LicenseAcknowledgement.CONCLUDED if judged else LicenseAcknowledgement.DECLARED
    return [LicenseExpression(expression, acknowledgement=kind)]


def sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def file_component(path: str, kind: ComponentType, expression: str) -> Component:
    digest = hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
    return Component(
        name=path, type=kind, bom_ref=path, hashes=[sha256(digest)], licenses=licence(expression)
    )


def data_component(data: Data) -> Component:
    return Component(
        name=data.name,
        version=data.version or None,
        type=ComponentType.DATA,
        bom_ref=data.name,
        licenses=licence(data.licence),
        external_references=[website(data.home)],
        components=[file_component(path, ComponentType.FILE, data.licence) for path in data.files],
    )


def website(address: str) -> ExternalReference:
    return ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(address))


def wheels(purl: PackageURL, lock: str, locked: Locked) -> ExternalReference:
    """Return the files of which pip takes one: those whose hashes a lock has."""
    return ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(purl.to_string()),  # a lock names no place where packages come from
        comment=f"wheels, one for each system and Python: {lock}",
        hashes=map(sha256, locked.hashes),
    )


def package_component(package: Package, entries: dict[str, Locked]) -> Component:
    purl = PackageURL("pypi", name=package.name, version=package.version)
    files = {locked.hashes: (lock, locked) for lock, locked in reversed(entries.items())}
    markers = {each.only_where for each in entries.values() if each.only_where}
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        scope=ComponentScope.REQUIRED if package.needed_for == "bot" else ComponentScope.OPTIONAL,
        licenses=licence(
            package.full_licence, judged=package.name in JUDGED or package.name in INSIDE
        ),
        external_references=[
            website(package.home),
            *(wheels(purl, lock, locked) for lock, locked in files.values()),
        ],
        properties=[
            Property(name="sonneteer:needed-for", value=package.needed_for),
            *(Property(name="sonneteer:only-where", value=marker) for marker in sorted(markers)),
        ],
    )


def sbom() -> str:
    """Return the list as JSON."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    sonneteer = Component(
        name=project["name"],
        version=VERSION,
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
        licenses=licence(project["license"]),
    )
    entries = {name: each for _, name, each in needed()}
    parts = {each.name: package_component(each, entries[each.name]) for each in packages()}
    data = [data_component(each) for each in DATA]
    models = [
        file_component(path, ComponentType.MACHINE_LEARNING_MODEL, project["license"])
        for path in MODELS
    ]
    bom = Bom(components=[*parts.values(), *data, *models])
    bom.metadata.component = sonneteer
    bom.metadata.lifecycles = [PredefinedLifecycle(LifecyclePhase.PRE_BUILD)]
    pinned = {name for file in PINS for name in pins_of(file)}
    bom.register_dependency(sonneteer, [*(parts[name] for name in sorted(pinned)), *data, *models])
    for name, each in entries.items():
        for asking in sorted({asking for locked in each.values() for asking in locked.wanted_by}):
            if asking in parts:
                bom.register_dependency(parts[asking], [parts[name]])
    found: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    del found["metadata"]["timestamp"], found["serialNumber"]
    serial_number = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(found, sort_keys=True))
    found["serialNumber"] = f"urn:uuid:{serial_number}"
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    SBOM.parent.mkdir(exist_ok=True)
    SBOM.write_text(sbom(), "utf-8")
