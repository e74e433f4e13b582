# SPDX-License-Identifier: GPL-3.0-or-later
"""The commissioning runner, run as the machine runs it, against a small metadata server on the loopback."""

from __future__ import annotations

import email
import email.policy
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import pytest

from rackyard.region.ephemeral import RunnerConfig, build_archive, build_user_data, script_index
from rackyard.region.ephemeral.runner.main import POWER_OFF, SHEBANG, STAY_ON
from rackyard.region.ephemeral.runner.uplink import Config, Uplink


@dataclass
class Region:
    """What the metadata server serves, and what it was told."""

    archive: bytes = b""
    refusals: int = 0
    refusal_status: int = 503
    date: str | None = None
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    signals: list[tuple[dict[str, str], dict[str, bytes]]] = field(default_factory=list)
    url: str = ""

    def final(self) -> dict[str, str]:
        return self.signals[-1][0]

    def result(self, name: str) -> tuple[dict[str, str], dict[str, bytes]]:
        found = [(f, files) for f, files in self.signals if f.get("name") == name and "exit_status" in f]
        assert len(found) == 1
        return found[0]


def read_multipart(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    message = email.message_from_bytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP
    )
    fields, files = {}, {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if part.get_filename():
            files[name] = content
        else:
            fields[name] = content.decode()
    return fields, files


@pytest.fixture
def region() -> Iterator[Region]:
    state = Region()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return state.date or super().date_time_string(timestamp)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def refused(self) -> bool:
            state.requests.append((self.command, self.path, self.headers["Authorization"]))
            if state.refusals > 0:
                state.refusals -= 1
                self.answer(state.refusal_status, b"not now")
                return True
            return False

        def do_GET(self) -> None:
            if not self.refused():
                self.answer(200 if state.archive else 404, state.archive)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not self.refused():
                state.signals.append(read_multipart(self.headers["Content-Type"], body))
                self.answer(200, b"OK")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/MAAS/metadata/"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def archive(*scripts: tuple[str, str], **options: dict[str, object]) -> bytes:
    """An archive of scripts, shell's without a ``#!``; ``options`` change index entries by name with _ for -."""
    buffer = BytesIO()
    index = []
    with tarfile.open(fileobj=buffer, mode="w") as tar:

        def add(name: str, content: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))

        for number, (name, body) in enumerate(scripts, 1):
            add(f"s/{name}", (body if body.startswith("#!") else f"#!/bin/sh\n{body}\n").encode())
            entry = {"name": name, "path": f"s/{name}", "script_result_id": number, "timeout_seconds": 20}
            index.append({**entry, "parallel": False, **options.get(name.replace("-", "_"), {})})
        add("index.json", json.dumps({"1.0": {"commissioning_scripts": index}}).encode())
    return buffer.getvalue()


def run(region: Region, tmp_path: Path, heartbeat_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """As on a machine whose tools of the ephemeral system, and the file that keeps it on, are in ``tmp_path``."""
    program = tmp_path / "part-001"
    config = RunnerConfig(region.url, "ck", "tk", "s&c=rét", heartbeat_s)
    text = build_user_data(config).decode()
    for place in (POWER_OFF, STAY_ON):
        assert text.count(place) == 1
        text = text.replace(place, str(tmp_path / Path(place).name))
    program.write_text(text)
    return subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False)


def test_user_data_is_a_script_and_signs_as_oauth_plaintext(region: Region, tmp_path: Path) -> None:
    assert build_user_data(RunnerConfig("http://x/", "a", "b", "c")).startswith(SHEBANG)
    region.archive = archive()
    assert run(region, tmp_path).returncode == 0
    method, path, authorization = region.requests[0]
    assert (method, path) == ("GET", "/MAAS/metadata/2012-03-01/maas-scripts")
    assert authorization.startswith("OAuth ")
    pairs = (pair.split("=", 1) for pair in authorization.removeprefix("OAuth ").split(", "))
    values = {key: unquote(value.strip('"')) for key, value in pairs}
    assert values["oauth_signature"] == "&s&c=rét"
    assert (values["oauth_consumer_key"], values["oauth_token"]) == ("ck", "tk")
    assert (values["oauth_signature_method"], values["oauth_version"]) == ("PLAINTEXT", "1.0")
    assert region.final() == {"op": "signal", "status": "OK", "error": ""}


def test_results_carry_all_streams_and_the_machine_ends_ok(region: Region, tmp_path: Path) -> None:
    body = "echo out; echo err >&2; echo 'passed: true' >$RESULT_PATH"
    region.archive = archive(("10-a", body), ("20-b", "true"))
    assert run(region, tmp_path).returncode == 0
    fields, files = region.result("10-a")
    assert (fields["status"], fields["script_result_id"], fields["exit_status"]) == ("WORKING", "1", "0")
    assert 0 <= float(fields["runtime"]) < 10
    assert (files["10-a.out"], files["10-a.err"]) == (b"out\n", b"err\n")
    assert sorted(files["10-a"].split()) == [b"err", b"out"]
    assert files["10-a.yaml"] == b"passed: true\n"
    starts = [fields.get("name") for fields, _ in region.signals if "exit_status" not in fields]
    assert starts == ["10-a", "20-b", None]
    assert region.final()["status"] == "OK"


def test_a_failing_script_fails_the_machine_after_the_others_have_run(region: Region, tmp_path: Path) -> None:
    region.archive = archive(("10-a", "exit 3"), ("20-b", "kill -9 $$"), ("30-c", "true"))
    assert run(region, tmp_path).returncode == 0
    assert [region.result(name)[0]["exit_status"] for name in ("10-a", "20-b", "30-c")] == ["3", "137", "0"]
    assert region.final()["status"] == "FAILED"
    assert region.final()["error"] == "10-a failed (exit status 3); 20-b failed (exit status 137)"


def test_an_optional_script_may_fail(region: Region, tmp_path: Path) -> None:
    region.archive = archive(("10-a", "exit 3"), ("20-b", "true"), **{"10_a": {"optional": True}})
    assert run(region, tmp_path).returncode == 0
    assert region.result("10-a")[0]["exit_status"] == "3"
    assert region.final() == {"op": "signal", "status": "OK", "error": ""}


def test_a_script_over_its_time_is_ended_with_its_children(region: Region, tmp_path: Path) -> None:
    mark = tmp_path / "survived"
    region.archive = archive(
        ("10-a", f"(sleep 3; touch {mark}) & echo begun; sleep 30"),
        **{
            "10_a": {"timeout_seconds": 1},
        },
    )
    assert run(region, tmp_path).returncode == 0
    fields, files = region.result("10-a")
    assert (fields["exit_status"], files["10-a.out"]) == ("124", b"begun\n")
    assert region.final()["status"] == "TIMEDOUT"
    threading.Event().wait(3)
    assert not mark.exists()


def python(body: str) -> str:
    """A script as the region's are, which a copy of the runner runs."""
    return SHEBANG.decode() + body


PYTHON_SCRIPTS = {
    "10-good": "import os, sys\nprint('out', sys.argv[0][-8:])\nprint('err', file=sys.stderr)\n"
    "with open(os.environ['RESULT_PATH'], 'w') as result: result.write('passed: true')",
    "20-exit": "import sys\nsys.exit(3)",
    "30-words": "import sys\nsys.exit('no such disk')",
    "40-error": "{}['missing']",
    "50-signal": "import os\nos.kill(os.getpid(), 9)",
    "60-alone": "import os, sys\npid = os.getpid()\n"
    "print(os.getsid(0) == pid, sys.stdin.read() == '', os.listdir('/proc/self/task') == [str(pid)])",
}


def test_python_scripts_run_in_copies_of_the_runner_as_python_would_run_them(region: Region, tmp_path: Path) -> None:
    scripts = {name: python(body) for name, body in PYTHON_SCRIPTS.items()}
    parents = python("import os\nfrom pathlib import Path\nprint(Path(f'/proc/{os.getppid()}/cmdline').read_text())")
    scripts["70-parent"] = parents
    region.archive = archive(*scripts.items(), **{name.replace("-", "_"): {"parallel": True} for name in scripts})
    assert run(region, tmp_path).returncode == 0
    assert region.signals[0][0] == {"op": "signal", "status": "WORKING", "script_result_id": "1,2,3,4,5,6,7"}
    statuses = {name: int(region.result(name)[0]["exit_status"]) for name in scripts}
    assert statuses == dict.fromkeys(scripts, 0) | {"20-exit": 3, "30-words": 1, "40-error": 1, "50-signal": 137}
    files = {key: content for name in scripts for key, content in region.result(name)[1].items()}
    assert (files["10-good.out"], files["10-good.err"]) == (b"out script-0\n", b"err\n")
    assert files["10-good.yaml"] == b"passed: true"
    assert files["30-words.err"] == b"no such disk\n"
    assert files["40-error.err"].endswith(b"KeyError: 'missing'\n")
    assert files["60-alone.out"] == b"True True True\n"
    assert files["70-parent.out"].rstrip(b"\0\n").endswith(b"part-001"), "no Python was started for it"
    assert region.final()["status"] == "FAILED"


def test_a_python_script_over_its_time_is_ended_with_its_children(region: Region, tmp_path: Path) -> None:
    mark = tmp_path / "survived"
    command = f"import subprocess\nprint('begun', flush=True)\nsubprocess.run('sleep 3; touch {mark}', shell=True)"
    region.archive = archive(("10-a", python(command)), **{"10_a": {"timeout_seconds": 1, "parallel": True}})
    assert run(region, tmp_path).returncode == 0
    fields, files = region.result("10-a")
    assert (fields["exit_status"], files["10-a.out"]) == ("124", b"begun\n")
    assert region.final()["status"] == "TIMEDOUT"
    threading.Event().wait(3)
    assert not mark.exists()


def test_output_is_capped_and_the_script_is_not_blocked(region: Region, tmp_path: Path) -> None:
    region.archive = archive(("10-a", "head -c 5000000 /dev/zero | tr '\\0' x; echo end >&2"))
    assert run(region, tmp_path).returncode == 0
    fields, files = region.result("10-a")
    assert fields["exit_status"] == "0"
    assert len(files["10-a.out"]) <= 1 << 20
    assert files["10-a.out"].endswith(b"[output truncated]\n")
    assert files["10-a.err"] == b"end\n"


def test_parallel_scripts_run_at_the_same_time(region: Region, tmp_path: Path) -> None:
    wait = "i=0; while [ ! -e {0} ]; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done"
    one, two = tmp_path / "one", tmp_path / "two"
    region.archive = archive(
        ("10-a", f"touch {one}; " + wait.format(two)),
        ("20-b", f"touch {two}; " + wait.format(one)),
        **{"10_a": {"parallel": True}},
    )
    assert run(region, tmp_path).returncode == 0
    assert region.final()["status"] == "OK"


def test_server_errors_are_retried(region: Region, tmp_path: Path) -> None:
    region.archive = archive(("10-a", "true"))
    region.refusals = 2
    assert run(region, tmp_path).returncode == 0
    assert [path for _, path, _ in region.requests[:3]] == ["/MAAS/metadata/2012-03-01/maas-scripts"] * 3
    assert region.final()["status"] == "OK"


def test_regions_may_be_away_for_many_minutes(region: Region, capsys: pytest.CaptureFixture[str]) -> None:
    region.refusals, region.refusal_status = 100, 502
    slept: list[float] = []
    Uplink(Config(region.url, "c", "t", "s"), sleep=slept.append).signal({"status": "WORKING"})
    assert [fields["status"] for fields, _ in region.signals] == ["WORKING"]
    assert sum(slept) > 20 * 60
    assert max(slept) <= 15, "whoever comes back is noticed soon"
    assert capsys.readouterr().out.count("no region takes POST") == 1


def test_a_refusal_for_a_wrong_clock_is_answered_with_the_servers_time(region: Region, tmp_path: Path) -> None:
    region.archive = archive()
    region.refusals, region.refusal_status = 1, 401
    region.date = "Mon, 01 Jan 2035 00:00:00 GMT"
    assert run(region, tmp_path).returncode == 0
    assert abs(int(region.requests[1][2].split('oauth_timestamp="')[1].split('"')[0]) - 2051222400) < 60
    assert region.final()["status"] == "OK"


def test_without_scripts_the_machine_fails_with_the_reason(region: Region, tmp_path: Path) -> None:
    assert run(region, tmp_path).returncode == 0
    assert region.final()["status"] == "FAILED"
    assert "HTTP status 404" in region.final()["error"]


def test_a_broken_archive_is_reported(region: Region, tmp_path: Path) -> None:
    region.archive = b"not a tar archive"
    assert run(region, tmp_path).returncode == 0
    assert region.final()["status"] == "FAILED"
    assert "ReadError" in region.final()["error"]


def test_refused_credentials_end_at_once_and_are_not_printed(region: Region, tmp_path: Path) -> None:
    region.refusals, region.refusal_status = 99, 403
    done = run(region, tmp_path)
    assert done.returncode == 1
    assert len(region.requests) <= 4
    assert "HTTP status 403: not now" in done.stdout
    assert "s&c=r" not in done.stdout + done.stderr


def test_heartbeats_say_that_the_machine_lives(region: Region, tmp_path: Path) -> None:
    region.archive = archive(("10-a", "sleep 1"))
    assert run(region, tmp_path, heartbeat_s=0.2).returncode == 0
    assert [fields for fields, _ in region.signals].count({"op": "signal", "status": "WORKING"}) >= 2
    assert region.final()["status"] == "OK"


@pytest.mark.parametrize(
    ("script", "refused", "stays_on", "ends"),
    [("true", 0, False, "off"), ("exit 3", 0, False, "off"), ("true", 9, False, "on"), ("true", 0, True, "on")],
)
def test_machine_is_switched_off_when_the_region_has_its_last_word_unless_somebody_wants_it_on(
    region: Region, tmp_path: Path, script: str, refused: int, stays_on: bool, ends: str
) -> None:
    region.archive, region.refusals, region.refusal_status = archive(("10-a", script)), refused, 401
    power_off = tmp_path / Path(POWER_OFF).name
    power_off.write_text(f"#!/bin/sh\ntouch {tmp_path}/off\n")
    power_off.chmod(0o755)
    if stays_on:
        (tmp_path / Path(STAY_ON).name).touch()
    run(region, tmp_path)
    assert (tmp_path / "off").exists() == (ends == "off")
    assert bool(region.signals) == (refused == 0)


def test_the_archive_of_the_catalogue_is_what_the_runner_reads() -> None:
    scripts = script_index()
    assert [script.name for script in scripts] == sorted(script.name for script in scripts)
    ids = {script.name: number for number, script in enumerate(scripts, 70)}
    assert build_archive(ids) == build_archive(ids)
    with tarfile.open(fileobj=BytesIO(build_archive(ids))) as tar:
        index = json.load(tar.extractfile("index.json"))["1.0"]["commissioning_scripts"]
        assert [entry["script_result_id"] for entry in index] == list(range(70, 70 + len(scripts)))
        for entry, script in zip(index, scripts, strict=True):
            assert tar.extractfile(entry["path"]).read() == script.body
            assert script.body.startswith((SHEBANG, b"#!/bin/sh\n"))
            assert 0 < entry["timeout_seconds"] <= 600
