#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Kills units of systemd, all of their processes at once, and waits until each runs again, by other processes.
# kill_units.sh UNIT...
set -eu

main_process() { systemctl show --property=MainPID --value "$1" | grep -v '^$'; }

for unit; do
    systemctl is-active --quiet "$unit" || { echo "$unit does not run" >&2; exit 1; }
    before=$(main_process "$unit")
    systemctl kill --signal=KILL "$unit"
    tries=0
    until systemctl is-active --quiet "$unit" && [ "$(main_process "$unit")" != "$before" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { systemctl --no-pager status "$unit" >&2; echo "$unit was killed, and did not run again within 20 s" >&2; exit 1; }
        sleep 0.2
    done
done
