# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the service's processes are on a host: what faces the network may change no daemon."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[3]
UNITS = Path("etc/systemd/system")
DROP_INS = {"region_service": UNITS / "web.conf.j2", "rack_service": UNITS / "rackyard-rack-boot.service.d/web.conf.j2"}
# Filters of other collections.
init_plugin_loader()


def trusted(value: Any) -> Any:
    """Variables as a role has them: their texts may be templates."""
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: trusted(entry) for key, entry in value.items()}
    return [trusted(entry) for entry in value] if isinstance(value, list) else value


def variables(role: str) -> dict[str, Any]:
    """What a role gives its own tasks."""
    files = [ROOT / "roles" / role / folder / "main.yml" for folder in ("defaults", "vars")]
    return trusted({key: value for path in files for key, value in yaml.safe_load(path.read_text()).items()})


def template(role: str, path: Path) -> str:
    """The text of a role's template."""
    return (ROOT / "roles" / role / "templates" / path).read_text(encoding="utf-8")


def placed(role: str) -> set[str]:
    """Paths of the files that a role puts on a host."""
    entries = Templar(loader=DataLoader(), variables=variables(role)).template(
        trust_as_template(f"{{{{ __{role}_files }}}}")
    )
    return {str(entry["path"]) for entry in entries}


def setting(name: str, *texts: str) -> list[str]:
    """All that a unit and its drop-ins say of a setting, in systemd's order."""
    return [value for text in texts for value in re.findall(rf"(?m)^{name}=(.*)$", text)]


NETWORK_UNITS = [
    (role, path.name.removesuffix(".j2"))
    for role in DROP_INS
    for path in sorted((ROOT / "roles" / role / "templates" / UNITS).glob("*.service.j2"))
    if "gunicorn" in path.read_text(encoding="utf-8")
]


def test_every_process_that_answers_is_looked_at() -> None:
    assert len(NETWORK_UNITS) == 5


@pytest.mark.parametrize(("role", "unit"), NETWORK_UNITS, ids=[unit for _role, unit in NETWORK_UNITS])
def test_what_faces_the_network_owns_nothing_that_daemons_read(role: str, unit: str) -> None:
    assert f"/{UNITS}/{unit}.d/web.conf" in placed(role), "the file that makes it another user"
    # Drop-ins of all directories count in the order of their names: sandbox.conf, web.conf.
    sandbox = template("service_runtime", UNITS / "rackyard-.service.d/sandbox.conf.j2")
    texts = (template(role, UNITS / f"{unit}.j2"), sandbox, template(role, DROP_INS[role]))
    assert setting("User", *texts)[-1] == setting("Group", *texts)[-1] == "rackyard-web"
    writes = setting("ReadWritePaths", *texts)
    assert writes[-2] == "", "what it would inherit is taken back"
    assert writes[-1] in ("/run/rackyard/web", "/var/lib/rackyard/boot")


@pytest.mark.parametrize("role", DROP_INS)
def test_only_agent_and_worker_may_have_daemons_restarted(role: str) -> None:
    rules = template(role, Path(f"etc/polkit-1/rules.d/50-rackyard-{role.removesuffix('_service')}.rules.j2"))
    assert re.findall(r'subject\.(\w+) === "([^"]*)"', rules) == [("user", "rackyard")]
    assert "isInGroup" not in rules, "the agent's user is in the other's group, not the other way round"


def test_what_daemons_read_belongs_to_agent_and_worker() -> None:
    owners = {
        name: value
        for path in ROOT.glob("roles/*/defaults/main.yml")
        for name, value in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items()
        if name.endswith("_service_user")
    }
    assert {"dhcp_service_user", "dns_service_user", "http_service_user", "proxy_service_user"} <= set(owners)
    assert set(owners.values()) == {"rackyard"}
