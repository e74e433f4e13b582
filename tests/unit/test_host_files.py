# SPDX-License-Identifier: GPL-3.0-or-later
"""host_files as a task: a playbook against this machine, in a directory of its own."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name


class Play:
    """A playbook with one task, beside its templates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = folder / "host"
        self.host.mkdir()
        (folder / "templates").mkdir()

    def template(self, name: str, text: str) -> None:
        (self.folder / "templates" / name).write_text(text)

    def run(self, files: list[dict[str, Any]], *options: str, **variables: Any) -> dict[str, Any]:
        entries = [{"owner": USER, "group": GROUP, **entry, "path": str(self.host / entry["path"])} for entry in files]
        converge = {
            "name": "Converge",
            "rackyard.metal.host_files": {"files": entries},
            "register": "outcome",
            "ignore_errors": True,
        }
        tell = {
            "name": "Tell",
            "ansible.builtin.copy": {"dest": str(self.folder / "outcome.json"), "content": "{{ outcome | to_json }}"},
            "check_mode": False,
        }
        play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": [converge, tell]}
        (self.folder / "play.yml").write_text(json.dumps([play]))
        (self.folder / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {ROOT / 'collections'}\n")
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", *options, "play.yml"]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg")}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        outcome: dict[str, Any] = json.loads((self.folder / "outcome.json").read_text())
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
