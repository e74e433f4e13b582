# SPDX-License-Identifier: GPL-3.0-or-later
"""Role firewall as Ansible renders it, for tests that read the rules and for those that load them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from role_variables import trusted

ROLE = Path(__file__).resolve().parents[2] / "roles/firewall"


def _templar(tiers: list[str], inputs: dict[str, Any], links: list[dict[str, Any]]) -> Templar:
    files = (ROLE / "defaults/main.yml", ROLE / "vars/main.yml")
    variables = {name: value for path in files for name, value in yaml.safe_load(path.read_text("utf-8")).items()}
    variables = trusted(variables) | {"rackyard_tiers": tiers}
    variables["__firewall_seen"] = {"stdout_lines": ["Welcome to [a host]", "from", json.dumps(links)]}
    return Templar(loader=DataLoader(), variables=variables | inputs)


def rules(tiers: list[str], links: list[dict[str, Any]] | None = None, **inputs: Any) -> str:
    """The file of rules of a host in these tiers; `links` are its interfaces."""
    text = (ROLE / "templates/etc/rackyard/firewall.nft.j2").read_text(encoding="utf-8")
    return str(_templar(tiers, inputs, links or []).template(trust_as_template(text)))


def table(tiers: list[str], **inputs: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The role's rows, and who is who."""
    templar = _templar(tiers, inputs, [])
    rows = templar.template(trust_as_template("{{ __firewall_table + __firewall_openings }}"))
    return rows, templar.template(trust_as_template("{{ __firewall_parties }}"))
