# SPDX-License-Identifier: GPL-3.0-or-later
"""Rackyard leaves its hosts, and nothing of it stays; what others put there does."""

from __future__ import annotations

from lab_site import Lab, recap

HOSTS = ("region1", "rack1")
# Whatever has the name, or says that it is Rackyard's. The lab's own files are not Rackyard's.
LEFT = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /root/.ansible \) -prune -o -iname '*rackyard*' -print
find /run -iname '*rackyard*'
grep -rl 'rackyard[.]metal' /etc
getent passwd rackyard rackyard-web; getent group rackyard rackyard-web rackyard-ca
nft list tables | grep rackyard
systemctl list-units --all --plain --no-legend 'rackyard*'
runuser -u postgres -- psql -qAt -c "SELECT datname FROM pg_database WHERE datname = 'rackyard'" 2>/dev/null
true
"""
STAYS = "systemctl is-active rsyslog nginx; systemctl is-active named squid; head -c 400 /etc/bind/named.conf"


def test_removed_hosts_have_nothing_of_it_left_and_run_on(lab: Lab) -> None:
    mark = "local all nobody reject # of somebody else"
    lab.ssh("region1", f"echo '{mark}' >> /etc/postgresql/15/main/pg_hba.conf")
    told = lab.playbook("remove", "-e", '{"rackyard_remove": ["region1", "rack1"], "rackyard_remove_data": true}')
    assert "/etc/bind/named.conf as it was before" in told
    assert {host: recap(told)[host]["failed"] for host in HOSTS} == dict.fromkeys(HOSTS, 0)
    for host in HOSTS:
        assert lab.ssh(host, LEFT).split() == []
        states = lab.ssh(host, STAYS, check=False).split("\n", 4)
        assert states[:4] == ["active", "active", "inactive", "inactive"], host
        assert "rackyard" not in states[4]
    assert mark in lab.ssh("region1", "cat /etc/postgresql/15/main/pg_hba.conf")
