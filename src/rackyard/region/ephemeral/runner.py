#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the commissioning scripts of the region on this machine and report each result.

Delivered as cloud-init user data into the ephemeral system; standard library only, Python 3.9 or newer.
Wire format: the MAAS metadata API (``maas-scripts`` archive, ``op=signal`` as multipart/form-data, OAuth 1
PLAINTEXT). Ends with status OK, FAILED or TIMEDOUT; powering off afterwards is cloud-init's business.
"""

from __future__ import annotations

import email.utils
import http.client
import io
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO
from urllib.parse import quote, urlsplit

CONFIG_JSON = "{}"  # the region puts its RunnerConfig here (JSON text)

API_VERSION = "2012-03-01"
OUTPUT_LIMIT_BYTES = 1 << 20  # per stream; the region accepts no more
ARCHIVE_LIMIT_BYTES = 16 << 20
# Pauses between tries, the last one again and again: regions may be away for as long as it takes to repair one, and
# what the machine found out is nowhere else yet. A refusal (the operation has ended) ends it at once.
RETRY_DELAYS_S = (1, 1, 2, 4, 8, 15)
PATIENCE_S = 3600
HTTP_TIMEOUT_S = 60
GRACE_S = 5  # between SIGTERM and SIGKILL, and for readers of a pipe that a daemon keeps open
EXIT_TIMED_OUT = 124
PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,100}")
TRUNCATED = b"\n[output truncated]\n"


class RunnerError(Exception):
    """Commissioning cannot go on; the text goes to the region and to the console."""


@dataclass(frozen=True)
class Config:
    """Where to report and with which credentials of this boot."""

    metadata_url: str
    consumer_key: str
    token_key: str
    token_secret: str
    heartbeat_s: float = 30.0


@dataclass(frozen=True)
class Job:
    """One entry of the archive's index."""

    name: str
    path: str
    script_result_id: int
    timeout_s: float
    parallel: bool
    apt_packages: tuple[str, ...]


@dataclass
class Outcome:
    """What a script did: exit status (124 = timed out), seconds, and what it wrote."""

    exit_status: int
    runtime_s: float
    files: dict[str, bytes]

    @property
    def verdict(self) -> str:
        """The exit status in a word."""
        return {0: "passed", EXIT_TIMED_OUT: "timed out"}.get(self.exit_status, "failed")


def say(text: str) -> None:
    """Write one line of progress to the console and the log."""
    print(f"rackyard: {text}", flush=True)


def encode_multipart(fields: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Return body and content type of a multipart/form-data request (RFC 7578)."""
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []
    for name, text in fields.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        parts += [head.encode(), text.encode(), b"\r\n"]
    for name, content in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


class Uplink:
    """The region's metadata API, reached through a rack."""

    def __init__(self, config: Config, sleep: Callable[[float], object] = time.sleep) -> None:
        self.config = config
        self._sleep = sleep
        self._clock_offset_s = 0.0

    def authorization(self) -> str:
        """Return an OAuth 1 PLAINTEXT header; the consumer secret is empty, as in MAAS API keys."""
        values = {
            "oauth_version": "1.0",
            "oauth_signature_method": "PLAINTEXT",
            "oauth_consumer_key": self.config.consumer_key,
            "oauth_token": self.config.token_key,
            "oauth_timestamp": str(int(time.time() + self._clock_offset_s)),
            "oauth_nonce": secrets.token_hex(16),
            "oauth_signature": "&" + self.config.token_secret,
        }
        return "OAuth " + ", ".join(f'{key}="{quote(value, safe="")}"' for key, value in values.items())

    def _once(self, method: str, path: str, body: bytes | None, content_type: str) -> tuple[int, str, bytes]:
        url = urlsplit(self.config.metadata_url.rstrip("/") + path)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.netloc, timeout=HTTP_TIMEOUT_S)
        headers = {"Authorization": self.authorization(), "Accept": "*/*"}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            connection.request(method, url.path, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read(ARCHIVE_LIMIT_BYTES + 1)
            return response.status, response.headers.get("Date", ""), content
        finally:
            connection.close()

    def _correct_clock(self, date: str) -> bool:
        """Follow the server's clock (a machine's own may be years off); say whether it made a difference."""
        try:
            offset = email.utils.parsedate_to_datetime(date).timestamp() - time.time()
        except (TypeError, ValueError):
            return False
        changed = abs(offset - self._clock_offset_s) > 5
        self._clock_offset_s = offset
        return changed

    def request(self, method: str, path: str, body: bytes | None = None, content_type: str = "") -> bytes:
        """Send a request, for an hour again after network and server errors; raise RunnerError when it is refused."""
        give_up_at = time.monotonic() + PATIENCE_S
        tries = 0
        while True:
            try:
                status, date, content = self._once(method, path, body, content_type)
                if status < 300:
                    if len(content) > ARCHIVE_LIMIT_BYTES:
                        raise RunnerError(f"{path}: the answer is larger than {ARCHIVE_LIMIT_BYTES} bytes")
                    return content
                problem = f"HTTP status {status}: {content[:200].decode('utf-8', 'replace').strip()}"
                final = status < 500 and status not in (408, 429)
                if status in (401, 403) and self._correct_clock(date):
                    continue
            except (OSError, http.client.HTTPException) as error:
                problem, final = f"{type(error).__name__}: {error}", False
            if final or time.monotonic() > give_up_at:
                raise RunnerError(f"{method} {self.config.metadata_url.rstrip('/')}{path}: {problem}")
            tries += 1
            if tries == len(RETRY_DELAYS_S):
                say(f"no region takes {method} {path} ({problem}); trying for up to {PATIENCE_S // 60} minutes")
            self._sleep(RETRY_DELAYS_S[min(tries, len(RETRY_DELAYS_S)) - 1])

    def signal(self, fields: Mapping[str, str], files: Mapping[str, bytes] | None = None) -> None:
        """Report to the region (``op=signal``)."""
        body, content_type = encode_multipart({"op": "signal", **fields}, files or {})
        self.request("POST", f"/{API_VERSION}/", body, content_type)

    def scripts(self) -> bytes:
        """Fetch the tar archive of scripts."""
        return self.request("GET", f"/{API_VERSION}/maas-scripts")


def unpack(archive: bytes, folder: str) -> list[Job]:
    """Unpack the scripts into ``folder`` and return the index, sorted by name."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:*") as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
        contents = {name: stream.read() for name, stream in files.items() if stream is not None}
    if "index.json" not in contents:
        raise RunnerError("the archive of scripts has no index.json")
    entries = json.loads(contents["index.json"])["1.0"]["commissioning_scripts"]
    jobs: list[Job] = []
    for number, entry in enumerate(sorted(entries, key=lambda item: str(item["name"]))):
        path = os.path.join(folder, f"script-{number}")
        with open(path, "wb") as script:
            script.write(contents[entry["path"]])
        os.chmod(path, 0o700)
        packages = tuple((entry.get("packages") or {}).get("apt") or ())
        timeout_s = float(entry.get("timeout_seconds") or 0) or 3600.0
        jobs.append(
            Job(entry["name"], path, int(entry["script_result_id"]), timeout_s, bool(entry.get("parallel")), packages)
        )
    return jobs


class Capture:
    """Collects both output streams of a script, each capped, and both together in order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[str, list[bytes]] = {"": [], ".out": [], ".err": []}
        self._left = dict.fromkeys(self._parts, OUTPUT_LIMIT_BYTES - len(TRUNCATED))

    def _add(self, suffix: str, chunk: bytes) -> None:
        left = self._left[suffix]
        if left <= 0:
            return
        self._parts[suffix].append(chunk[:left])
        self._left[suffix] = left - len(chunk)
        if len(chunk) > left:
            self._parts[suffix].append(TRUNCATED)
            self._left[suffix] = 0

    def pump(self, stream: IO[bytes], suffix: str) -> None:
        """Read a stream to its end; what is over the limit is read and dropped."""
        while chunk := os.read(stream.fileno(), 65536):
            with self._lock:
                self._add("", chunk)
                self._add(suffix, chunk)

    def files(self, name: str) -> dict[str, bytes]:
        """Return the file fields of the report."""
        with self._lock:
            return {name + suffix: b"".join(parts) for suffix, parts in self._parts.items()}


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the script with everything in its process group: politely, then not."""
    for number, wait_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue


def execute(name: str, argv: list[str], timeout_s: float, result_path: str = "") -> Outcome:
    """Run a command with a time limit in seconds and capture what it writes."""
    capture = Capture()
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "RESULT_PATH": result_path, "DEBIAN_FRONTEND": "noninteractive"}
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return Outcome(126, 0.0, {name: str(error).encode(), f"{name}.err": str(error).encode(), f"{name}.out": b""})
    assert process.stdout is not None
    assert process.stderr is not None
    pumps = [
        threading.Thread(target=capture.pump, args=(stream, suffix), daemon=True)
        for stream, suffix in ((process.stdout, ".out"), (process.stderr, ".err"))
    ]
    for pump in pumps:
        pump.start()
    try:
        exit_status = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        exit_status = EXIT_TIMED_OUT
    stop(process)
    for pump in pumps:
        pump.join(GRACE_S)
    if exit_status < 0:  # ended by a signal: as a shell would word it
        exit_status = 128 - exit_status
    files = capture.files(name)
    if result_path and os.path.isfile(result_path):
        with open(result_path, "rb") as result:
            files[f"{name}.yaml"] = result.read(OUTPUT_LIMIT_BYTES)
    return Outcome(exit_status, time.monotonic() - started, files)


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

    def _install(self, job: Job) -> Outcome | None:
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
            self.uplink.signal({"status": "WORKING", **identity})
            outcome = self._install(job) or execute(
                job.name, [job.path], job.timeout_s, os.path.join(self.folder, f"result-{job.script_result_id}")
            )
            say(f"{job.name} {outcome.verdict} in {outcome.runtime_s:.1f} s (exit status {outcome.exit_status})")
            fields = {"exit_status": str(outcome.exit_status), "runtime": f"{outcome.runtime_s:.3f}"}
            self.uplink.signal({"status": "WORKING", **identity, **fields}, outcome.files)
        except RunnerError as error:
            say(f"{job.name}: {error}")
            with self._lock:
                self._problems.append(f"{job.name}: {error}")
            return
        if outcome.exit_status:
            with self._lock:
                self._failed.append(f"{job.name} {outcome.verdict} (exit status {outcome.exit_status})")
                self._timed_out |= outcome.exit_status == EXIT_TIMED_OUT

    def run(self, jobs: list[Job]) -> tuple[str, str]:
        """Run all jobs: parallel ones at once, the others one after the other meanwhile.

        Returns the final status (OK, FAILED, TIMEDOUT) and the reason.
        """
        threads = [threading.Thread(target=self.run_job, args=(job,)) for job in jobs if job.parallel]
        for thread in threads:
            thread.start()
        for job in jobs:
            if not job.parallel:
                self.run_job(job)
        for thread in threads:
            thread.join()
        reasons = sorted(self._failed) + sorted(self._problems)
        if not reasons:
            return "OK", f"{len(jobs)} scripts passed"
        return ("TIMEDOUT" if self._timed_out and not self._problems else "FAILED"), "; ".join(reasons)


def beat(uplink: Uplink, ended: threading.Event) -> None:
    """Tell the region every now and then that this machine lives; a lost beat does not matter."""
    while not ended.wait(uplink.config.heartbeat_s):
        try:
            uplink.signal({"status": "WORKING"})
        except RunnerError as error:
            say(f"heartbeat: {error}")


def main() -> int:
    """Run everything; exit status 0 if the region has the final status, whatever it is."""
    config = Config(**json.loads(CONFIG_JSON))
    uplink = Uplink(config)
    folder = tempfile.mkdtemp(prefix="rackyard-")
    ended = threading.Event()
    threading.Thread(target=beat, args=(uplink, ended), daemon=True).start()
    try:
        try:
            jobs = unpack(uplink.scripts(), folder)
            say(f"running {len(jobs)} commissioning scripts")
            status, reason = Runner(uplink, folder).run(jobs)
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
