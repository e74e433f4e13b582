-- SPDX-License-Identifier: GPL-3.0-or-later
-- Subnets behind a router whose relay agent brings their DHCP to racks; and which racks serve which subnet.

ALTER TABLE vlan ADD COLUMN relay_vlan_id bigint CONSTRAINT vlan_relay_fkey REFERENCES vlan;
ALTER TABLE vlan ADD CONSTRAINT vlan_relay_elsewhere CHECK (relay_vlan_id <> id);
ALTER TABLE vlan ADD CONSTRAINT vlan_dhcp_or_relay CHECK (NOT dhcp_on OR relay_vlan_id IS NULL);

CREATE VIEW rack_subnet AS
SELECT rack_interface.rack_id, subnet.id AS subnet_id, host(rack_interface.address)::inet AS address, false AS relayed
FROM rack_interface JOIN subnet ON subnet.cidr >>= host(rack_interface.address)::inet
UNION
SELECT rack_interface.rack_id, subnet.id, host(rack_interface.address)::inet, true
FROM subnet
JOIN vlan ON vlan.id = subnet.vlan_id
JOIN subnet AS near ON near.vlan_id = vlan.relay_vlan_id AND family(near.cidr) = family(subnet.cidr)
JOIN rack_interface ON near.cidr >>= host(rack_interface.address)::inet
WHERE NOT EXISTS (SELECT FROM rack_interface AS own
                  WHERE own.rack_id = rack_interface.rack_id AND host(own.address)::inet <<= subnet.cidr);
