#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the commissioning scripts of the region on this machine and report each result.

Delivered as cloud-init user data into the ephemeral system; standard library only, Python 3.9 or newer.
Wire format: the MAAS metadata API (``maas-scripts`` archive, ``op=signal`` as multipart/form-data, OAuth 1
PLAINTEXT). Ends with status OK, FAILED or TIMEDOUT; powering off afterwards is cloud-init's business.
"""

from __future__ import annotations

import email.utils
import http.client
import importlib
import io
import json
import os
import re
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import NamedTuple, NoReturn
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
# A script that begins like this file is run by a fork of this process, which has loaded what such scripts import: on a
# slow machine the start of Python is most of what they cost.
SHEBANG = b"#!/usr/bin/python3 -IS\n"
LOADED_FOR_SCRIPTS = ("glob", "ipaddress", "pathlib", "platform")


class RunnerError(Exception):
    """Commissioning cannot go on; the text goes to the region and to the console."""


class Config(NamedTuple):
    """Where to report and with which credentials of this boot."""

    metadata_url: str
    consumer_key: str
    token_key: str
    token_secret: str
    heartbeat_s: float = 30.0


class Job(NamedTuple):
    """One entry of the archive's index."""

    name: str
    path: str
    script_result_id: int
    timeout_s: float
    parallel: bool
    apt_packages: tuple[str, ...]


class Outcome(NamedTuple):
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

    def pump(self, stream: int, suffix: str) -> None:
        """Read a pipe to its end and close it; what is over the limit is read and dropped."""
        while chunk := os.read(stream, 65536):
            with self._lock:
                self._add("", chunk)
                self._add(suffix, chunk)
        os.close(stream)

    def files(self, name: str) -> dict[str, bytes]:
        """Return the file fields of the report."""
        with self._lock:
            return {name + suffix: b"".join(parts) for suffix, parts in self._parts.items()}


def script_environment(result_path: str) -> dict[str, str]:
    """Return what a script finds in its environment."""
    return {**os.environ, "LC_ALL": "C.UTF-8", "RESULT_PATH": result_path, "DEBIAN_FRONTEND": "noninteractive"}


class Fork:
    """A Python script that runs in a copy of this process; waited for like a ``subprocess.Popen``.

    Make it while this process has one thread only: a copy has only the thread that makes it, and another's locks would
    stay closed in it for ever.
    """

    def __init__(self, path: str, output: int, errors: int, environment: Mapping[str, str]) -> None:
        self.pid = os.fork()
        if not self.pid:
            self._become(path, output, errors, environment)
        self._handle = os.pidfd_open(self.pid)
        self._exit_status: int | None = None

    @staticmethod
    def _become(path: str, output: int, errors: int, environment: Mapping[str, str]) -> NoReturn:
        """Run the script in the copy, as Python would have run it, and end the copy."""
        exit_status = 1
        try:
            os.setsid()
            for number, stream in enumerate((os.open(os.devnull, os.O_RDONLY), output, errors)):
                os.dup2(stream, number)
            os.environ.update(environment)
            sys.argv = [path]
            with open(path, "rb") as script:
                exec(compile(script.read(), path, "exec"), {"__name__": "__main__", "__file__": path})
            exit_status = 0
        except SystemExit as ending:
            exit_status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
            if isinstance(ending.code, str):
                print(ending.code, file=sys.stderr)
        except BaseException:  # pylint: disable=broad-exception-caught  # whatever it is, this copy ends here
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(exit_status)

    def wait(self, timeout_s: float) -> int:
        """Return the exit status, negative after a signal; raise subprocess.TimeoutExpired."""
        if self._exit_status is None:
            if not select.select([self._handle], [], [], timeout_s)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout_s)
            self._exit_status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._handle)
        return self._exit_status


class Running:
    """A script or command under way, what it writes, and its end. Times are in seconds."""

    def __init__(self, name: str, argv: list[str], result_path: str = "", *, fork: bool = False) -> None:
        """Start ``argv``, or with ``fork`` the Python script that is its only word; raise OSError."""
        self._name = name
        self._result_path = result_path
        self._capture = Capture()
        environment = script_environment(result_path)
        (out, output), (err, errors) = os.pipe(), os.pipe()
        self._streams = {".out": out, ".err": err}
        self._started = time.monotonic()
        try:
            self._process: Fork | subprocess.Popen[bytes] = (
                Fork(argv[0], output, errors, environment)
                if fork
                else subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    env=environment,
                    start_new_session=True,
                )
            )
        except OSError:
            os.close(out)
            os.close(err)
            raise
        finally:
            os.close(output)
            os.close(errors)

    def _stop(self) -> None:
        """End the script with everything in its process group: politely, then not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return
            try:
                self._process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                continue

    def finish(self, timeout_s: float) -> Outcome:
        """Wait for the end, or bring it about, and return what came of it."""
        pumps = [
            threading.Thread(target=self._capture.pump, args=(stream, suffix), daemon=True)
            for suffix, stream in self._streams.items()
        ]
        for pump in pumps:
            pump.start()
        try:
            exit_status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            exit_status = EXIT_TIMED_OUT
        self._stop()
        for pump in pumps:
            pump.join(GRACE_S)
        if exit_status < 0:  # ended by a signal: as a shell would word it
            exit_status = 128 - exit_status
        files = self._capture.files(self._name)
        if self._result_path and os.path.isfile(self._result_path):
            with open(self._result_path, "rb") as result:
                files[f"{self._name}.yaml"] = result.read(OUTPUT_LIMIT_BYTES)
        return Outcome(exit_status, time.monotonic() - self._started, files)


def execute(name: str, argv: list[str], timeout_s: float, result_path: str = "") -> Outcome:
    """Run a command with a time limit in seconds and capture what it writes."""
    try:
        running = Running(name, argv, result_path)
    except OSError as error:
        return Outcome(126, 0.0, {name: str(error).encode(), f"{name}.err": str(error).encode(), f"{name}.out": b""})
    return running.finish(timeout_s)


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
            if job.script_result_id not in self._begun:
                self.uplink.signal({"status": "WORKING", **identity})
            outcome = self._execute(job)
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
    try:
        try:
            jobs = unpack(uplink.scripts(), folder)
            say(f"running {len(jobs)} commissioning scripts")
            runner = Runner(uplink, folder)
            runner.begin(jobs)
            threading.Thread(target=beat, args=(uplink, ended), daemon=True).start()
            status, reason = runner.run(jobs)
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
