# SPDX-License-Identifier: GPL-3.0-or-later
"""A small system on a disk, laid out as Debian's installer does it, for machines that are to boot from it.

GPT with an EFI system partition (shim and GRUB's stub in ``/EFI/debian``) and an ext4 partition with ``/boot``: the
signed kernel of the ephemeral image and an initramfs of one program. For BIOS, the boot sector has code of its own.
Either way the system prints its marker on the first serial port and switches the machine off.
"""

from __future__ import annotations

import json
import struct
import subprocess
import uuid
from pathlib import Path

BIOS_MARKER = "RACKYARD-DISK: the boot sector runs"
UEFI_MARKER = "RACKYARD-DISK: the kernel's first process runs"
MIB = 1 << 20
ESP_MIB = 64
ROOT_MIB = 128
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LINUX_TYPE = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"


def boot_sector() -> bytes:
    """440 bytes of real-mode code: write the marker to COM1, then ACPI power-off (PM1a control of QEMU's q35)."""
    before = bytes.fromhex(
        "31c0 8ed8 fc be0000"  # xor ax,ax; mov ds,ax; cld; mov si,marker
        "ac 84c0 7412"  # next: lodsb; test al,al; jz off
        "88c4 bafd03 ec a820 74fb"  # mov ah,al; mov dx,0x3fd; wait: in al,dx; test al,0x20; jz wait
        "baf803 88e0 ee ebe9"  # mov dx,0x3f8; mov al,ah; out dx,al; jmp next
        "ba0406 b80020 ef f4 ebfd"  # off: mov dx,0x604; mov ax,0x2000; out dx,ax; halt: hlt; jmp halt
    )
    marker_at = 0x7C00 + len(before)
    code = before[:6] + struct.pack("<H", marker_at) + before[8:] + BIOS_MARKER.encode() + b"\r\n\0"
    return code.ljust(440, b"\0")


def first_process() -> bytes:
    """A static ELF program for x86-64: write the marker, then reboot(2) with LINUX_REBOOT_CMD_POWER_OFF."""
    marker = f"\n{UEFI_MARKER}\n".encode()
    code = bytes.fromhex("b801000000 bf01000000 488d3500000000 ba00000000 0f05")  # write(1, marker, length)
    code += bytes.fromhex("b8a9000000 bfaddee1fe be69191228 badcfe2143 0f05 ebfe")  # reboot(…); then for ever
    code = code[:13] + struct.pack("<i", len(code) - 17) + code[17:18] + struct.pack("<I", len(marker)) + code[22:]
    base, head = 0x400000, 64 + 56
    size = head + len(code) + len(marker)
    elf = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    elf += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + head, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return elf + code + marker


def initramfs() -> bytes:
    """A cpio archive (newc; initramfs buffer format of the kernel) with that program as /init."""

    def entry(name: str, mode: int, content: bytes) -> bytes:
        fields = (1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(f"{field:08X}".encode() for field in fields) + name.encode() + b"\0"
        return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)

    return entry("init", 0o100755, first_process()) + entry("TRAILER!!!", 0, b"")


def run(*command: str, text: str | None = None) -> None:
    """Run a tool; its words are part of the failure."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"


def write(image: Path, size_mib: int, kernel: Path, shim: Path, work: Path) -> None:
    """Make ``image`` a raw disk of that size with the system on it. ``work`` is an empty folder for the parts."""
    esp, root = work / "esp.img", work / "root.img"
    tree = work / "root"
    fs_uuid = str(uuid.uuid4())

    (tree / "boot" / "grub").mkdir(parents=True)
    (tree / "boot" / "vmlinuz").write_bytes(kernel.read_bytes())
    (tree / "boot" / "initrd.img").write_bytes(initramfs())
    (tree / "boot" / "grub" / "grub.cfg").write_text(
        "set timeout=0\nmenuentry 'Disk' {\n"
        f"  search --no-floppy --fs-uuid --set=root {fs_uuid}\n"
        "  linux /boot/vmlinuz console=ttyS0,115200n8\n  initrd /boot/initrd.img\n  echo loaded\n}\n"
    )
    run("mke2fs", "-q", "-t", "ext4", "-U", fs_uuid, "-d", str(tree), str(root), f"{ROOT_MIB}M")

    stub = work / "grub.cfg"
    stub.write_text(f"search.fs_uuid {fs_uuid} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n")
    run("mkfs.vfat", "-C", str(esp), str(ESP_MIB * 1024))
    run("mmd", "-i", str(esp), "::/EFI", "::/EFI/debian")
    run("mcopy", "-i", str(esp), str(shim), "::/EFI/debian/shimx64.efi")
    run("mcopy", "-i", str(esp), str(stub), "::/EFI/debian/grub.cfg")

    with image.open("wb") as disk:
        disk.truncate(size_mib * MIB)
    run("sfdisk", "--quiet", str(image), text=f"label: gpt\n,{ESP_MIB}M,{ESP_TYPE}\n,{ROOT_MIB}M,{LINUX_TYPE}\n")
    table = json.loads(subprocess.run(["sfdisk", "--json", str(image)], check=True, capture_output=True).stdout)
    with image.open("r+b") as disk:
        disk.write(boot_sector())
        for partition, part in zip(table["partitiontable"]["partitions"], (esp, root), strict=True):
            disk.seek(partition["start"] * 512)
            disk.write(part.read_bytes())
