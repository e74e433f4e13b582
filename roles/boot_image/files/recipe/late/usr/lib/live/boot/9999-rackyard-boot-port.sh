#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# live-boot probes every port for six seconds and more, even if the boot loader has named the one to use.
# Sourced after its own functions, this replaces that search when BOOTIF is known; a switch port that is slow to
# forward gets 30 s. Without BOOTIF, or when no port has that MAC, the original search runs.
eval "$(sed -n '/^Select_eth_device ()/,/^}/p' /lib/live/boot/9990-select-eth-device.sh |
    sed '1s/Select_eth_device/Rackyard_search_all_ports/')"

Select_eth_device ()
{
	if [ -z "${FETCH}" ] || [ -z "${BOOTIF}" ]
	then
		Rackyard_search_all_ports
		return
	fi

	modprobe -q af_packet
	udevadm trigger
	udevadm settle
	Device_from_bootif
	if [ -z "${DEVICE}" ]
	then
		echo "No port has the MAC of BOOTIF=${BOOTIF}: searching all of them."
		Rackyard_search_all_ports
		return
	fi

	ip link set "${DEVICE}" up
	for step in $(seq 1 300)
	do
		[ "$(cat "/sys/class/net/${DEVICE}/carrier" 2>/dev/null)" = 1 ] && break
		sleep 0.1
	done
	echo "Booting from port ${DEVICE} (${BOOTIF}), link after about $((step / 10)) s."
	echo "DEVICE=${DEVICE}" >> /conf/param.conf
}
