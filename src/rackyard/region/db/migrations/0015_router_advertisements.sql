-- SPDX-License-Identifier: GPL-3.0-or-later
-- Subnets of IPv6 in which no router says that addresses come by DHCP: their racks do.

ALTER TABLE subnet ADD COLUMN router_advertisements boolean NOT NULL DEFAULT false;
