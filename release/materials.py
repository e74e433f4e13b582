# SPDX-License-Identifier: GPL-3.0-or-later
"""Bills of materials (CycloneDX 1.6, JSON): what the controller's environment has, and what hosts need of Debian.

    python release/materials.py ENVIRONMENT FOLDER MOMENT

ENVIRONMENT is a virtual environment made of requirements.txt, MOMENT the seconds of Unix that the bills bear."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import yaml
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
# What `python -m venv` brings by itself.
OF_THE_ENVIRONMENT = {"pip", "setuptools"}


def named(file: str) -> set[str]:
    """The distributions in a file of requirements, their names as PyPI compares them."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(Requirement(line).name) for line in lines if line and not line.startswith("#")}


def controller(environment: Path, moment: str) -> Bom:
    """What requirements.txt makes of an environment, who needs whom, and whose licences. Fails when it is not that."""
    command = [Path(sys.executable).with_name("cyclonedx-py"), "environment", "--output-reproducible", environment]
    reproducible = {**os.environ, "SOURCE_DATE_EPOCH": moment}
    found = subprocess.run(command, env=reproducible, capture_output=True, check=True, text=True).stdout
    bom = Bom.from_json(json.loads(found))
    bom.components = [each for each in bom.components if each.name not in OF_THE_ENVIRONMENT]
    known = {each.bom_ref.value for each in bom.components}
    bom.dependencies = [each for each in bom.dependencies if each.ref.value in known]
    wanted, there = named("requirements.txt"), {canonicalize_name(each.name): each for each in bom.components}
    if differing := wanted ^ set(there):
        sys.exit(f"{environment} and requirements.txt differ: {', '.join(sorted(differing))}")
    return of_the_collection(bom, "controller", [there[name] for name in sorted(named("requirements.in"))])


def hosts() -> Bom:
    """The packages of Debian that the service on regions and racks imports or runs."""
    variables = yaml.safe_load((ROOT / "roles/service_runtime/vars/main.yml").read_text(encoding="utf-8"))
    by_tier = variables["__service_runtime_packages"]
    packages = sorted({name for names in by_tier.values() for name in names})
    bom = Bom()
    bom.components = [
        Component(
            name=package,
            type=ComponentType.LIBRARY if package.startswith("python3-") else ComponentType.APPLICATION,
            bom_ref=f"deb:{package}",
            # Without a version: it is that of the host's Debian, which apt keeps up to date.
            purl=PackageURL("deb", "debian", package),
            properties=[Property(name="rackyard:tier", value=tier) for tier in by_tier if package in by_tier[tier]],
        )
        for package in packages
    ]
    return of_the_collection(bom, "hosts", list(bom.components))


def of_the_collection(bom: Bom, part: str, needs: list[Component]) -> Bom:
    """The bill of a part of the collection, under a number that follows from its version."""
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    whole = Component(
        group="rackyard",
        name="metal",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"rackyard.metal=={version}",
        purl=PackageURL("generic", "rackyard", "metal", version),
        licenses=[LicenseExpression("GPL-3.0-or-later", acknowledgement=LicenseAcknowledgement.DECLARED)],
        properties=[Property(name="rackyard:part", value=part)],
    )
    bom.metadata.component = whole
    bom.serial_number = uuid5(NAMESPACE_URL, f"{whole.purl}#{part}")
    bom.register_dependency(whole, needs)
    return bom


def text(bom: Bom, moment: str) -> str:
    """The bill as JSON, which the standard's own schema has judged."""
    bom.metadata.timestamp = datetime.fromtimestamp(int(moment), tz=UTC)
    written = JsonV1Dot6(bom).output_as_string(indent=2)
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(written):
        sys.exit(f"the bill of {bom.metadata.component} is no CycloneDX: {wrong}")
    if path := re.search(r"file://\S*", written):
        sys.exit(f"the bill of {bom.metadata.component} names a place on this host: {path[0]}")
    return written + "\n"


if __name__ == "__main__":
    place, folder, made_at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    for part, bill in {"controller": controller(place, made_at), "hosts": hosts()}.items():
        (folder / f"{part}.cdx.json").write_text(text(bill, made_at), encoding="utf-8")
