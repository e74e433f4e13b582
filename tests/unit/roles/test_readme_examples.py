# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the roles' READMEs: ansible-core itself reads them and judges their variables, without our playbooks.

Molecule's scenario `readme` runs them on hosts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests import readme_examples

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = readme_examples.all_examples()
NAMES = [example.name for example in EXAMPLES]


@dataclass(frozen=True)
class Run:
    """What one run of all examples said."""

    words: str

    def failure(self, host: str) -> str:
        """Why a host failed, empty when it did not."""
        found = re.search(rf"^fatal: \[{host}\].*?(?=^TASK|^PLAY)", self.words, flags=re.MULTILINE | re.DOTALL)
        return found.group(0) if found else ""

    def done(self, host: str) -> int:
        """Tasks that succeeded: the judgement of each role's variables."""
        found = re.search(rf"^{host} +: ok=(\d+)", self.words, flags=re.MULTILINE)
        return int(found.group(1)) if found else 0


def judge(folder: Path, plays: list[dict[str, object]], hosts: list[str]) -> Run:
    """Run plays up to the judgement of their variables; nothing is done to this machine."""
    (folder / "play.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
    (folder / "hosts").write_text("".join(f"{host} ansible_connection=local\n" for host in hosts))
    (folder / "ansible.cfg").write_text(
        f"[defaults]\ncollections_path = {ROOT / 'collections'}\ngathering = explicit\n"
    )
    # No task has this tag, so that only the judgement runs, and what runs always: that finds all packages, unasked.
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts", "--check", "--tags", "judgement"]
    variables: dict[str, object] = {"ansible_become": False, "ansible_python_interpreter": sys.executable}
    variables |= {"__daemon_installed": [], "__daemon_missing": [], "m9_bmc_password": "a secret of the reader's"}
    command += ["-e", json.dumps(variables), "play.yml"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Run(done.stdout + done.stderr)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    plays = [play for example in EXAMPLES for play in example.plays(example.name)]
    return judge(tmp_path_factory.mktemp("examples"), plays, NAMES)


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_an_example_satisfies_the_specifications_of_its_roles(run: Run, example: readme_examples.Example) -> None:
    assert not run.failure(example.name)
    assert run.done(example.name) >= 1, run.words[-3000:]


def test_a_wrong_variable_is_refused(tmp_path: Path) -> None:
    """The test above can fail."""
    role = {"role": "rackyard.metal.dhcp", "vars": {"dhcp_lease_s": "a while"}}
    run = judge(tmp_path, [{"hosts": "rack", "gather_facts": False, "roles": [role]}], ["rack"])
    assert "dhcp_lease_s" in run.failure("rack")


def test_every_role_has_two_examples() -> None:
    few = [
        path.parent.parent.name
        for path in ROOT.glob("roles/*/meta/argument_specs.yml")
        if len(readme_examples.examples_of(path.parent.parent.name)) < 2
        and not path.parent.parent.name.startswith("lab_")
    ]
    assert not few


def test_molecule_has_a_host_for_each_example_that_it_runs() -> None:
    chosen = [example for role in readme_examples.ON_HOSTS for example in readme_examples.examples_of(role)]
    assert {example.host for example in chosen} == set(readme_examples.lab_addresses())
    left_out = {example.role for example in EXAMPLES} - set(readme_examples.ON_HOSTS)
    assert left_out == {"boot_image", "lab_hosts", "lab_machines", "lab_network"}
