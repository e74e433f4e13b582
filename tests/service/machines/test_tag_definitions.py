# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags with a definition: XPath of operators over what lshw says of machines, and neither is trusted."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from rackyard.region.db.machines import state
from rackyard.region.services.machines import definitions
from rackyard.region.services.site import retention
from rackyard.region.worker.tasks import tags as worker
from rackyard.region.xpath import evaluator, grammar

DATA = Path(__file__).resolve().parents[2] / "data/lshw"
SERVER, VIRTUAL = ((DATA / name).read_bytes() for name in ("server.xml", "virtual.xml"))
GPU = "//node[@class='display']/vendor[contains(., 'NVIDIA')]"
# Each step looks at all nodes for each node: more than 10^10 steps on the sample.
ENDLESS = "//node" + "[count(//node" * 7 + "[@id='none']" + ") = 0]" * 7
BOMB = b"<!DOCTYPE list [<!ENTITY a 'NVIDIA'>%s]><list><node class='display'><vendor>&%s;</vendor></node></list>"
LAUGHS = b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12))


@pytest.fixture
def said(ctx, execute) -> Callable[[str, bytes], None]:
    """What lshw says of a machine has come."""

    def say(hostname: str, document: bytes) -> None:
        ((machine_id,),) = execute("SELECT id FROM machine WHERE hostname = %s", (hostname,))
        with ctx.db.transaction() as tx:
            assert state.lock_by_id(tx, machine_id)
            definitions.keep_document(ctx, tx, machine_id, document)

    return say


@pytest.fixture
def machines(api, many_machines, said) -> dict[str, str]:
    """m00001 is a server, m00002 a virtual machine, of m00003 lshw has said nothing: their system_ids."""
    many_machines(3)
    said("m00001", SERVER)
    said("m00002", VIRTUAL)
    return {one["hostname"]: one["system_id"] for one in api.get("machines/").json}


def define(api, name: str, definition: str, method: str = "post") -> None:
    path = "tags/" if method == "post" else f"tags/{name}/"
    answer = getattr(api, method)(path, data={"name": name, "definition": definition})
    assert (answer.status_code, answer.json["definition"]) == (200, definition), answer.text


def members(api, name: str) -> list[str]:
    return [one["hostname"] for one in api.get(f"machines/?tags={name}").json]


def until(happens: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < give_up_at, "it never came to that"


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        (GPU, ["m00001"]),
        ("/list/node[@class='system']", ["m00001", "m00002"]),
        ("sum(//node[@id='memory']/size[@units='bytes']) >= 100 * 1024 * 1024 * 1024", ["m00001"]),
        ("//node[@class='network']/configuration/setting[@id='driver']/@value = 'virtio_net'", ["m00002"]),
        ("//capability[@id='hypervisor'] or //capability[@id='vmx']", ["m00001", "m00002"]),
        ("number(//node[@class='display']/vendor)", []),
        ("not(//node[@class='display'])", ["m00002"]),
    ],
)
def test_machines_that_a_definition_describes_get_the_tag(api, ctx, machines, definition, found) -> None:
    define(api, "t", definition)
    assert worker.evaluate(ctx) > 0
    assert members(api, "t") == found
    assert worker.evaluate(ctx) == 0, "nothing is left to do"


def test_tag_follows_definition_and_document_and_says_so(api, ctx, machines, said) -> None:
    data = {"add": [machines["m00002"], machines["m00003"]]}
    api.post("tags/", data={"name": "gpu"})
    assert api.post("tags/gpu/?op=update_nodes", data=data).status_code == 200
    define(api, "gpu", GPU, "put")
    assert members(api, "gpu") == ["m00002"], "nothing describes the third"
    refused = api.post("tags/gpu/?op=update_nodes", data=data)
    assert (refused.status_code, "has a definition" in refused.text) == (409, True)
    worker.evaluate(ctx)
    assert members(api, "gpu") == ["m00001"]
    said("m00003", SERVER)
    said("m00001", VIRTUAL)
    worker.evaluate(ctx)
    assert members(api, "gpu") == ["m00003"]
    events = api.get("events/?op=query&hostname=m00003").json["events"]
    assert [(event["type"], event["username"]) for event in events if "definition" in event["description"]] == [
        ("NODE_TAG_ADDED", None),
        ("NODE_TAG_REMOVED", "admin"),
    ]
    trail = [entry for entry in api.get("audit/").json["entries"] if entry["object"] == "machine_tag"]
    assert (trail[0]["actor"], trail[0]["source"]) == ("(system)", "worker")
    define(api, "gpu", "", "put")
    worker.evaluate(ctx)
    assert members(api, "gpu") == ["m00003"], "without a definition it stays where it is"
    assert api.post("tags/gpu/?op=update_nodes", data=data).json == {"added": 2, "removed": 0}


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        ("//node[foo()]", "there is no function foo()"),
        ("//node[@id='none' and foo()]", "there is no function foo()"),
        ("document('/etc/passwd')", "there is no function document()"),
        ("//node[re:test(., 'x')]", "there is no namespace re"),
        ("//node[$x]", "there is no variable $x"),
        ("//node[", "Invalid expression"),
        ("count('a')", "Invalid type"),
        ("//node\x01", "cannot be printed"),
        ("//node" + "[1]" * 1000, "more than 2000 characters"),
        (ENDLESS, "0.5 s of processor time"),
    ],
)
def test_definition_that_cannot_be_used_is_refused_with_its_fault(api, definition: str, fault: str) -> None:
    answer = api.post("tags/", data={"name": "t", "definition": definition})
    assert (answer.status_code, list(answer.json)) == (400, ["definition"]), answer.text
    assert fault in answer.json["definition"][0]
    assert api.get("tags/").json == []


@pytest.mark.parametrize("definition", ['//node[@id="f(x)"]', "//node[contains(@id,'$x:y(')]", "//self::node()", "//*"])
def test_what_only_looks_like_a_fault_is_none(definition: str) -> None:
    assert grammar.fault(definition) is None


def test_hostile_documents_match_nothing_and_hold_nobody_up(api, ctx, machines, said) -> None:
    define(api, "gpu", GPU)
    define(api, "all", "//node")
    worker.evaluate(ctx)
    said("m00001", BOMB % (LAUGHS, b"m"))
    said("m00002", BOMB % (b"<!ENTITY x SYSTEM 'file:///etc/passwd'>", b"x"))
    said("m00003", SERVER)
    worker.evaluate(ctx)
    assert (members(api, "gpu"), members(api, "all")) == (["m00003"], ["m00003"])
    events = api.get("events/?op=query&hostname=m00001&level=WARNING").json["events"]
    assert "cannot be read" in events[0]["description"]


def test_definition_that_takes_too_long_is_given_up_and_the_others_go_on(api, ctx, machines, said, execute) -> None:
    define(api, "gpu", GPU)
    # On the sample it takes nothing: it was written for this machine.
    define(api, "bad", "//node[@id='m1']" + ENDLESS.removeprefix("//node"))
    define(api, "odd", "//node[@id='m1'][count(string(.)) > 1]")
    worker.evaluate(ctx)
    assert (members(api, "gpu"), members(api, "bad")) == (["m00001"], [])
    faults = {tag["name"]: tag["definition_fault"] for tag in api.get("tags/").json}
    assert api.get("tags/bad/").json["definition_fault"] == faults["bad"]
    assert ("processor time" in faults["bad"], "Invalid type" in faults["odd"], faults["gpu"]) == (True, True, "")
    words = [event["description"] for event in api.get("events/?op=query&level=WARNING").json["events"]]
    assert sum("is not evaluated any more" in each for each in words) == 2
    said("m00003", SERVER)
    worker.evaluate(ctx)
    assert members(api, "gpu") == ["m00001", "m00003"]
    assert api.post("tags/bad/?op=rebuild").json == {"rebuilding": "bad"}
    assert execute("SELECT evaluated_to, definition_fault FROM tag WHERE name = 'bad'") == [(0, "")]


def test_work_goes_on_portion_by_portion_where_another_region_died(api, ctx, many_machines, said) -> None:
    many_machines(7)
    for number in range(1, 8):
        said(f"m{number:05}", SERVER if number % 2 else VIRTUAL)
    worker.evaluate(ctx)
    define(api, "gpu", GPU)
    assert definitions.evaluate_some(ctx, 3)
    assert members(api, "gpu") == ["m00001", "m00003"], "here the region died"
    while definitions.evaluate_some(ctx, 3):
        pass
    assert members(api, "gpu") == ["m00001", "m00003", "m00005", "m00007"]


def test_change_of_a_definition_during_an_evaluation_neither_deadlocks_nor_leaves_a_wrong_machine(
    api, ctx, machines, execute
) -> None:
    """The other transaction has the tag's row when the evaluation comes to it, and wants the machine's next."""
    define(api, "gpu", GPU)
    evaluation = threading.Thread(target=definitions.evaluate_some, args=(ctx,))
    with psycopg2.connect(ctx.config.dsn) as other, other.cursor() as cursor:
        cursor.execute("SELECT id FROM tag WHERE name = 'gpu' FOR UPDATE")
        evaluation.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        until(lambda: execute(waits) == [(1,)])
        cursor.execute("SELECT id FROM machine ORDER BY id FOR UPDATE")
        cursor.execute("UPDATE tag SET definition = 'not(' || definition || ')', evaluated_to = 0 WHERE name = 'gpu'")
    other.close()
    evaluation.join()
    assert members(api, "gpu") == [], "what was found for the old definition counts no more"
    worker.evaluate(ctx)
    assert members(api, "gpu") == ["m00002"]


def test_hand_made_tagging_and_evaluation_lock_in_the_same_order(api, ctx, machines, execute) -> None:
    """While somebody has the machine's row, whoever tags it holds the tag's row already, and so does an evaluation."""
    api.post("tags/", data={"name": "ssd"})
    add = {"data": {"add": machines["m00001"]}}
    tagging = threading.Thread(target=api.post, args=("tags/ssd/?op=update_nodes",), kwargs=add)
    with psycopg2.connect(ctx.config.dsn) as other, other.cursor() as cursor:
        cursor.execute("SELECT id FROM machine WHERE hostname = 'm00001' FOR UPDATE")
        tagging.start()
        until(lambda: execute("SELECT id FROM tag FOR UPDATE SKIP LOCKED") == [])
    other.close()
    tagging.join()
    assert members(api, "ssd") == ["m00001"]


def test_details_are_bson_and_outlive_what_is_kept_of_boots(api, ctx, machines) -> None:
    retention.tidy(ctx)
    answer = api.get(f"machines/{machines['m00001']}/?op=details")
    assert answer.headers["Content-Type"] == "application/bson"
    whole = b"\x05lshw\x00" + struct.pack("<i", len(SERVER)) + b"\x00" + SERVER + b"\x0alldp\x00\x00"
    assert answer.data == struct.pack("<i", len(whole) + 4) + whole
    empty = api.get(f"nodes/{machines['m00003']}/?op=details").data
    assert empty == b"\x11\x00\x00\x00\x0alshw\x00\x0alldp\x00\x00"
    assert api.get("machines/none/?op=details").status_code == 404


def test_list_of_tags_asks_one_question_whatever_machines_there_are(api, ctx, machines, monkeypatch) -> None:
    define(api, "gpu", GPU)
    asked: list[str] = []
    monkeypatch.setattr(ctx.db, "on_statement", asked.append)
    assert len(api.get("tags/").json) == 1
    assert [name for name in asked if "tags" in name or "definitions" in name] == ["machines.tags.all"]


def test_evaluation_in_a_gevent_worker_is_limited_and_lets_others_run() -> None:
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import gevent\n"
        "from rackyard.region.ephemeral.sample import SAMPLE\n"
        "from rackyard.region.xpath.evaluator import evaluate\n"
        "ticks = 0\n"
        "def tick():\n"
        "    global ticks\n"
        "    while True: gevent.sleep(0.02); ticks += 1\n"
        "gevent.spawn(tick)\n"
        f"print(evaluate({{1: {ENDLESS!r}}}, [(1, SAMPLE)]).faults, ticks > 5)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60,
                          env={"PYTHONPATH": ":".join(sys.path)})  # fmt: skip
    assert "processor time" in done.stdout, done.stderr
    assert done.stdout.rstrip().endswith("True")


def test_memory_is_limited_and_documents_before_the_fault_count() -> None:
    limits = evaluator.Limits(definition_cpu_s=0.05, document_cpu_s=20.0)
    slow = ENDLESS.replace("[count(//node" * 7, "[count(//node" * 5).replace(") = 0]" * 7, ") = 0]" * 5)
    verdicts = evaluator.evaluate({1: slow, 2: GPU}, [(5, SERVER), (6, VIRTUAL), (7, b"<a"), (8, SERVER)], limits)
    assert verdicts.faults == {1: "it took more than 0.05 s of processor time"}
    assert {number: found & {2} for number, found in verdicts.matches.items()} == {5: {2}, 6: set(), 7: set(), 8: {2}}
    assert verdicts.unreadable == {7}
    small = evaluator.Limits(memory_bytes=96 * 2**20, document_cpu_s=20.0)
    deep = b"<list>" + b"<node><a>x</a></node>" * 400_000 + b"</list>"
    verdicts = evaluator.evaluate({2: GPU}, [(1, deep), (2, SERVER)], small)
    assert (verdicts.unreadable, verdicts.matches) == ({1}, {1: set(), 2: {2}})
