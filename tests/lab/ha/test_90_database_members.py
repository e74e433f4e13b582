# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of the database leave and come back, with an empty disk too; those that stay go on."""

from __future__ import annotations

import time

from ha_site import INVENTORY, HaLab
from lab_site import eventually, recap

GONE = "witness1"
ETCDCTL = (
    "ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/rackyard/etcd/ca.crt "
    "--cert=/etc/rackyard/etcd/etcd.crt --key=/etc/rackyard/etcd/etcd.key member list"
)
# Whatever is Rackyard's or the database's; the lab's own files are neither.
LEFT = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /root/.ansible \) -prune -o -iname '*rackyard*' -print
find /run -iname '*rackyard*'; grep -rl 'rackyard[.]metal' /etc; nft list tables | grep rackyard
ls -d /var/lib/etcd/rackyard /var/lib/postgresql/15/main /etc/patroni/15-main.yml
systemctl is-active patroni@15-main etcd | grep -x active
true
"""


def in_etcd(lab: HaLab) -> dict[str, str]:
    """The members of etcd and whether they have started."""
    rows = [line.split(", ") for line in lab.ssh("region1", ETCDCTL).splitlines()]
    return {row[2]: row[1] for row in rows}


def following(lab: HaLab, host: str) -> bool:
    """Whether the member that takes writes sends them to this one."""
    rows = lab.psql("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'")
    return host in rows


def marks(lab: HaLab, host: str) -> str:
    """How many rows of the test a member has."""
    command = "cd /; runuser -u postgres -- psql -XAtq rackyard -c 'SELECT count(*) FROM member_marks'"
    return lab.ssh(host, command, check=False).strip()


def test_a_member_leaves_and_comes_back_and_another_one_loses_its_disk(lab: HaLab) -> None:
    lab.psql("CREATE TABLE member_marks AS SELECT 1 AS mark")
    leaving = ("-e", f'{{"rackyard_remove": ["{GONE}"], "rackyard_remove_data": true}}')
    told = lab.playbook("remove", *leaving, "--check", inventory=INVENTORY)
    assert f"member {GONE} of etcd" in told
    assert "cluster 15/main of PostgreSQL" in told
    assert in_etcd(lab) == dict.fromkeys(("region1", "region2", GONE), "started"), "check mode changes nothing"

    lab.playbook("remove", *leaving, inventory=INVENTORY)
    assert in_etcd(lab) == dict.fromkeys(("region1", "region2"), "started")
    assert lab.ssh(GONE, LEFT).split() == []
    lab.psql("INSERT INTO member_marks VALUES (2)")
    again = recap(lab.playbook("remove", *leaving, inventory=INVENTORY))
    assert (again[GONE]["failed"], again[GONE]["changed"]) == (0, 0)

    both = '{"rackyard_remove": ["region1", "region2"]}'
    refused = lab.playbook("remove", "-e", both, inventory=INVENTORY, check=False)
    assert "would not go on without region1, region2" in " ".join(refused.split())
    assert set(in_etcd(lab)) == {"region1", "region2"}

    lab.playbook("site", inventory=INVENTORY)
    assert eventually(lambda: following(lab, GONE), within_s=60)
    assert marks(lab, GONE) == "2"

    began = time.monotonic()
    lab.new_disks(GONE)
    lab.psql("INSERT INTO member_marks VALUES (3)")
    untouched = recap(lab.playbook("database", "--check", inventory=INVENTORY))
    assert untouched[GONE]["failed"] == 0
    assert untouched[GONE]["changed"] > 5, "check mode must say what would change"
    assert lab.ssh(GONE, LEFT).split() == []
    lab.playbook("site", inventory=INVENTORY)
    assert eventually(lambda: following(lab, GONE), within_s=60)
    assert marks(lab, GONE) == "3"
    assert in_etcd(lab) == dict.fromkeys(("region1", "region2", GONE), "started")
    seconds = {"whole after": time.monotonic() - began}
    lab.note("member-disk", f"disk of {GONE}, a member of the database", "nothing", seconds)
    lab.psql("DROP TABLE member_marks")
    assert recap(lab.playbook("site", inventory=INVENTORY))[GONE]["changed"] == 0
