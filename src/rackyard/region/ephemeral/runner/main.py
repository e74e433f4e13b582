# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the commissioning scripts of the region on this machine and report each result.

Ends with status OK, FAILED or TIMEDOUT, and switches the ephemeral system off. Where the region did not get the status,
that is cloud-init's business.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from rackyard.region.ephemeral.runner.processes import EXIT_TIMED_OUT, Outcome, Running, execute
from rackyard.region.ephemeral.runner.uplink import Config, RunnerError, Uplink, say
from rackyard.region.ephemeral.runner.uploaded import (
    Run,
    Upload,
    claimed_status,
    is_for,
    read_uploads,
    runs_of,
)

CONFIG_JSON = "{}"  # the region puts its RunnerConfig here (JSON text)

PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,100}")
# A script that begins like the runner itself is run by a fork of it, which has loaded what such scripts import: on a
# slow machine the start of Python is most of what they cost.
SHEBANG = b"#!/usr/bin/python3 -IS\n"
# Only the ephemeral system has this, and only that is switched off.
POWER_OFF = "/usr/lib/rackyard/power-off"
# Whoever wants to look around makes this file, as with MAAS; also cloud-init's last stage heeds it.
STAY_ON = "/tmp/block-poweroff"  # nothing is written to it
LOADED_FOR_SCRIPTS = ("glob", "ipaddress", "pathlib", "platform")


class Job(NamedTuple):
    """One entry of the archive's index."""

    name: str
    path: str
    script_result_id: int
    timeout_s: float
    parallel: bool
    apt_packages: tuple[str, ...]
    optional: bool


def unpack(archive: bytes, folder: str) -> tuple[list[Job], list[Upload]]:
    """Unpack the scripts into ``folder`` and return the region's own and those of operators, each sorted by name."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:*") as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
        contents = {name: stream.read() for name, stream in files.items() if stream is not None}
    if "index.json" not in contents:
        raise RunnerError("the archive of scripts has no index.json")
    index = json.loads(contents["index.json"])["1.0"]
    entries = index["commissioning_scripts"]
    jobs: list[Job] = []
    for number, entry in enumerate(sorted(entries, key=lambda item: str(item["name"]))):
        path = os.path.join(folder, f"script-{number}")
        with open(path, "wb") as script:
            script.write(contents[entry["path"]])
        os.chmod(path, 0o700)
        packages = tuple((entry.get("packages") or {}).get("apt") or ())
        timeout_s = float(entry.get("timeout_seconds") or 0) or 3600.0
        flags = bool(entry.get("parallel")), packages, bool(entry.get("optional"))
        jobs.append(Job(entry["name"], path, int(entry["script_result_id"]), timeout_s, *flags))
    return jobs, read_uploads(index.get("uploaded") or [], contents, folder)


def forkable(job: Job) -> bool:
    """Whether the job may start before all others, in a copy of this process."""
    with open(job.path, "rb") as script:
        return job.parallel and not job.apt_packages and script.readline() == SHEBANG


class Runner:
    """Runs the jobs and keeps the region informed."""

    def __init__(self, uplink: Uplink, folder: str) -> None:
        self.uplink = uplink
        self.folder = folder
        self._apt = threading.Lock()
        self._lock = threading.Lock()
        self._failed: list[str] = []
        self._timed_out = False
        self._problems: list[str] = []
        self._begun: dict[int, Running] = {}
        self._printed: dict[str, bytes] = {}

    def _result_path(self, job: Job) -> str:
        return os.path.join(self.folder, f"result-{job.script_result_id}")

    def begin(self, jobs: list[Job]) -> None:
        """Start the scripts that copies of this process can run; call it before this process has a second thread."""
        for name in LOADED_FOR_SCRIPTS:
            importlib.import_module(name)
        for job in filter(forkable, jobs):
            self._begun[job.script_result_id] = Running(job.name, [job.path], self._result_path(job), fork=True)

    def _execute(self, job: Job) -> Outcome:
        begun = self._begun.get(job.script_result_id)
        if begun is not None:
            return begun.finish(job.timeout_s)
        return self._install(job) or execute(job.name, [job.path], job.timeout_s, self._result_path(job))

    def _install(self, job: Job | Upload) -> Outcome | None:
        """Install the packages a script asks for; return an outcome only if that failed."""
        names = [name for name in job.apt_packages if PACKAGE_NAME.fullmatch(name)]
        if not names:
            return None
        apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=60"]
        with self._apt:
            outcome = execute(job.name, [*apt, "install", "--", *names], job.timeout_s)
            if outcome.exit_status not in (0, EXIT_TIMED_OUT):
                execute(job.name, [*apt, "update"], job.timeout_s)
                outcome = execute(job.name, [*apt, "install", "--", *names], job.timeout_s)
        return outcome if outcome.exit_status else None

    def run_job(self, job: Job) -> None:
        """Run one script and post its result; a failure is noted, not raised."""
        identity = {"script_result_id": str(job.script_result_id), "name": job.name}
        try:
            if job.script_result_id not in self._begun:
                self.uplink.signal({"status": "WORKING", **identity})
            outcome = self._execute(job)
            say(f"{job.name} {outcome.verdict} in {outcome.runtime_s:.1f} s (exit status {outcome.exit_status})")
            fields = {"exit_status": str(outcome.exit_status), "runtime": f"{outcome.runtime_s:.3f}"}
            self.uplink.signal({"status": "WORKING", **identity, **fields}, outcome.files)
            self._printed[job.name] = outcome.files[f"{job.name}.out"]
        except RunnerError as error:
            self._lose(job.name, error)
            return
        if outcome.exit_status and not job.optional:
            with self._lock:
                self._failed.append(f"{job.name} {outcome.verdict} (exit status {outcome.exit_status})")
                self._timed_out |= outcome.exit_status == EXIT_TIMED_OUT

    def run_uploads(self, uploads: list[Upload]) -> None:
        """Run scripts of operators: by name, then together those that may run beside any other."""
        for upload in uploads:
            if upload.parallel != "any":
                self.run_upload(upload)
        together(self.run_upload, [(upload,) for upload in uploads if upload.parallel == "any"])

    def run_upload(self, upload: Upload) -> None:
        """Run one script of an operator, for each device that it is for; a failure is noted, not raised."""
        identity = {"script_result_id": str(upload.script_result_id), "name": upload.name}
        try:
            runs = runs_of(upload, self._printed)
            if not is_for(upload.for_hardware):
                self._skip(upload, f"this machine has none of {', '.join(upload.for_hardware)}")
            elif not runs:
                self._skip(upload, "this machine has no device that the script is for")
            else:
                given = json.dumps([run.given for run in runs])
                self.uplink.signal({"status": "WORKING", **identity, "instances": given})
                uninstalled = self._install(upload)
                numbered = [(upload, number, run, uninstalled) for number, run in enumerate(runs)]
                if upload.parallel == "disabled":
                    for one in numbered:
                        self._run_once(*one)
                else:
                    together(self._run_once, numbered)
        except RunnerError as error:
            self._lose(upload.name, error)

    def _run_once(self, upload: Upload, number: int, run: Run, uninstalled: Outcome | None) -> None:
        result_path = os.path.join(self.folder, f"result-{upload.script_result_id}-{number}")
        outcome = uninstalled or execute(
            upload.name, [upload.path, *run.arguments], upload.timeout_s, result_path, self._environment()
        )
        status = claimed_status(outcome.files.get(f"{upload.name}.yaml", b""))
        try:
            self._report(upload, number, outcome)
        except RunnerError as error:
            self._lose(upload.name, error)
            return
        good = status in ("passed", "degraded", "skipped") or (not status and not outcome.exit_status)
        if not good:
            with self._lock:
                of = f" ({', '.join(run.given.values())})" if run.given else ""
                verdict = f"says {status}" if status else outcome.verdict
                self._failed.append(f"{upload.name}{of} {verdict} (exit status {outcome.exit_status})")
                self._timed_out |= outcome.exit_status == EXIT_TIMED_OUT

    def _skip(self, upload: Upload, reason: str) -> None:
        text = reason.encode() + b"\n"
        files = {upload.name: text, f"{upload.name}.out": text, f"{upload.name}.yaml": b"status: skipped\n"}
        self._report(upload, 0, Outcome(0, 0.0, files))

    def _report(self, upload: Upload, number: int, outcome: Outcome) -> None:
        say(f"{upload.name} ended after {outcome.runtime_s:.1f} s (exit status {outcome.exit_status})")
        fields = {
            "status": "WORKING",
            "script_result_id": str(upload.script_result_id),
            "name": upload.name,
            "instance": str(number),
            "exit_status": str(outcome.exit_status),
            "runtime": f"{outcome.runtime_s:.3f}",
        }
        self.uplink.signal(fields, outcome.files)

    def _environment(self) -> dict[str, str]:
        """What a script of an operator finds besides: where the region is, and a folder for what it fetches."""
        downloads = os.path.join(self.folder, "downloads")
        os.makedirs(downloads, exist_ok=True)
        base_url = self.uplink.config.metadata_url.rstrip("/").removesuffix("/metadata")
        return {"MAAS_BASE_URL": base_url, "DOWNLOAD_PATH": downloads, "HAS_STARTED": "False"}

    def _lose(self, name: str, error: RunnerError) -> None:
        say(f"{name}: {error}")
        with self._lock:
            self._problems.append(f"{name}: {error}")

    def run(self, jobs: list[Job], uploads: list[Upload]) -> tuple[str, str]:
        """Run all jobs: parallel ones at once, the others one after the other meanwhile. Then what operators have
        uploaded; tests last, and only if all went well until then.

        Returns the final status (OK, FAILED, TIMEDOUT) and the reason.
        """
        if self._begun:
            self.uplink.signal({"status": "WORKING", "script_result_id": ",".join(map(str, self._begun))})
        threads = [threading.Thread(target=self.run_job, args=(job,)) for job in jobs if job.parallel]
        for thread in threads:
            thread.start()
        for job in jobs:
            if not job.parallel:
                self.run_job(job)
        for thread in threads:
            thread.join()
        self.run_uploads([upload for upload in uploads if not upload.testing])
        if not self._failed and not self._problems:
            self.run_uploads([upload for upload in uploads if upload.testing])
        reasons = sorted(self._failed) + sorted(self._problems)
        if not reasons:
            return "OK", f"{len(jobs) + len(uploads)} scripts passed"
        return ("TIMEDOUT" if self._timed_out and not self._problems else "FAILED"), "; ".join(reasons)


def together(run: Callable[..., None], all_arguments: list[tuple[Any, ...]]) -> None:
    """Call ``run`` with each of the arguments, all at once, and wait for all."""
    threads = [threading.Thread(target=run, args=arguments) for arguments in all_arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def beat(uplink: Uplink, ended: threading.Event) -> None:
    """Tell the region every now and then that this machine lives; a lost beat does not matter."""
    while not ended.wait(uplink.config.heartbeat_s):
        try:
            uplink.signal({"status": "WORKING"})
        except RunnerError as error:
            say(f"heartbeat: {error}")


def power_off() -> None:
    """Switch this machine off at once: all that cloud-init had to do besides is to do that in its time."""
    if os.access(POWER_OFF, os.X_OK) and not os.path.exists(STAY_ON):
        subprocess.run([POWER_OFF], check=False)


def main() -> int:
    """Run everything; exit status 0 if the region has the final status, whatever it is."""
    config = Config(**json.loads(CONFIG_JSON))
    uplink = Uplink(config)
    folder = tempfile.mkdtemp(prefix="rackyard-")
    ended = threading.Event()
    try:
        try:
            jobs, uploads = unpack(uplink.scripts(), folder)
            say(f"running {len(jobs)} commissioning scripts, and {len(uploads)} that were uploaded")
            runner = Runner(uplink, folder)
            runner.begin(jobs)
            threading.Thread(target=beat, args=(uplink, ended), daemon=True).start()
            status, reason = runner.run(jobs, uploads)
        except (RunnerError, ValueError, KeyError, TypeError, tarfile.TarError) as error:
            status, reason = "FAILED", f"the scripts could not be run: {type(error).__name__}: {error}"
        ended.set()
        say(f"{status}: {reason}")
        uplink.signal({"status": status, "error": reason if status != "OK" else ""})
    except RunnerError as error:
        say(f"the region did not get the final status: {error}")
        return 1
    finally:
        ended.set()
        shutil.rmtree(folder, ignore_errors=True)
    power_off()
    return 0


if __name__ == "__main__":
    sys.exit(main())
