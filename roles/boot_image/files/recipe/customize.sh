#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# mmdebstrap customize hook: turns the installed tree ($1) into the ephemeral system. RECIPE is this folder.
set -eu
root=$1
RECIPE=$(dirname "$0")
say() { echo "image: $*" >&2; }

say "copying the settings"
cp -a --no-preserve=ownership "$RECIPE/late/." "$root/"

say "masking units that nobody waits for"
suite=$(sed -n 's/^VERSION_CODENAME=//p' "$root/etc/os-release")
for list in "$RECIPE/masked-units.txt" "$RECIPE/masked-units.$suite.txt"; do
    [ -e "$list" ] || continue
    sed '/^#/d' "$list" | while read -r unit; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
done
# Whoever wants a shell starts it; it makes its host keys then (ssh.service.d/rackyard.conf).
chroot "$root" systemctl --quiet disable ssh.service
chroot "$root" systemctl --quiet enable \
    rackyard-boot-again.service rackyard-boot-port.service systemd-networkd.service systemd-networkd-wait-online.service lldpd.service

# cloud-init goes without it, and would load it in each stage to check what the region has written.
rm -r "$root/usr/lib/python3/dist-packages/jsonschema"

say "masking what assembles or activates what it finds on disks"
sed '/^#/d' "$RECIPE/masked-disk-rules.txt" | while read -r place; do
    mkdir -p "$root/etc/$(dirname "$place")"
    ln -sf /dev/null "$root/etc/$place"
done

say "writing the initramfs"
# It has no drivers of disks, and so needs nothing that would look for arrays and volumes on them.
for tool in bcache dmsetup lvm2 mdadm multipath; do
    rm -f "$root/usr/share/initramfs-tools/hooks/$tool" "$root"/usr/share/initramfs-tools/scripts/*/"$tool"
done
# The last run of update-initramfs must see all of the settings; earlier ones were skipped.
rm -f "$root"/boot/initrd.img-*
chroot "$root" update-initramfs -c -k all

say "package lists and their cache"
chroot "$root" apt-cache gencaches
rm -f "$root"/var/cache/apt/archives/*.deb

say "removing what belongs to one machine or to the builder"
rm -f "$root"/etc/ssh/ssh_host_*_key* "$root"/etc/hostname "$root"/etc/resolv.conf "$root"/var/lib/dbus/machine-id
: >"$root/etc/machine-id"
chmod 444 "$root/etc/machine-id"
rm -rf "$root"/var/log/*.log "$root"/var/log/apt/* "$root"/var/lib/apt/listchanges* \
    "$root"/var/lib/dpkg/*-old "$root"/var/cache/debconf/*-old "$root"/var/cache/ldconfig/*
find "$root/usr/lib/python3" "$root/usr/share" -name '*.md' -path '*doc*' -delete 2>/dev/null || true
# systemd would rebuild caches when /etc or /var look older than /usr.
touch "$root/etc/.updated" "$root/var/.updated"
