# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where PostgreSQL's refusals become errors of the region.

Services look first, so that they can name the other object; these answers are for two requests at the same moment.
"""

from __future__ import annotations

import psycopg2
from psycopg2 import errorcodes

from rackyard.region.errors import BadRequest, Conflict, Invalid, RackyardError, Unavailable

_FIELDS = {
    "account_username_key": ("username", "An account with this name exists already; choose another name."),
    "account_username_form": ("username", "Use letters, digits and @ . + - _ only."),
    "ssh_key_once": ("key", "This account has the key already; nothing has to be done."),
    "fabric_name_key": ("name", "A fabric with this name exists already; choose another name."),
    "space_name_key": ("name", "A space with this name exists already; choose another name."),
    "vlan_fabric_vid_key": ("vid", "This VID exists already in that fabric; change that VLAN instead."),
    "vlan_vid_range": ("vid", "A VID is a number from 0 to 4094."),
    "vlan_mtu_range": ("mtu", "An MTU is a number from 552 to 65535."),
    "vlan_two_racks": ("secondary_rack", "The two racks of a VLAN must be different; name another one."),
    "vlan_relay_elsewhere": ("relay_vlan", "A VLAN cannot be relayed to itself; name the VLAN that the racks are in."),
    "vlan_dhcp_or_relay": (
        "relay_vlan",
        "DHCP on a VLAN comes from racks in it (dhcp_on) or through a relay (relay_vlan), not both; set dhcp_on=false, "
        "or relay_vlan to nothing.",
    ),
    "subnet_name_key": ("name", "A subnet with this name exists already; choose another name."),
    "subnet_cidr_key": ("cidr", "A subnet with this CIDR exists already; change that subnet instead."),
    "subnet_cidr_overlap": ("cidr", "This CIDR overlaps another subnet; choose one that does not."),
    "static_route_key": ("gateway_ip", "This route exists already; change that route instead."),
    "static_route_elsewhere": ("destination", "A route leads to another subnet than its source; name that one."),
    "static_route_metric_range": ("metric", "A metric is a number from 0."),
    "dhcp_snippet_name_key": ("name", "A DHCP snippet with this name exists already; choose another name."),
    "ip_range_overlap": ("start_ip", "The range overlaps another range; choose addresses that do not."),
    "ip_range_order": ("end_ip", "The end address must not be below the start address."),
    "ip_range_type": ("type", "The type is dynamic or reserved."),
    "interface_link_ip_key": ("ip_address", "Somebody got this address at this moment; give another one."),
    "reserved_address_mac_key": ("mac", "DHCP gives this MAC an address there already; have that released first."),
    "reserved_address_hostname_form": ("hostname", "The hostname breaks RFC 1123; use letters, digits, inner hyphens."),
    "machine_interface_mtu_range": ("mtu", "An MTU is a number from 552 to 65535."),
    "domain_name_key": ("name", "A domain with this name exists already; change that domain instead."),
    "dns_resource_name_key": ("name", "This DNS name exists already; change that one instead."),
    "dns_record_key": ("rrdata", "The DNS name has this record already."),
    "user_group_name_key": ("name", "A user group with this name exists already; choose another name."),
    "zone_name_key": ("name", "A zone with this name exists already; choose another name."),
    "resource_pool_name_key": ("name", "A resource pool with this name exists already; choose another name."),
    "tag_name_key": ("name", "A tag with this name exists already; choose another name."),
    "machine_hostname_key": ("hostname", "A machine with this hostname exists already; choose another hostname."),
    "machine_hostname_form": ("hostname", "The hostname breaks RFC 1123; use letters, digits and inner hyphens."),
    "machine_interface_mac_key": ("mac_addresses", "A MAC already belongs to another machine; give another MAC."),
    "package_repository_name_key": ("name", "A package repository with this name exists already; change that one."),
    "script_name_key": ("name", "A script with this name exists already; change that one instead."),
    "notification_ident_key": ("ident", "A notification with this ident exists already; change that one instead."),
    "device_hostname_key": ("hostname", "A device with this hostname exists already; choose another hostname."),
    "device_hostname_form": ("hostname", "The hostname breaks RFC 1123; use letters, digits and inner hyphens."),
    "device_interface_mac_key": ("mac_addresses", "A MAC already belongs to another device; give another MAC."),
    "device_interface_name_key": ("name", "The device has an interface of this name already; choose another name."),
    "machine_bmc_key": ("power_parameters", "Another machine uses this BMC address; give another address."),
}

_CONFLICTS = {
    "vlan_fabric_fkey": "The fabric still has VLANs or does not exist; delete its VLANs first.",
    "vlan_relay_fkey": "Other VLANs are relayed to the VLAN, or it does not exist; set their relay_vlan first.",
    "vlan_space_fkey": "The space is gone; list the spaces with GET spaces/ and name another one.",
    "subnet_vlan_fkey": "The VLAN still has subnets or does not exist; delete its subnets first.",
    "static_route_source_fkey": "The route's source is gone; list the subnets and name another one.",
    "static_route_destination_fkey": "The route's destination is gone; list the subnets and name another one.",
    "dhcp_snippet_machine_fkey": "The machine was deleted at this moment; name another one.",
    "dhcp_check_rack_fkey": "A rack was removed at this moment; try again.",
    "interface_link_subnet_fkey": "The subnet is gone, or something is linked to it; list the subnets and try again.",
    "reserved_address_ip_key": "Somebody reserved this address at this moment; give another one.",
    "reserved_address_subnet_fkey": "The subnet is gone, or addresses of it are reserved; list them and try again.",
    "reserved_address_account_fkey": "The account was removed, or reserved an address, at this moment; try again.",
    "reserved_address_domain_fkey": "The domain was deleted, or got a reserved address, at this moment; try again.",
    "notification_dismissal_fkey": "The notification was deleted meanwhile.",
    "stored_file_key_key": "Two files drew the same key; try again.",
    "device_system_id_key": "Two objects drew the same identifier; try again.",
    "device_zone_fkey": "The zone was deleted, or got a device, at this moment; try again.",
    "rack_zone_fkey": "The zone was deleted, or got a rack, at this moment; try again.",
    "region_zone_fkey": "The zone was deleted, or got a region, at this moment; try again.",
    "device_domain_fkey": "The domain was deleted, or got a device, at this moment; try again.",
    "device_parent_fkey": "The parent was deleted at this moment; try again.",
    "device_tag_device_fkey": "A device was deleted meanwhile; leave it out and try again.",
    "machine_zone_fkey": "The zone was deleted, or got a machine, at this moment; try again.",
    "machine_pool_fkey": "The resource pool was deleted, or got a machine, at this moment; try again.",
    "role_grant_pool_fkey": "The resource pool was deleted at this moment; name another one.",
    "user_group_member_account_fkey": "An account was removed at this moment; leave it out and try again.",
    "machine_tag_machine_fkey": "A machine was deleted meanwhile; leave it out and try again.",
    "machine_system_id_key": "Two objects drew the same identifier; try again.",
    "rack_system_id_key": "Two objects drew the same identifier; try again.",
    "rack_hostname_key": "A rack with this hostname is enrolled already; revoke it first or give another name.",
    "enroll_token_secret_key": "Two tokens drew the same secret; try again.",
    "image_manifest_key": "This image is registered already.",
}

_RETRY = {errorcodes.SERIALIZATION_FAILURE, errorcodes.DEADLOCK_DETECTED, errorcodes.LOCK_NOT_AVAILABLE}


def domain_error(error: psycopg2.Error) -> RackyardError | None:
    """The region's error for PostgreSQL's, or None when it is a fault of ours and should stay loud."""
    if error.pgcode in _RETRY:
        return Unavailable("Two changes met each other; try again.")
    if error.pgcode == errorcodes.QUERY_CANCELED:
        return Unavailable("The database took too long over this, and nothing was changed; try again later.")
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return Unavailable("The region's PostgreSQL does not answer; check postgresql.service on the database host.")
    if error.pgcode == errorcodes.UNDEFINED_TABLE:
        return Unavailable("The database has no Rackyard schema yet; run `rackyard-region migrate`.")
    if isinstance(error, psycopg2.DataError):
        return BadRequest(f"A value that was sent cannot be stored: {error.diag.message_primary}.")
    constraint = error.diag.constraint_name or ""
    if constraint in _FIELDS:
        return Invalid.field(*_FIELDS[constraint])
    if constraint in _CONFLICTS:
        return Conflict(_CONFLICTS[constraint])
    return None
