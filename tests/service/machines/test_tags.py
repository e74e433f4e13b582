# SPDX-License-Identifier: GPL-3.0-or-later
"""`tags/`: names for groups of machines, what is found by them, and what they add to a kernel line."""

from __future__ import annotations

import pytest

from rackyard.region.services.machines import tags


def refused(response, field: str) -> str:
    assert response.status_code == 400, response.text
    assert list(response.json) == [field]
    return response.json[field][0]


@pytest.fixture
def machines(api) -> dict[str, str]:
    """The system_ids of m1, m2 and m3."""
    found = {}
    for number in (1, 2, 3):
        given = {"commission": "false", "hostname": f"m{number}", "mac_addresses": f"52:54:00:20:01:0{number}"}
        found[f"m{number}"] = api.post("machines/", data=given).json["system_id"]
    return found


@pytest.fixture
def tagged(api, machines) -> dict[str, str]:
    """m1 and m2 are `ssd`, m2 and m3 are `new`."""
    for name, members in (("ssd", ("m1", "m2")), ("new", ("m2", "m3"))):
        assert api.post("tags/", data={"name": name}).status_code == 200
        data = {"add": [machines[member] for member in members]}
        assert api.post(f"tags/{name}/?op=update_nodes", data=data).json == {"added": 2, "removed": 0}
    return machines


def hostnames(api, query: str) -> list[str]:
    answer = api.get(f"machines/?{query}")
    assert answer.status_code == 200, answer.text
    return [machine["hostname"] for machine in answer.json]


def test_new_tag_has_what_was_said_and_nothing_is_null(api) -> None:
    made = api.post("tags/", data={"name": "gpu_A-1", "comment": "with an accelerator", "definition": ""})
    assert made.status_code == 200, made.text
    assert made.json == {
        "name": "gpu_A-1",
        "comment": "with an accelerator",
        "definition": "",
        "definition_fault": "",
        "kernel_opts": "",
        "resource_uri": "/MAAS/api/2.0/tags/gpu_A-1/",
    }
    api.post("tags/", data={"name": "GPU"})
    assert [tag["name"] for tag in api.get("tags/").json] == ["GPU", "gpu_A-1"]
    assert api.get("tags/gpu_A-1/").json == made.json


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "a.b", "x" * 257, "a\n"])
def test_name_that_maas_would_refuse_is_refused(api, name: str) -> None:
    assert refused(api.post("tags/", data={"name": name}), "name")
    assert api.get("tags/").json == []


def test_second_tag_of_a_name_is_refused(api) -> None:
    api.post("tags/", data={"name": "ssd"})
    api.post("tags/", data={"name": "new"})
    assert "ssd exists already" in refused(api.post("tags/", data={"name": "ssd"}), "name")
    assert "ssd exists already" in refused(api.put("tags/new/", data={"name": "ssd"}), "name")


def test_update_changes_what_is_given_and_a_renamed_tag_stays_on_its_machines(api, tagged) -> None:
    api.put("tags/ssd/", data={"comment": "fast", "kernel_opts": "nvme.poll_queues=2"})
    changed = api.put("tags/ssd/", data={"name": "flash"}).json
    assert (changed["name"], changed["comment"], changed["kernel_opts"]) == ("flash", "fast", "nvme.poll_queues=2")
    assert api.get("tags/ssd/").status_code == 404
    assert api.get(f"machines/{tagged['m2']}/").json["tag_names"] == ["flash", "new"]


def test_deleted_tag_is_on_no_machine(api, tagged) -> None:
    assert api.delete("tags/ssd/").status_code == 204
    assert [machine["tag_names"] for machine in api.get("machines/").json] == [[], ["new"], ["new"]]
    assert api.delete("tags/ssd/").status_code == 404


def test_deleted_machine_leaves_its_tags(api, tagged) -> None:
    assert api.delete(f"machines/{tagged['m2']}/").status_code == 204
    assert [machine["hostname"] for machine in api.get("tags/ssd/?op=machines").json] == ["m1"]


def test_machines_show_their_tags_by_name(api, tagged) -> None:
    assert {machine["hostname"]: machine["tag_names"] for machine in api.get("machines/").json} == {
        "m1": ["ssd"],
        "m2": ["new", "ssd"],
        "m3": ["new"],
    }
    assert api.get("machines/?fields=tag_names&hostname=m2").json == [{"tag_names": ["new", "ssd"]}]


@pytest.mark.parametrize("op", ["machines", "nodes"])
def test_machines_of_a_tag_have_their_own_shape(api, tagged, op: str) -> None:
    found = api.get(f"tags/ssd/?op={op}").json
    assert found == [api.get(f"machines/{tagged[name]}/").json for name in ("m1", "m2")]
    assert api.get(f"tags/none/?op={op}").status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tags=ssd", ["m1", "m2"]),
        ("tags=ssd&tags=new", ["m2"]),
        ("tags=ssd,new", ["m2"]),
        ("tags=ssd&tags=ssd", ["m1", "m2"]),
        ("not_tags=ssd", ["m3"]),
        ("not_tags=ssd,new", []),
        ("tags=new&not_tags=ssd", ["m3"]),
        ("tags=ssd&hostname=m2", ["m2"]),
        ("tags=&not_tags=", ["m1", "m2", "m3"]),
    ],
)
def test_machines_are_found_by_tags(api, tagged, query: str, found: list[str]) -> None:
    assert hostnames(api, query) == found


@pytest.mark.parametrize("field", ["tags", "not_tags"])
def test_filter_by_a_tag_that_is_not_there_is_refused(api, tagged, field: str) -> None:
    assert "'sdd'" in refused(api.get(f"machines/?{field}=ssd,sdd"), field)
    assert "'sdd'" in refused(api.get(f"machines/?op=power_parameters&{field}=sdd"), field)


def test_power_parameters_are_found_by_tags(api, many_machines) -> None:
    many_machines(2)
    first, second = (machine["system_id"] for machine in api.get("machines/").json)
    api.post("tags/", data={"name": "ssd"})
    api.post("tags/ssd/?op=update_nodes", data={"add": second})
    assert list(api.get("machines/?op=power_parameters&tags=ssd").json) == [second]
    assert list(api.get("machines/?op=power_parameters&not_tags=ssd").json) == [first]


def test_update_of_machines_adds_removes_and_can_be_repeated(api, tagged) -> None:
    data = {"add": tagged["m3"], "remove": [tagged["m1"], tagged["m2"]]}
    for _time in range(2):
        assert api.post("tags/ssd/?op=update_nodes", data=data).json == {"added": 1, "removed": 2}
        assert hostnames(api, "tags=ssd") == ["m3"]
    events = api.get("events/?op=query&hostname=m3").json["events"]
    assert [event["description"] for event in events if event["type"] == "NODE_TAG_ADDED"] == [
        "tag ssd was added",
        "tag new was added",
    ], "one event for each change, and none for what was so already"
    assert {event["username"] for event in events} == {"admin"}


@pytest.mark.parametrize("field", ["add", "remove"])
def test_unknown_machine_is_named_and_nothing_is_changed(api, tagged, field: str) -> None:
    other = {"add": "remove", "remove": "add"}[field]
    data = {field: [tagged["m1"], "nobody"], other: tagged["m2"]}
    assert "'nobody'" in refused(api.post("tags/new/?op=update_nodes", data=data), field)
    assert hostnames(api, "tags=new") == ["m2", "m3"]
    assert api.post("tags/none/?op=update_nodes", data=data).status_code == 404


def test_machine_that_is_to_get_and_lose_a_tag_is_named(api, tagged) -> None:
    data = {"add": tagged["m1"], "remove": tagged["m1"]}
    assert tagged["m1"] in refused(api.post("tags/new/?op=update_nodes", data=data), "remove")


def test_changes_of_tags_are_in_the_audit_log(api) -> None:
    api.post("tags/", data={"name": "ssd"})
    api.put("tags/ssd/", data={"name": "flash"})
    api.delete("tags/flash/")
    events = api.get("events/?op=query&level=AUDIT").json["events"]
    assert [(event["type"], event["description"], event["username"]) for event in events] == [
        ("TAG", "Tag flash was deleted", "admin"),
        ("TAG", "Tag flash was changed: name ssd → flash", "admin"),
        ("TAG", "Tag ssd was created", "admin"),
    ]


@pytest.mark.parametrize("word", ["a'b", "$(x)", "a{b}", "a;b", 'a"b', "a\\b", "-x"])
def test_kernel_options_that_could_break_a_loaders_configuration_are_refused(api, word: str) -> None:
    message = refused(api.post("tags/", data={"name": "ssd", "kernel_opts": f"quiet {word}"}), "kernel_opts")
    assert "not safe on a kernel line" in message


def test_kernel_options_have_a_longest_length(api) -> None:
    assert api.post("tags/", data={"name": "a", "kernel_opts": "x" * 200 + " " + "y" * 200}).status_code == 200
    assert refused(api.post("tags/", data={"name": "b", "kernel_opts": " ".join(["x" * 200] * 3)}), "kernel_opts")


def test_kernel_options_of_a_machine_are_those_of_its_tags_by_name(api, tagged, ctx, execute) -> None:
    api.put("tags/ssd/", data={"kernel_opts": "  nvme.poll_queues=2   quiet "})
    api.put("tags/new/", data={"kernel_opts": "iommu=pt"})
    with ctx.db.transaction() as tx:
        words = {
            hostname: tags.kernel_words(tx, machine_id)
            for machine_id, hostname in execute("SELECT id, hostname FROM machine")
        }
    assert words == {
        "m1": ["nvme.poll_queues=2", "quiet"],
        "m2": ["iommu=pt", "nvme.poll_queues=2", "quiet"],
        "m3": ["iommu=pt"],
    }
