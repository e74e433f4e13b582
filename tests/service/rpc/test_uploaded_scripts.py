# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of operators, from their upload to their results: the runner itself runs them, and posts to the region."""

from __future__ import annotations

import tempfile
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from rackyard.region.ephemeral.runner.main import Runner, unpack
from rackyard.region.ephemeral.runner.uplink import Config, Uplink

from . import test_whole_commissioning as whole
from .hardware import outputs
from .play import MACHINE_IP, RACK_IP, AgentPlay, MachinePlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
OF_NICS = """#!/bin/sh
echo "$@"
case "$1" in --nic=ens4) echo 'status: degraded' > "$RESULT_PATH" ;; esac
"""
OF_ENVIRONMENT = """#!/bin/sh
test -d "$DOWNLOAD_PATH" && echo "$MAAS_BASE_URL"
"""


def upload(api: Any, name: str, text: str, **data: Any) -> dict[str, Any]:
    answer = api.post("scripts/", data={"name": name, "script": text, "type": "commissioning", **data})
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def results(api: Any, system_id: str) -> dict[str, list[dict[str, Any]]]:
    """What was uploaded and run in the last boot, by name."""
    told = api.get(f"nodes/{system_id}/results/?include_output=1").json[0]["results"]
    names = {each["name"] for each in api.get("scripts/").json if not each["default"]}
    return {name: [each for each in told if each["name"] == name] for name in names}


@pytest.fixture
def run_scripts(client: FlaskClient, machine: MachinePlay, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Run the runner as the machine does; the region's own scripts print what they do on another one."""

    def through_the_rack(environ: dict[str, Any], start_response: Any) -> Any:
        environ |= {"HTTP_X_RACKYARD_PEER": RACK_IP, "HTTP_X_REAL_IP": MACHINE_IP}
        return client.application(environ, start_response)

    server = make_server("127.0.0.1", 0, through_the_rack, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()

    def run() -> None:
        words = dict(word.split("=", 1) for word in machine.header.replace('"', "").removeprefix("OAuth ").split(", "))
        secret = unquote(words["oauth_signature"]).removeprefix("&")
        url = f"http://127.0.0.1:{server.server_port}/MAAS/metadata/"
        uplink = Uplink(Config(url, words["oauth_consumer_key"], words["oauth_token"], secret))
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        jobs, uploads = unpack(uplink.scripts(), str(folder))
        for job in jobs:
            Path(f"{job.path}.said").write_bytes(outputs().get(job.name, b""))
            Path(job.path).write_text('#!/bin/sh\ncat "$0.said"\n')
        status, reason = Runner(uplink, str(folder)).run(jobs, uploads)
        uplink.signal({"status": status, "error": reason if status != "OK" else ""})

    yield run
    server.shutdown()
    thread.join()
    server.server_close()


def test_scripts_run_for_each_device_in_their_version_of_then_and_results_tell_of_all(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, run_scripts: Callable[[], None]
) -> None:
    nics = '{"nic": {"type": "interface", "argument_format": "--nic={name} --mac {mac_address}"}}'
    upload(api, "a-nics", OF_NICS, parallel="instance", parameters=nics)
    upload(api, "b-of-others", "#!/bin/sh\nexit 1\n", for_hardware='["system_vendor:Nobody Inc", "pci:ffff:ffff"]')
    upload(api, "c-unasked", "#!/bin/sh\nexit 1\n", tags="noauto")
    disk = '{"disk": {"type": "storage", "default": "DISK1"}}'
    upload(api, "d-disk", '#!/bin/sh\necho "$@"\n', parallel="any", parameters=disk)
    upload(api, "e-test", OF_ENVIRONMENT, type="testing", tags="commissioning")
    upload(api, "f-test-unasked", "#!/bin/sh\nexit 1\n", type="testing")
    whole.until_scripts(api, agent, machine, m1)
    assert api.put("scripts/a-nics", data={"script": "#!/bin/sh\nexit 1\n"}).status_code == 200
    busy = api.delete("scripts/a-nics")
    assert busy.status_code == 409
    assert "is run by m1" in busy.text
    run_scripts()

    assert whole.read(api, m1)["status_name"] == "Ready", whole.read(api, m1)["status_message"]
    told = results(api, m1)
    assert [(each["parameters"], each["status_name"]) for each in told["a-nics"]] == [
        ({"nic": "ens3"}, "Passed"),
        ({"nic": "ens4"}, "Degraded"),
    ]
    assert _said(api, m1, "a-nics") == (
        "--nic=ens3 --mac 52:54:00:00:00:01\n", "--nic=ens4 --mac 52:54:00:00:00:02\n",
    )  # fmt: skip
    assert [each["status_name"] for each in told["b-of-others"]] == ["Skipped"]
    assert "has none of system_vendor:Nobody Inc" in _said(api, m1, "b-of-others")[0]
    assert told["c-unasked"] == told["f-test-unasked"] == []
    assert [each["parameters"] for each in told["d-disk"]] == [{"disk": "/dev/sda"}]
    assert _said(api, m1, "d-disk") == ("--storage=/dev/sda\n",)
    assert _said(api, m1, "e-test")[0].endswith("/MAAS\n")
    assert api.delete("scripts/a-nics").status_code == 204
    kept = [each for each in api.get(f"nodes/{m1}/results/").json[0]["results"] if each["name"] == "a-nics"]
    assert len(kept) == 2, "results stay"


def test_failure_is_named_and_ends_the_commissioning_before_any_test(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, run_scripts: Callable[[], None]
) -> None:
    upload(api, "a-says-so", "#!/bin/sh\necho 'status: failed' > $RESULT_PATH\n", tags="noauto, mine")
    upload(api, "b-slow", "#!/bin/sh\nexec sleep 60\n", tags="noauto, mine", timeout="1")
    upload(api, "c-skips", "#!/bin/sh\necho 'status: skipped' > $RESULT_PATH\nexit 1\n", tags="noauto, mine")
    upload(api, "d-test", "#!/bin/sh\n", type="testing")
    for parameter, word in (("commissioning_scripts", "d-test"), ("testing_scripts", "mine")):
        refused = api.post(f"machines/{m1}/?op=commission", data={parameter: word})
        assert refused.status_code == 400
        assert refused.json.keys() == {parameter}
    asked = {"commissioning_scripts": "mine,20-cpu", "testing_scripts": "d-test"}
    assert api.post(f"machines/{m1}/?op=commission", data=asked).status_code == 200
    agent.report(agent.job())
    machine.pull(str(agent.boots()["boot_id"]))
    run_scripts()

    known = whole.read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert "a-says-so says failed (exit status 0)" in known["status_message"]
    assert "b-slow timed out (exit status 124)" in known["status_message"]
    assert "c-skips" not in known["status_message"]
    told = results(api, m1)
    assert [told[name][0]["status_name"] for name in sorted(told)] == ["Failed", "Timed out", "Skipped", "Aborted"]


def test_reports_of_runs_that_make_no_sense_are_refused(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
) -> None:
    whole.until_scripts(api, agent, machine, m1)
    number = machine.scripts()["20-cpu"]
    for fields in ({"instance": 256}, {"instances": "[]"}, {"instances": "["}, {"instances": '[{"a": 1}]'}):
        assert machine.signal("WORKING", script_result_id=number, **fields).status_code == 400, fields


def _said(api: Any, system_id: str, name: str) -> tuple[str, ...]:
    return tuple(b64decode(each["stdout"]).decode() for each in results(api, system_id)[name])
