# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's scenarios: every role that does something on a host has one, and where they run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests import scenarios

ROOT = Path(__file__).resolve().parents[3]
# What all roles of daemons are made of does nothing by itself; each of their scenarios proves it. The lab's roles make
# the hosts.
WITHOUT = {"daemon", "lab_hosts", "lab_machines", "lab_network"}
SHARED = [name for row in scenarios.ROWS for name in row]


def roles() -> set[str]:
    return {path.parent.parent.name for path in ROOT.glob("roles/*/meta/main.yml")}


def test_roles_have_a_scenario_that_asks_their_daemon() -> None:
    assert sorted(SHARED) == sorted(roles() - WITHOUT)
    assert not [name for name in SHARED if not (ROOT / "molecule" / name / "verify.yml").exists()]
    assert {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")} == {*SHARED, *scenarios.OWN_HOSTS}


def test_every_scenario_of_a_role_does_harm() -> None:
    """By what it names for the common playbook, or by a playbook of its own."""
    harmless = []
    for name in SHARED:
        scenario = yaml.safe_load((ROOT / "molecule" / name / "molecule.yml").read_text(encoding="utf-8"))
        named = scenario["provisioner"]["inventory"]["group_vars"]["pair"]
        if "molecule_files" not in named and not (ROOT / "molecule" / name / "side_effect.yml").exists():
            harmless.append(name)
    assert not harmless


def test_rows_share_a_pair_each_and_a_site_has_its_own_hosts() -> None:
    rows = scenarios.rows_of(["dhcp", "dns", "site"], "", kept=False)
    assert [(row.names, row.pair) for row in rows] == [(["dns", "dhcp"], scenarios.PAIRS[0]), (["site"], "")]
    assert all(row.makes_hosts and row.removes_hosts for row in rows)
    assert [row.pair for row in scenarios.rows_of(["--all"], "", kept=False)] == [*scenarios.PAIRS, ""]


def test_every_scenario_has_its_day() -> None:
    days = [scenarios.of_day(day) for day in range(739_000, 739_008)]
    assert {name for day in days for name in day} == set(scenarios.ALL)
    assert {len(day) for day in days} == {5}


def test_hosts_that_stay_are_one_pair() -> None:
    (made,) = scenarios.rows_of(["ntp", "http", "--keep"], "", kept=False)
    assert (made.names, made.makes_hosts, made.removes_hosts) == (["ntp", "http"], True, False)
    (used,) = scenarios.rows_of(["ntp"], "", kept=True)
    assert (used.pair, used.makes_hosts, used.removes_hosts) == (scenarios.PAIRS[0], False, False)


def test_hosts_of_somebody_else_are_neither_made_nor_removed() -> None:
    (row,) = scenarios.rows_of([], "/home/me/inventory.yml", kept=False)
    assert (row.pair, row.makes_hosts, row.removes_hosts) == ("/home/me/inventory.yml", False, False)
    assert row.names == SHARED
    with pytest.raises(scenarios.Misuse, match="site run on hosts of the lab only"):
        scenarios.rows_of(["site"], "/home/me/inventory.yml", kept=False)


def test_a_name_that_is_none_is_told_the_others() -> None:
    with pytest.raises(scenarios.Misuse, match="no scenario nptd; there are: ntp, tftp"):
        scenarios.rows_of(["nptd"], "", kept=False)


def test_failure_says_in_which_step_and_what_was_not_idle(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "\x1b[31mERROR\x1b[0m   \x1b[32mntp\x1b[0m ➜ \x1b[33midempotence\x1b[0m: Executed: Failed\n"
        "Idempotence test failed because of the following tasks:\n* [mol-12] => ntp : Write it\n",
        encoding="utf-8",
    )
    assert scenarios.failure(log) == "in idempotence: [mol-12] => ntp : Write it"
    log.write_text("fatal: [one]: UNREACHABLE! =>\nERROR ntp ➜ prepare: Executed: Failed\n", encoding="utf-8")
    assert scenarios.failure(log) == "in prepare: one is unreachable"
    assert scenarios.failure(tmp_path / "missing") == ""
