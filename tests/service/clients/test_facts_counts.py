# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/clients.md says as many checks as there are; those of the two programs are counted where these are run."""

from __future__ import annotations

from collections import Counter

from tests.service.clients import test_facts_ansible, test_facts_cli, test_facts_terraform, test_terraform
from tests.service.clients.replay import WORKS, documented


def test_table_of_the_docs_has_the_checks_that_there_are() -> None:
    cli = Counter(check.later for check in test_facts_cli.LATER) + Counter({WORKS: len(test_facts_cli.COMMANDS)})
    ansible, terraform = (
        Counter(check.later or WORKS for check in checks)
        for checks in (test_facts_ansible.CHECKS, test_facts_terraform.CHECKS)
    )
    # Each resource is made, read, changed and destroyed.
    terraform[WORKS] += 4 * len(test_terraform.LIVES)
    assert cli == documented("`maas` command line")
    assert ansible == documented("Ansible `maas.maas`")
    assert terraform == documented("terraform-provider-maas")
