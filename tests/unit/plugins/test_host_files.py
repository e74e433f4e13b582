# SPDX-License-Identifier: GPL-3.0-or-later
"""host_files as a task: a playbook against this machine, in a directory of its own."""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.module_utils import host_look

ROOT = Path(__file__).resolve().parents[3]
USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name


class Play:
    """A playbook with one task, beside its templates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = folder / "host"
        self.host.mkdir()
        (folder / "templates").mkdir()
        self.said = ""

    def template(self, name: str, text: str) -> None:
        (self.folder / "templates" / name).write_text(text)

    def run(
        self, files: list[dict[str, Any]], *options: str, task: dict[str, Any] | None = None, **variables: Any
    ) -> dict[str, Any]:
        entries = [{"owner": USER, "group": GROUP, **entry, "path": str(self.host / entry["path"])} for entry in files]
        converge = {
            "name": "Converge",
            "rackyard.metal.host_files": {"files": entries, **(task or {})},
            "register": "outcome",
            "ignore_errors": True,
        }
        tell = {"name": "Tell", "ansible.builtin.debug": {"var": "outcome"}}
        play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": [converge, tell]}
        (self.folder / "play.yml").write_text(json.dumps([play]))
        settings = f"[defaults]\ncollections_path = {ROOT / 'collections'}\n[connection]\npipelining = true\n"
        (self.folder / "ansible.cfg").write_text(settings)
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", *options, "play.yml"]
        environment = {
            **os.environ, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default",
        }  # fmt: skip
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        self.said = done.stdout
        told = done.stdout.partition("TASK [Tell]")[2].partition("=> ")[2]
        outcome: dict[str, Any] = json.JSONDecoder().raw_decode(told)[0]["outcome"]
        return outcome


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


def test_makes_what_is_wanted_once(play: Play) -> None:
    play.template("motd.j2", "Hello {{ whom }}, {{ greeting }}\n")
    files = [
        {"path": "etc", "state": "directory", "mode": "0750"},
        {"path": "etc/motd", "template": "motd.j2", "vars": {"whom": "rack"}, "mode": "0640"},
    ]
    assert play.run(files, greeting="welcome")["changed_paths"] == [str(play.host / "etc"), str(play.host / "etc/motd")]
    assert (play.host / "etc/motd").read_text() == "Hello rack, welcome\n"
    assert (play.host / "etc").stat().st_mode & 0o777 == 0o750
    assert (play.host / "etc/motd").stat().st_mode & 0o777 == 0o640
    assert play.run(files, greeting="welcome")["changed"] is False


def test_a_missing_file_that_is_not_forced_is_made_and_then_left_alone(play: Play) -> None:
    assert play.run([{"path": "seed", "content": "first", "force": False}])["changed"] is True
    assert play.run([{"path": "seed", "content": "second", "force": False}])["changed"] is False
    assert (play.host / "seed").read_text() == "first"


def test_a_block_leaves_the_rest_of_the_file_alone(play: Play) -> None:
    rest = "# somebody else's\nhost all all 192.0.2.1/32 scram-sha-256\n"
    (play.host / "hba").write_text(rest)
    files = [{"path": "hba", "content": "local all ours peer\n", "block": True}]
    assert play.run(files)["changed"] is True
    first = (play.host / "hba").read_text()
    assert first == f"# BEGIN rackyard.metal\nlocal all ours peer\n# END rackyard.metal\n{rest}"
    assert play.run(files)["changed"] is False
    files[0]["content"] = "local all new peer"
    assert play.run(files)["changed"] is True
    assert (play.host / "hba").read_text() == first.replace("ours", "new")


def test_a_block_without_its_end_is_not_guessed(play: Play) -> None:
    (play.host / "hba").write_text("# BEGIN rackyard.metal\nlocal all ours peer\nlocal all theirs peer\n")
    outcome = play.run([{"path": "hba", "content": "local all ours peer\n", "block": True}])
    assert "without '# END rackyard.metal'" in outcome["msg"]


def test_permissions_are_put_right(play: Play) -> None:
    files = [{"path": "key", "content": "secret", "mode": "0600"}]
    play.run(files)
    (play.host / "key").chmod(0o666)
    assert play.run(files)["changed"] is True
    assert (play.host / "key").stat().st_mode & 0o777 == 0o600


def test_a_refused_file_never_replaces_a_good_one(play: Play) -> None:
    check = "python3 -m json.tool %s"
    play.run([{"path": "x.json", "content": "{}", "validate": check}])
    refused = play.run([{"path": "x.json", "content": "{", "validate": check}])
    assert "is refused by its check and stays as it was" in refused["msg"]
    assert (play.host / "x.json").read_text() == "{}"
    assert [path.name for path in play.host.iterdir()] == ["x.json"]


def test_check_mode_tells_and_changes_nothing(play: Play) -> None:
    files = [
        {"path": "new", "state": "directory", "owner": "made-by-an-earlier-task"},
        {"path": "new/file", "content": "text\n", "owner": "made-by-an-earlier-task"},
    ]
    told = play.run(files, "--check", "--diff")
    assert told["changed_paths"] == [str(play.host / "new"), str(play.host / "new/file")]
    assert told["diff"][1]["after"] == "text\n"
    assert list(play.host.iterdir()) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"path": "x", "content": "", "owner": "nobody-here"}, "belong to nobody-here"),
        ({"path": "no/x", "content": ""}, "name it before the file"),
        ({"path": "there", "content": ""}, "is not a file; move it away"),
    ],
)
def test_a_failure_names_the_object_and_the_remedy(play: Play, entry: dict[str, Any], words: str) -> None:
    (play.host / "there").mkdir()
    assert words in play.run([entry])["msg"]


def test_the_diff_shows_a_drift_of_owner_and_permissions(play: Play) -> None:
    files = [{"path": "key", "content": "secret", "mode": "0600"}, {"path": "etc", "state": "directory"}]
    play.run(files)
    (play.host / "key").chmod(0o666)
    told = play.run(files, "--check", "--diff")
    assert told["changed_paths"] == [str(play.host / "key")]
    (diff,) = told["diff"]
    assert diff["before"] == f"owner: {USER}\ngroup: {GROUP}\nmode: 0666\n"
    assert diff["after"] == f"owner: {USER}\ngroup: {GROUP}\nmode: 0600\n"
    assert (play.host / "key").stat().st_mode & 0o777 == 0o666


def test_a_backup_keeps_the_former_content_beside_the_new_one(play: Play) -> None:
    play.run([{"path": "x.conf", "content": "theirs\n"}])
    play.run([{"path": "x.conf", "content": "ours\n", "backup": True}])
    play.run([{"path": "x.conf", "content": "ours\n", "backup": True}])
    kept = [path.read_text() for path in play.host.iterdir() if path.name != "x.conf"]
    assert kept == ["theirs\n"]
    assert (play.host / "x.conf").read_text() == "ours\n"


def test_a_file_that_is_not_to_be_there_goes_and_a_directory_is_refused(play: Play) -> None:
    (play.host / "site").symlink_to("elsewhere")
    told = play.run([{"path": "site", "state": "absent"}], "--check", "--diff")
    assert told["diff"][0]["before"] == "link to elsewhere\n"
    assert play.run([{"path": "site", "state": "absent"}])["changed"] is True
    assert not (play.host / "site").is_symlink()
    assert play.run([{"path": "site", "state": "absent"}])["changed"] is False
    (play.host / "folder").mkdir()
    assert "only files are removed" in play.run([{"path": "folder", "state": "absent"}])["msg"]


def test_a_copy_on_the_host_is_made_and_never_shown(play: Play) -> None:
    copy = [{"path": "copy", "copy_of": str(play.host / "key"), "mode": "0640"}]
    assert play.run(copy, "--check", "--diff")["changed"] is True, "check mode: an earlier task would have made the key"
    assert "make it first" in play.run(copy)["msg"]
    (play.host / "key").write_text("secret")
    told = play.run(copy, "--diff")
    assert (play.host / "copy").read_text() == "secret"
    (diff,) = told["diff"]
    assert (diff["before"], diff["after"]) == ("absent\n", "secret content\n")
    assert play.run(copy)["changed"] is False


@pytest.mark.parametrize(("notation", "altchars"), [("base64", b"+/"), ("base64url", b"-_")])
def test_a_random_key_is_made_once_and_never_shown(play: Play, notation: str, altchars: bytes) -> None:
    files = [{"path": "key", "content": 'secret "%s";\n', "random": notation, "mode": "0640"}]
    told = play.run(files, "--check", "--diff")
    assert (told["changed"], told["diff"][0]["after"]) == (True, "secret content\n")
    assert not (play.host / "key").exists()
    told = play.run(files, "--diff", "-vvv")
    text = (play.host / "key").read_text()
    key = text.removeprefix('secret "').removesuffix('";\n')
    assert len(base64.b64decode(key, altchars, validate=True)) == 32
    assert key not in json.dumps(told)
    (play.host / "key").chmod(0o644)
    told = play.run(files, "--diff")
    assert (told["diff"][0]["before"].splitlines()[-1], told["diff"][0]["after"].splitlines()[-1]) == (
        "mode: 0644",
        "mode: 0640",
    )
    assert (play.host / "key").read_text() == text
    assert play.run(files)["changed"] is False


def test_a_command_after_an_entry_runs_when_it_changed_and_before_the_next_entry(play: Play) -> None:
    log = play.host / "log"
    files = [
        {"path": "profile", "content": "may read\n", "after": f"sh -c 'echo loaded >> {log}'"},
        {"path": "main", "content": "text\n", "validate": f"grep loaded {log} %s"},
    ]
    play.run(files)
    assert log.read_text() == "loaded\n"
    play.run(files)
    assert log.read_text() == "loaded\n", "nothing had changed"


def test_what_a_cut_off_run_left_behind_is_made_good_by_the_next_one(play: Play) -> None:
    """Written, then refused by the check of the whole: the daemon is yet to be reloaded, though the files are right."""
    (play.host / "other").write_text("broken")
    note = play.host / "pending"
    task = {"pending": str(note), "check": f"grep good {play.host / 'other'}"}
    files = [{"path": "main", "content": "new\n", "after": f"sh -c 'echo done >> {play.host / 'log'}'"}]
    refused = play.run(files, task=task)
    assert refused["failed"] is True
    assert "refuses what is in place" in refused["msg"]
    (play.host / "other").write_text("good")
    told = play.run(files, "--check", "--diff", task=task)
    assert told["changed"] is True
    assert told["diff"] == [
        {"before_header": str(note), "after_header": str(note), "before": "yet to be applied\n", "after": "applied\n"}
    ]
    again = play.run(files, task=task)
    assert (again["changed"], again["changed_paths"]) == (True, [str(play.host / "main")])
    assert (play.host / "log").read_text() == "done\ndone\n"
    note.unlink()
    assert play.run(files, task=task)["changed"] is False


def test_the_module_is_sent_only_where_there_is_something_to_do(play: Play) -> None:
    play.template("motd.j2", "Hello {{ whom }}\n")
    files = [{"path": "motd", "vars": {"whom": "you"}, "template": "motd.j2"}, {"path": "gone", "state": "absent"}]
    task = {"pending": str(play.host / "pending"), "proofs": ["true"]}
    assert play.run(files, "-vvv", task=task)["changed"] is True
    assert "Using module file" in play.said
    (play.host / "pending").unlink()
    assert (play.run(files, "-vvv", task=task)["proven"], "Using module file" in play.said) == (True, False)
    (play.host / "motd").chmod(0o600)
    assert play.run(files, "-vvv", "--check", task=task)["changed"] is True
    assert "Using module file" in play.said


def test_states_of_units_are_read_in_their_order_whatever_that_of_the_properties() -> None:
    text = "ActiveState=active\nUnitFileState=enabled\n\nUnitFileState=\nActiveState=inactive\n"
    assert host_look.properties(text) == [
        {"ActiveState": "active", "UnitFileState": "enabled"},
        {"ActiveState": "inactive", "UnitFileState": ""},
    ]


@pytest.mark.parametrize(("last", "proven"), [("true", True), ("false", False)])
def test_proofs_are_tried_where_nothing_was_changed(play: Play, last: str, proven: bool) -> None:
    tried = play.host / "tried"
    files, task = [{"path": "x", "content": "text\n"}], {"proofs": [f"touch {tried}", last]}
    assert play.run(files, task=task)["proven"] is False, "a change has yet to be taken over"
    assert play.run(files, "--check", task=task)["proven"] is False
    assert not tried.exists()
    outcome = play.run(files, task=task)
    assert (outcome["proven"], outcome["changed"], tried.exists()) == (proven, False, True)
