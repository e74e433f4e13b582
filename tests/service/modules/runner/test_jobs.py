# SPDX-License-Identifier: GPL-3.0-or-later
"""What the other tests rely on: jobs cannot see the repository, and one that shows a secret is noticed."""

from __future__ import annotations

import pytest

from .jobs import ROOT, Controller

TASK = "{ansible.builtin.debug: {msg: \"{{ lookup('env', 'MY_PASSWORD') }}\"}}"
TELL = {"tell.yml": f"- {{hosts: localhost, gather_facts: false, tasks: [{TASK}]}}"}


def test_jobs_have_no_repository_and_no_rights(installed: Controller) -> None:
    seen = installed.unprivileged("ls", str(ROOT))
    assert (seen.returncode, seen.stdout) == (2, "")
    assert "Permission denied" in seen.stderr
    assert installed.unprivileged("id", "-un").stdout == "runner\n"
    assert installed.unprivileged("touch", str(installed.collection / "x")).returncode != 0


def test_job_that_shows_a_secret_is_noticed(controller: Controller) -> None:
    secret = controller.secrets[0]
    harmless = controller.run("tell.yml", project=TELL, environment={"MY_PASSWORD": "harmless"})
    assert harmless.status == 0, harmless.stdout
    assert "harmless" in harmless.stdout
    with pytest.raises(AssertionError, match=r"/stdout|/job_events/"):
        controller.run("tell.yml", project=TELL, environment={"MY_PASSWORD": secret})
