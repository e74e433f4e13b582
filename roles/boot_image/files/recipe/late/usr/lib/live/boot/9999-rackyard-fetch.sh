#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# live-boot fetches its system with busybox' wget, which waits for ever on a server that lost power, and gives up at one that is not there.
# Sourced after its own functions, this goes on where the transfer stopped, at the next rack: DHCP names racks first among the name servers.
# What no rack has given after some rounds ends as ever, and with panic= on the kernel line the machine boots again.
# Functions are subshells here, so that none of their variables is live-boot's.
RACKYARD_QUIET_S=10
RACKYARD_ROUNDS=6

# wget URL -O FILE, which continues FILE, and is ended once nothing has come for one to two times that quiet time.
Rackyard_fetch ()
(
	command wget -c "${1}" -O "${2}" &
	fetching=${!}
	(
		before=-1
		size="$(stat -c %s "${2}" 2>/dev/null || echo 0)"
		while [ "${size}" != "${before}" ]
		do
			before="${size}"
			sleep "${RACKYARD_QUIET_S}"
			size="$(stat -c %s "${2}" 2>/dev/null || echo 0)"
		done
		kill "${fetching}"
	) 2>/dev/null &
	watching=${!}
	wait "${fetching}"
	ended=${?}
	kill "${watching}" 2>/dev/null
	exit "${ended}"
)

wget ()
(
	if [ "${#}" != 3 ] || [ "${2}" != -O ] || [ -z "${FETCH}" ]
	then
		command wget "${@}"
		exit
	fi

	address="${1#http://}"
	path="${address#*/}"
	address="${address%%/*}"
	port="${address##*:}"
	address="${address%:*}"
	for round in $(seq "${RACKYARD_ROUNDS}")
	do
		before=
		for rack in "${address}" "${IPV4DNS0}" "${IPV4DNS1}"
		do
			case "${rack}" in
				''|0.0.0.0) continue ;;
			esac
			# The one that was asked first is among the name servers.
			[ "${rack}" != "${before}" ] || continue
			before="${rack}"
			Rackyard_fetch "http://${rack}:${port}/${path}" "${3}" && exit 0
			echo "rackyard: ${rack} did not give all of the system (round ${round}); asking the next rack"
		done
		sleep 2
	done
	exit 1
)
