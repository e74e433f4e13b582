# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of callback plugin progress, by a real ansible-playbook."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = """
- name: First things
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Change something
      ansible.builtin.command: "true"
    - name: Change nothing
      ansible.builtin.command: "true"
      changed_when: false
    - name: Say something
      ansible.builtin.debug:
        msg: [one line, another line]
    - name: Fail as expected
      ansible.builtin.command: sh -c 'echo sorry >&2; exit 3'
      ignore_errors: true
    - name: Try some
      ansible.builtin.command: sh -c 'test {{ item }} != b'
      changed_when: false
      ignore_errors: true
      loop: [a, b, c]
    - name: Keep a secret
      ansible.builtin.command: sh -c 'echo hunter2; exit 1'
      no_log: true
      ignore_errors: true
    - name: Fail
      ansible.builtin.fail:
        msg: "Correct the inventory"
- name: For nobody
  hosts: nobody
  tasks: []
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the playbook shows, both streams, without a terminal."""
    place = tmp_path_factory.mktemp("progress")
    (place / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(place),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_STDOUT_CALLBACK": "rackyard.metal.progress",
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }
    done = subprocess.run(
        [
            "ansible-playbook",
            "-i",
            "localhost,",
            "-c",
            "local",
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            "play.yml",
        ],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout
    return done.stdout


def test_tasks_are_a_line_each_under_their_play(shown: str) -> None:
    assert re.search(r"^First things\n +\d+:\d\d  Change something\n        changed: localhost", shown, re.MULTILINE)
    assert re.search(r"^ +\d+:\d\d  Change nothing\n", shown, re.MULTILINE)
    assert "TASK [" not in shown


def test_debug_is_shown_as_text(shown: str) -> None:
    assert "        one line\n        another line\n" in shown


def test_failure_is_shown_with_everything_that_it_said(shown: str) -> None:
    assert "localhost: failed, which is expected here" in shown
    assert "exit status 3\n        stderr:\n          sorry\n" in shown
    assert "localhost: FAILED\n        Correct the inventory\n" in shown


def test_failed_item_is_named(shown: str) -> None:
    assert "localhost: FAILED for b" in shown
    assert "FAILED for a" not in shown


def test_secret_stays_secret(shown: str) -> None:
    assert "Keep a secret" in shown
    assert "hunter2" not in shown


def test_recap_counts(shown: str) -> None:
    (recap,) = [line for line in shown.splitlines() if line.startswith("localhost ")]
    assert "ok=6" in recap
    assert "changed=3" in recap
    assert "failed=1" in recap
    assert "ignored=3" in recap


def test_nothing_warns_or_breaks_inside(shown: str) -> None:
    assert "WARNING" not in shown
    assert "DEPRECATION" not in shown
    assert "Traceback" not in shown


def test_only_the_public_interface_is_used() -> None:
    tree = ast.parse((ROOT / "plugins/callback/progress.py").read_text(encoding="utf-8"))
    private = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
    }
    assert private == set()
