#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the ephemeral Debian and collect the boot loaders, step by step, into a cache.

Each step is a command of its own, so that whoever runs them sees how far it is:
    key      what the image is made from, as a name; is it there already?
    tree     install Debian with mmdebstrap
    loaders  fetch the signed boot loaders
    pack     kernel, initramfs and squashfs
    publish  write manifest.json and move everything to its final place
    prune    remove finished images of the same release beyond the newest --keep, and builds that were given up
Settings come as JSON on standard input: a list, one entry for each image; images are built side by side. The answer is
JSON on standard output, one entry for each image; progress goes to standard error.
Nothing is ever changed in a finished image; an unfinished one is in "<key>.build" and is started anew.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

LOADER_PACKAGES = ("shim-signed", "grub-efi-amd64-signed", "pxelinux", "syslinux-common")
LOADERS = {
    "bootx64.efi": "usr/lib/shim/shimx64.efi.signed",
    "grubx64.efi": "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
    "lpxelinux.0": "usr/lib/PXELINUX/lpxelinux.0",
    "ldlinux.c32": "usr/lib/syslinux/modules/bios/ldlinux.c32",
    # By which lpxelinux starts what is on a disk.
    "chain.c32": "usr/lib/syslinux/modules/bios/chain.c32",
    "libcom32.c32": "usr/lib/syslinux/modules/bios/libcom32.c32",
    "libutil.c32": "usr/lib/syslinux/modules/bios/libutil.c32",
}
ROLES = {"kernel": "vmlinuz", "initrd": "initrd.img", "squashfs": "filesystem.squashfs"}
# A builder that must accept an old snapshot of the mirror means that for the image as well.
INHERITED_APT_OPTIONS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
LOCAL_CAS = Path("/usr/local/share/ca-certificates")
GIVEN_UP_S = 24 * 3600.0  # an unfinished build this old is nobody's any more


class BuildError(Exception):
    """The image cannot be built; the text says what to do."""


def say(text: str) -> None:
    """Report progress."""
    print(f"boot_image: {text}", file=sys.stderr, flush=True)


def output(*command: str) -> str:
    """Run a command and return what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def run(*command: str) -> None:
    """Run a command whose output is progress."""
    say(" ".join(command)[:300])
    # Standard output is for the answer; everything else is progress.
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        raise BuildError(f"{command[0]} failed with exit status {done.returncode}; its last lines above say why")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def packages(recipe: Path, extra: list[str]) -> list[str]:
    """Read the package list; what follows a # is the reason."""
    lines = (recipe / "packages.txt").read_text().splitlines()
    listed = [line.split("#", 1)[0].strip() for line in lines]
    return [name for name in listed if name] + extra


def host_mirrors() -> dict[str, str]:
    """The mirrors this host's own APT uses, by the label of their Release file."""
    template = "$(LABEL)|$(REPO_URI)|$(COMPONENT)"
    found: dict[str, str] = {}
    for line in output("apt-get", "indextargets", "--format", template, "Created-By: Packages").splitlines():
        label, uri, component = line.split("|")
        if component == "main":
            found.setdefault(label, uri.rstrip("/"))
    return found


def sources(settings: dict[str, Any], suite: str) -> list[str]:
    """One-line APT sources for a suite: base, updates and security."""
    host = host_mirrors() if not (settings["mirror"] and settings["security_mirror"]) else {}
    mirror = settings["mirror"] or host.get("Debian", "")
    security = settings["security_mirror"] or host.get("Debian-Security", "")
    if not mirror:
        raise BuildError("this host's APT knows no Debian mirror: run apt-get update here or set boot_image_mirror")
    components = " ".join(settings["components"])
    lines = [f"deb {mirror} {suite} {components}", f"deb {mirror} {suite}-updates {components}"]
    if security:
        lines.append(f"deb {security} {suite}-security {components}")
    return lines


def apt_options() -> list[str]:
    """Options that the image's APT and the build's APT take over from this host."""
    options = ['Acquire::Languages "none"']
    for name in INHERITED_APT_OPTIONS:
        found = re.search(r"='(.*)'", output("apt-config", "shell", "VALUE", name))
        if found:
            options.append(f'{name} "{found[1]}"')
    return options


def recipe_hashes(recipe: Path) -> dict[str, str]:
    """Everything in the recipe, with its mode, and this program."""
    found = {"build_image.py": file_sha256(Path(__file__))}
    for path in sorted(recipe.rglob("*")):
        if path.is_file():
            executable = "x" if os.access(path, os.X_OK) else "-"
            found[f"{path.relative_to(recipe)}:{executable}"] = file_sha256(path)
    return found


class Build:
    """One image: what it is made from and where it is."""

    def __init__(self, recipe: Path, cache: Path, settings: dict[str, Any]) -> None:
        self.recipe = recipe
        self.settings = settings
        self.sources = sources(settings, settings["suite"])
        self.loader_sources = sources(settings, settings["loader_suite"])
        made_from = {
            "recipe": recipe_hashes(recipe),
            "settings": settings,
            "sources": self.sources + self.loader_sources,
            "apt_options": apt_options(),
        }
        self.key = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
        self.final = cache / self.key
        self.work = cache / f"{self.key}.build"

    @property
    def present(self) -> bool:
        """Whether the finished image is in the cache, and none of its files was cut off, as by a disk that was full."""
        try:
            manifest = json.loads((self.final / "manifest.json").read_text())
            return all((self.final / file["name"]).stat().st_size == file["size_bytes"] for file in manifest["files"])
        except (OSError, ValueError):
            return False

    def make(self, step: str) -> dict[str, Any]:
        """Do one step, unless the image is finished. Raises BuildError naming the release."""
        changed = step != "key" and not self.present
        if changed:
            suite, started = self.settings["suite"], time.monotonic()
            try:
                getattr(self, step)()
            except (BuildError, OSError, subprocess.CalledProcessError) as error:
                raise BuildError(f"{suite}: {error}") from error
            say(f"{suite}: {step} took {time.monotonic() - started:.1f} s")
        return self.answer(changed)

    def answer(self, changed: bool) -> dict[str, Any]:
        """What every step prints."""
        manifest = json.loads((self.final / "manifest.json").read_text()) if self.present else None
        return {
            "changed": changed,
            "key": self.key,
            "suite": self.settings["suite"],
            "present": self.present,
            "directory": str(self.final),
            "manifest": manifest,
        }

    def _mmdebstrap(self, *arguments: str) -> None:
        keyring = [f"--keyring={self.settings['keyring']}"] if self.settings["keyring"] else []
        options = [f"--aptopt={option}" for option in apt_options()]
        architecture = f"--architectures={self.settings['arch']}"
        run("mmdebstrap", "--mode=root", architecture, *keyring, *options, *arguments)

    def tree(self) -> None:
        """Install Debian into the working directory."""
        if self.work.exists():
            shutil.rmtree(self.work)
        self.work.mkdir(parents=True, mode=0o755)
        root = self.work / "root"
        hooks = [
            f'--setup-hook=mkdir -p "$1/etc" && cp -a --no-preserve=ownership "{self.recipe}/early/." "$1/"',
            f"--customize-hook={self.recipe}/customize.sh",
        ]
        if any("https:" in line for line in self.sources) and LOCAL_CAS.is_dir():
            copy = f'cp -a "{LOCAL_CAS}/." "$1{LOCAL_CAS}/" && chroot "$1" update-ca-certificates'
            hooks.insert(1, f"--customize-hook={copy}")
        include = ",".join(packages(self.recipe, self.settings["extra_packages"]))
        self._mmdebstrap(
            "--variant=minbase",
            f"--include={include}",
            # The lists and their cache stay: apt-get install works at once in the booted system.
            "--skip=cleanup/apt/lists,cleanup/apt/cache",
            *hooks,
            self.settings["suite"],
            str(root),
            *self.sources,
        )

    def loaders(self) -> None:
        """Unpack the packages of the boot loaders and keep the few files that firmware asks for."""
        unpacked = self.work / "loaders"
        include = ",".join(LOADER_PACKAGES)
        suite = self.settings["loader_suite"]
        self._mmdebstrap("--variant=extract", f"--include={include}", suite, str(unpacked), *self.loader_sources)
        for name, path in LOADERS.items():
            shutil.copyfile(unpacked / path, self.work / name)

    def pack(self) -> None:
        """Make the three files that a machine boots."""
        root = self.work / "root"
        for pattern, name in (("vmlinuz-*", ROLES["kernel"]), ("initrd.img-*", ROLES["initrd"])):
            found = sorted((root / "boot").glob(pattern))
            if len(found) != 1:
                raise BuildError(f"expected one boot/{pattern} in the tree, found {len(found)}")
            shutil.copyfile(found[0], self.work / name)
        level = str(self.settings["compression_level"])
        target = str(self.work / ROLES["squashfs"])
        options = ["-noappend", "-no-progress", "-quiet", "-comp", "zstd", "-Xcompression-level", level]
        run("mksquashfs", str(root), target, *options, "-wildcards", "-e", "boot/*")

    def publish(self) -> None:
        """Describe the files, drop the trees, move the directory to its final name."""
        roles = [*ROLES.items(), *(("loader", name) for name in LOADERS)]
        files = []
        for role, name in roles:
            path = self.work / name
            path.chmod(0o644)
            files.append({"role": role, "name": name, "sha256": file_sha256(path), "size_bytes": path.stat().st_size})
        arch, suite = self.settings["arch"], self.settings["suite"]
        manifest = {"name": f"{suite}-ephemeral", "arch": arch, "suite": suite, "key": self.key, "files": files}
        (self.work / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
        for tree in ("root", "loaders"):
            shutil.rmtree(self.work / tree)
        if self.final.exists():
            shutil.rmtree(self.final)
        self.work.rename(self.final)


def prune(builds: list[Build], cache: Path, keep: int) -> list[str]:
    """Remove what is superseded; the names removed. Images that were asked for, and the newest ``keep``, stay."""
    wanted = {build.key for build in builds}
    finished: dict[tuple[str, str], list[Path]] = {}
    gone = []
    for path in cache.iterdir():
        if not re.fullmatch(r"[0-9a-f]{16}(\.build)?", path.name) or not path.is_dir():
            continue
        if path.suffix:
            if time.time() - path.stat().st_mtime > GIVEN_UP_S:
                gone.append(path)
        elif (path / "manifest.json").is_file():
            manifest = json.loads((path / "manifest.json").read_text())
            finished.setdefault((manifest["arch"], manifest["suite"]), []).append(path)
    for paths in finished.values():
        paths.sort(key=lambda path: (path / "manifest.json").stat().st_mtime, reverse=True)
        gone += [path for path in paths[keep:] if path.name not in wanted]
    for path in gone:
        shutil.rmtree(path)
    return sorted(path.name for path in gone)


def main() -> int:
    """Run one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["key", "tree", "loaders", "pack", "publish", "prune"])
    parser.add_argument("--recipe", type=Path, required=True, help="directory of the recipe")
    parser.add_argument("--cache", type=Path, required=True, help="directory of finished images")
    parser.add_argument("--keep", type=int, default=2, help="finished images of each release that prune leaves")
    arguments = parser.parse_args()
    # A host may have hidden from others what root makes; an image is for everybody to read.
    os.umask(0o022)
    try:
        builds = [Build(arguments.recipe, arguments.cache, settings) for settings in json.load(sys.stdin)]
        if arguments.step != "key":
            # Steps of two builds may alternate: each does the same to the same files, and the second finds them done.
            lock = (arguments.cache / "build.lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if arguments.step == "prune":
            removed = prune(builds, arguments.cache, max(arguments.keep, 1))
            print(json.dumps({"changed": bool(removed), "removed": removed}))
            return 0
        with ThreadPoolExecutor(max_workers=len(builds) or 1) as together:
            answers = list(together.map(lambda build: build.make(arguments.step), builds))
    except (BuildError, OSError, subprocess.CalledProcessError) as error:
        print(f"boot_image: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"changed": any(answer["changed"] for answer in answers), "images": answers}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
