-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.macs.is_known
-- Whether a machine, a device or an enrolled rack has a NIC of this MAC.
SELECT EXISTS (SELECT FROM machine_interface WHERE mac = %(mac)s::macaddr)
    OR EXISTS (SELECT FROM device_interface WHERE mac = %(mac)s::macaddr)
    OR EXISTS (SELECT FROM rack_interface JOIN rack ON rack.id = rack_id
               WHERE mac = %(mac)s::macaddr AND revoked_at IS NULL) AS is_known;
