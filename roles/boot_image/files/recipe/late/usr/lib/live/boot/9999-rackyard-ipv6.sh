#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# live-boot sets a port up with klibc's ipconfig, which knows IPv4 only. A machine that booted by IPv6 has an address already, which the rack's
# dhcpd gave to its firmware: the kernel line says which (rackyard.address6=ADDRESS/LENGTH), and until the system runs it is good.
# Sourced after live-boot's own functions; without that word its own way is taken.
eval "$(sed -n '/^do_netsetup ()/,/^}/p' /lib/live/boot/9990-networking.sh |
    sed '1s/do_netsetup/Rackyard_netsetup_by_ipv4/')"

do_netsetup ()
{
	rackyard_address="$(echo "${LIVE_BOOT_CMDLINE}" | sed -n 's/.*rackyard[.]address6=\([0-9a-f:]*\/[0-9]*\).*/\1/p')"
	if [ -z "${rackyard_address}" ] || [ -z "${DEVICE}" ]
	then
		Rackyard_netsetup_by_ipv4
		return
	fi

	# Nobody else has it, says the lease: nothing to wait for.
	echo 0 >"/proc/sys/net/ipv6/conf/${DEVICE}/accept_dad"
	ip link set "${DEVICE}" up
	ip -6 address add "${rackyard_address}" dev "${DEVICE}"
	echo "Booting by IPv6 at ${rackyard_address} on ${DEVICE}."
	# The rack that gives the system resolves names; DHCP says later who else does.
	rackyard_rack="${FETCH#http://\[}"
	echo "nameserver ${rackyard_rack%%\]*}" >/etc/resolv.conf
}
