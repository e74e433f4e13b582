# SPDX-License-Identifier: GPL-3.0-or-later
"""A site whose database has members is restored from a backup, in place of what they have, and on hosts that have
nothing. Racks live on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from gaps import waited_for
from ha_site import HOSTS, INVENTORY, MEMBERS, RACKS, HaLab
from lab_site import ROOT, eventually, recap

from rackyard_core import archive

IDENTITY = "/var/lib/rackyard/rack/identity"
OVER_DATA = ("-e", '{"rackyard_restore_over_data": true}')
# Since when processes of regions, Patroni and PostgreSQL run, and by which keys.
RUNNING = r"""
systemctl show --property=Id,ActiveState,ActiveEnterTimestampMonotonic 'rackyard-region*' etcd 'patroni@*' | grep .
sha256sum /etc/rackyard/*.key /etc/rackyard/tls/* /etc/rackyard/etcd/* /etc/patroni/* 2>/dev/null
true
"""
KILLED = 2


@pytest.fixture(scope="module")
def saved(lab: HaLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the site, with what machines boot: the lab's hosts lose that too."""
    folder = tmp_path_factory.mktemp("archives")
    wanted = json.dumps({"rackyard_backup_dir": str(folder), "rackyard_backup_images": True})
    lab.playbook("backup", "-e", wanted, inventory=INVENTORY)
    (path,) = folder.glob("rackyard-*.tar")
    return path


def restore(lab: HaLab, path: Path, *words: str, check: bool = True) -> str:
    """What `restore.yml` says."""
    given = ("-e", f"rackyard_restore_archive={path}", *words)
    return lab.playbook("restore", *given, inventory=INVENTORY, check=check)


def in_one_line(output: str) -> str:
    """Ansible breaks long messages."""
    return " ".join(output.split())


def known(lab: HaLab) -> dict[str, Any]:
    """Of the site, what its operator has said, and by which ids machines and racks go."""
    region = lab.region()
    return {
        "machines": {each["hostname"]: (each["system_id"], each["power_type"]) for each in region.get("machines/")},
        "subnets": sorted((each["cidr"], each["id"]) for each in region.get("subnets/")),
        "racks": {each["hostname"]: each["system_id"] for each in region.get("rackcontrollers/")},
    }


def certificates(lab: HaLab) -> dict[str, str]:
    """The racks' certificates; one that is enrolled anew has another one."""
    return {rack: lab.ssh(rack, f"sha256sum < {IDENTITY}/rack.crt") for rack in RACKS}


def running(lab: HaLab) -> dict[str, str]:
    """What runs on the members, since when, and with which keys."""
    return {host: lab.ssh(host, RUNNING) for host in MEMBERS}


def of_another_authority(path: Path, folder: Path) -> Path:
    """The same backup, as a site would have it that has other keys."""
    sources: dict[str, Path] = {}
    manifest = archive.verify(path)
    for number, member in enumerate(manifest.members):
        sources[member.path] = folder / str(number)
        archive.extract(path, member.path, sources[member.path])
    key, certificate = (str(sources[f"{archive.KEYS}tls/{name}"]) for name in ("ca.key", "ca.crt"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9",
         "-subj", "/CN=Another authority", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    archive.write(folder / "another.tar", manifest.facts, sources)
    return folder / "another.tar"


def assert_whole_again(lab: HaLab, before: dict[str, Any], kept: dict[str, str]) -> dict[str, float]:
    """Run `site.yml`, and hold that the site is what it was, with racks that nobody enrolled. Seconds that it took."""
    began = time.monotonic()
    lab.playbook("site", inventory=INVENTORY)
    took = {"site.yml": time.monotonic() - began}
    took["then, until racks were alive"] = waited_for("racks are alive", lambda: lab.alive(*RACKS), within_s=120)
    assert known(lab) == before
    assert certificates(lab) == kept
    again = recap(lab.playbook("site", inventory=INVENTORY))
    assert {host: again[host]["changed"] for host in HOSTS} == dict.fromkeys(HOSTS, 0)
    assert eventually(lambda: following(lab) == set(MEMBERS) - {lab.leader()}, within_s=60)
    return took


def following(lab: HaLab) -> set[str]:
    """Members to whom the one that takes writes sends them."""
    return set(lab.psql("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'"))


def test_keys_of_another_authority_are_refused_where_members_run(lab: HaLab, saved: Path, tmp_path: Path) -> None:
    another = of_another_authority(saved, tmp_path)
    before = running(lab)
    refused = in_one_line(restore(lab, another, *OVER_DATA, check=False))
    for member in MEMBERS:
        assert f"{member} is a member of a database whose certificates are of another authority" in refused
    assert '"rackyard_remove": ["region1", "region2", "witness1"], "rackyard_remove_data": true' in refused
    assert running(lab) == before, "something was touched"


def test_members_that_run_have_what_the_backup_has(lab: HaLab, saved: Path) -> None:
    before, kept = known(lab), certificates(lab)
    lab.psql("INSERT INTO machine (system_id, hostname) VALUES ('zzzzzz', 'later')")
    ran = running(lab)
    refused = in_one_line(restore(lab, saved, check=False))
    assert "racks and 3 subnets would be lost" in refused
    told = in_one_line(restore(lab, saved, *OVER_DATA, "--check"))
    assert "Would restore" in told
    assert "in place of" in told
    assert running(lab) == ran, "a refusal or check mode has touched something"

    began = time.monotonic()
    restore(lab, saved, *OVER_DATA)
    took = {"restore.yml": time.monotonic() - began}
    took |= assert_whole_again(lab, before, kept)
    lab.note("restore-over-data", "a backup restored over the data of members that run", "what came after it", took)


def test_a_site_is_restored_when_all_regions_and_members_have_lost_their_disks(lab: HaLab, saved: Path) -> None:
    before, kept = known(lab), certificates(lab)
    began = time.monotonic()
    lab.new_disks(*MEMBERS)
    took = {"disks were lost after": time.monotonic() - began}
    told = restore(lab, saved, "--check")
    assert "Would restore" in told
    changes = {host: recap(told)[host]["changed"] for host in MEMBERS}
    assert min(changes.values()) > 3, f"check mode must say what would change: {changes}"
    there = [lab.ssh(host, "ls -d /etc/rackyard /var/lib/etcd/rackyard 2>/dev/null; true") for host in MEMBERS]
    assert not any(there), "check mode changes nothing"
    lab.ssh("region2", "mkdir -p /etc/rackyard/tls; echo of another site > /etc/rackyard/tls/ca.crt")
    refused = in_one_line(restore(lab, saved, check=False))
    assert "region2 has a certificate authority that is not that of the backup" in refused
    lab.ssh("region2", "rm -r /etc/rackyard")

    seed = int(os.environ.get("RACKYARD_FAULTS_SEED") or random.SystemRandom().randrange(10_000))
    dice = random.Random(seed)
    moments = [round(dice.uniform(10, 90), 1) for _run in range(KILLED)]
    command = ["ansible-playbook", "-i", str(ROOT / INVENTORY), str(ROOT / "playbooks/restore.yml")]
    for number, seconds in enumerate(moments):
        with (lab.work / f"restore-killed-{number}.log").open("wb") as said:
            run = subprocess.Popen(
                [*command, "-e", f"rackyard_restore_archive={saved}"],
                cwd=ROOT, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
        time.sleep(seconds)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()

    began = time.monotonic()
    restore(lab, saved)
    took["restore.yml"] = time.monotonic() - began
    again = restore(lab, saved)
    assert "as it was before" in in_one_line(again)
    # The region's configuration waits for site.yml to start what uses it, and says so.
    changes = {host: recap(again)[host]["changed"] for host in MEMBERS}
    assert changes == dict.fromkeys(MEMBERS, 0) | {"region1": 1}
    took |= assert_whole_again(lab, before, kept)
    refused = in_one_line(restore(lab, saved, check=False))
    assert "racks and 3 subnets would be lost" in refused, "regions have worked with it since"
    times = ", ".join(f"{each} s" for each in moments)
    fault = f"disks of all members, restore.yml killed after {times} (RACKYARD_FAULTS_SEED={seed})"
    lab.note("restore-disks", fault, "what came after the backup", took)
