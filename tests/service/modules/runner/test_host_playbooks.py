# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that need hosts, as jobs: up to where a host is needed, which is not there, and no further."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from authority import Authority, key_pem
from awx_stand_in import standing_in

from rackyard.region import backup
from rackyard.region.context import Context

from .jobs import GROUP, USER, Controller, copy_collection
from .test_region_playbooks import LIFE

REGIONS, RACKS = {"region1"}, {"rack1", "rack2"}
MEMBERS = {"region1", "region2", "witness1"}


@dataclass(frozen=True)
class Expected:
    """How far a playbook goes without hosts."""

    inventory: str = "example"
    unreachable: frozenset[str] | set[str] = frozenset()
    validated: frozenset[str] | set[str] = frozenset()
    failure: str = ""
    variables: tuple[tuple[str, Any], ...] = ()


# No host is reached by ssh, at once.
NOWHERE = {"ansible_ssh_common_args": "-o ProxyCommand=/bin/false"}
# Localhost is as far away as the others: these two make a lab of it, as root.
FAR = (("ansible_connection", "ssh"),)
PLAYBOOKS = {
    "site": Expected(unreachable=REGIONS | RACKS, validated={"firewall"}),
    "region": Expected(unreachable=REGIONS, validated={"service_runtime"}),
    "rack": Expected(unreachable=RACKS, validated={"service_runtime"}),
    "upgrade": Expected(unreachable=REGIONS),
    "gateway": Expected("example_ha", unreachable={"region1"}, validated={"api_gateway"}),
    "database": Expected("example_ha", unreachable=MEMBERS),
    "backup": Expected(unreachable=REGIONS),
    "restore": Expected(
        "example_ha",
        unreachable=MEMBERS,
        validated={"postgres"},
        variables=(("rackyard_database_password", "sesame-of-the-database"),),
    ),
    "remove": Expected(unreachable={"rack1"}, variables=(("rackyard_remove", ["rack1"]),)),
    "image": Expected(unreachable=REGIONS),
    "status": Expected(unreachable=REGIONS, failure="No region says how the site is"),
    "lab": Expected("lab", unreachable={"localhost"}, validated={"lab_network"}, variables=FAR),
    "demo": Expected("lab", unreachable={"localhost"}, validated={"lab_network"}, variables=FAR),
}
# Roles that site.yml has hosts of the example pass through, besides that of the tag which is left out.
OF_THE_SITE = {
    "controller_identity", "dhcp", "dns", "http", "ntp", "postgres", "proxy", "rack_service", "region_service",
    "syslog", "tftp",
}  # fmt: skip
# Each comes after the one before, which goes no further without its host.
OF_THE_LAB = ("lab_hosts", "lab_machines")
ELSEWHERE = {
    "network", "machines", "commission", "test", "power", "tag", "ready", "drift", "mark_broken", "awx", "enlist",
}  # fmt: skip


@pytest.fixture
def archive(controller: Controller, ctx: Context) -> str:
    """A backup of the region, which the user of jobs may read."""
    folder = controller.folder / "backup"
    (folder / "etc" / "tls").mkdir(parents=True, exist_ok=True)
    authority = Authority()
    (folder / "etc" / "secrets.key").write_bytes(ctx.config.secrets_key.read_bytes())
    (folder / "etc" / "tls" / "ca.crt").write_bytes(authority.pem)
    (folder / "etc" / "tls" / "ca.key").write_bytes(key_pem(authority.key))
    path = folder / "site.tar"
    backup.save(ctx, path, with_images=False, keys=folder / "etc")
    os.chown(path, USER, GROUP)
    return str(path)


def test_every_playbook_is_run_here(installed: Controller) -> None:
    known = {path.stem for path in (installed.collection / "playbooks").glob("*.yml")}
    assert known == set(PLAYBOOKS) | ELSEWHERE
    assert {name for name, _ in LIFE} <= ELSEWHERE


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_playbook_fails_for_want_of_hosts_only(
    name: str, controller: Controller, request: pytest.FixtureRequest
) -> None:
    expected = PLAYBOOKS[name]
    variables = {**NOWHERE, **dict(expected.variables)}
    if name == "restore":
        variables["rackyard_restore_archive"] = request.getfixturevalue("archive")
    if expected.inventory == "lab":
        variables["rackyard_lab_dir"] = str(controller.folder / "lab")
    inventory = controller.collection / "inventory" / expected.inventory
    job = controller.run(
        f"rackyard.metal.{name}",
        "--check",
        inventory=inventory,
        variables=json.dumps(variables),
        environment={"RACKYARD_URL": "http://127.0.0.1:9/MAAS", "RACKYARD_API_KEY": "a:b:c"},
    )
    assert job.status != 0
    assert job.unreachable == expected.unreachable, job.stdout
    assert job.validated >= expected.validated, job.stdout
    assert len(job.failures) == bool(expected.failure), job.failures
    assert all(expected.failure in words for words in job.failures)


def test_arguments_of_the_sites_roles_are_as_they_are_specified(controller: Controller) -> None:
    inventory = controller.collection / "inventory" / "example"
    options = ("--check", "--tags=always", "--skip-tags=service_runtime")
    job = controller.run("rackyard.metal.site", *options, inventory=inventory, variables=json.dumps(NOWHERE))
    assert (job.status, job.failures, job.unreachable) == (0, [], set()), job.stdout
    assert job.validated == OF_THE_SITE
    # This one has facts gathered before, which any host has.
    here = json.dumps({"ansible_connection": "local", "ansible_become": False})
    job = controller.run("rackyard.metal.image", "--check", "--tags=always", inventory=inventory, variables=here)
    assert (job.status, job.failures, job.validated) == (0, [], {"boot_image"}), job.stdout


@pytest.mark.parametrize("role", OF_THE_LAB)
def test_arguments_of_the_labs_roles_are_as_they_are_specified(role: str, controller: Controller) -> None:
    # The passwords of BMCs are made there, when they are asked for.
    folder = {"rackyard_lab_dir": str(controller.folder / "home" / "lab")}
    far = json.dumps({**NOWHERE, **dict(FAR), **folder})
    inventory = controller.collection / "inventory" / "lab"
    job = controller.run("rackyard.metal.lab", "--check", f"--tags={role}", inventory=inventory, variables=far)
    assert (job.failures, job.unreachable, job.validated) == ([], {"localhost"}, {role}), job.stdout


def test_every_role_with_arguments_is_among_those(installed: Controller) -> None:
    roles = {path.parents[1].name for path in (installed.collection / "roles").glob("*/meta/argument_specs.yml")}
    alone = {*OF_THE_SITE, *OF_THE_LAB, "boot_image"}
    assert roles == alone.union(*(expected.validated for expected in PLAYBOOKS.values()))


def test_awx_is_set_up_by_a_job(controller: Controller, admin_key: str) -> None:
    more = controller.folder / "more"
    copy_collection("awx.awx", more)
    given = {
        "rackyard_awx_project_url": "https://git.example.org/site.git",
        "rackyard_awx_image": "example.org/rackyard:1",
    }
    with standing_in() as (address, store):
        job = replace(controller, more_collections=(more,)).run(
            "rackyard.metal.awx",
            variables=json.dumps(given),
            environment={
                "CONTROLLER_HOST": address,
                "CONTROLLER_OAUTH_TOKEN": "token",
                "RACKYARD_URL": "https://region.example.org/MAAS",
                "RACKYARD_API_KEY": admin_key,
            },
        )
    assert job.status == 0, job.stdout
    playbooks = {Path(item["playbook"]).stem for item in store.objects["job_templates"]}
    assert playbooks == {"machines", "commission", "tag", "ready", "power", "site"}
