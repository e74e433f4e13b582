# SPDX-License-Identifier: GPL-3.0-or-later
"""A page for each playbook: what the comment at its head says, the variables it reads, its plays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# As docs/variables.md has them: name, the rest of the row.
ROW = re.compile(r"^\| `(rackyard_\w+)` \| (.+) \|$", re.MULTILINE)
# Those for the lab, which ./run calls, with its words.
RUN = {"demo": "demo", "lab": "lab up"}
_VARIABLE = re.compile(r"^ {2,}(\w+) +(\S.*)$")


@dataclass(frozen=True)
class Head:
    """The comment at a playbook's head: prose, and variables with what each means."""

    prose: str
    variables: dict[str, str]


def head_of(text: str) -> Head:
    """Take the comment apart. A variable is a line that is indented, with its name and what it means."""
    lines = text.splitlines()
    prose: list[str] = []
    variables: dict[str, str] = {}
    for line in lines[lines.index("---") + 1 :]:
        if not line.startswith("#"):
            break
        said = line.removeprefix("#").removeprefix(" ")
        variable = _VARIABLE.match(f" {said}")
        if variable:
            variables[variable[1]] = variable[2]
        elif "SPDX-License-Identifier" not in said:
            prose.append(said)
    return Head("\n".join(prose), variables)


def page(playbook: Path, rows: dict[str, str]) -> str:
    """The page of a playbook, in Markdown. `rows` are those of docs/variables.md, by variable."""
    head = head_of(playbook.read_text(encoding="utf-8"))
    name = playbook.stem
    lines = [f"# {name}.yml", "", head.prose, ""]
    if name in RUN:
        lines += ["```console", f"# ./run {RUN[name]}", "```", ""]
    else:
        lines += ["```console", f"$ ansible-playbook -i inventory/mysite playbooks/{name}.yml", "```", ""]
        lines += [f"From the installed collection: `rackyard.metal.{name}`.", ""]
    if head.variables:
        lines += ["## Variables of a run", "", "| with `-e` | |", "|---|---|"]
        lines += [f"| `{variable}` | {words} |" for variable, words in head.variables.items()] + [""]
    texts = "\n".join(path.read_text(encoding="utf-8") for path in files_of(playbook))
    read = [variable for variable in rows if re.search(rf"\b{variable}\b", texts) and variable not in head.variables]
    if read:
        lines += ["## Variables of the site", "", "All of them are in [variables](../docs/variables.md).", ""]
        lines += ["| variable | default | |", "|---|---|---|"]
        lines += [f"| `{variable}` | {rows[variable].replace('](', '](../docs/')} |" for variable in read] + [""]
    lines += ["## Plays", "", "| play | on | does |", "|---|---|---|"]
    lines += [_row(play) for play in load(playbook)]
    return "\n".join([*lines, ""])


def index(playbooks: list[Path]) -> str:
    """The list of playbooks with the first sentence of each."""
    lines = ["# Playbooks", "", "| playbook | does |", "|---|---|"]
    for playbook in playbooks:
        prose = head_of(playbook.read_text(encoding="utf-8")).prose.replace("\n", " ")
        lines.append(f"| [{playbook.stem}]({playbook.stem}.md) | {escaped(re.split(r'(?<=[.]) ', prose)[0])} |")
    names = [playbook.stem for playbook in playbooks]
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", ":titlesonly:", "", *names, "```", ""])


def load(path: Path) -> Any:
    """The YAML document in a file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def files_of(playbook: Path) -> Iterator[Path]:
    """The playbook, and the files of tasks that it runs by name."""
    yield playbook
    for name in sorted(set(re.findall(r"_tasks: (tasks/\w+\.yml)", playbook.read_text(encoding="utf-8")))):
        yield playbook.parent / name


def _row(play: dict[str, Any]) -> str:
    imported = play.get("import_playbook")
    if imported:
        return f"| {play['name']} | | what [{imported}]({Path(imported).stem}.md) does |"
    roles = [entry["role"].removeprefix("rackyard.metal.") for entry in play.get("roles", [])]
    tasks = [
        task["name"] for part in ("pre_tasks", "tasks", "post_tasks") for task in play.get(part, []) if "name" in task
    ]
    done = [f"role [{role}](../roles/{role}/README.md)" for role in roles] + tasks
    return f"| {play['name']} | `{_hosts(play['hosts'])}` | {'<br>'.join(done)} |"


def _hosts(pattern: str) -> str:
    """The hosts of a play, where the group that not every site has is named plainly."""
    return escaped(re.sub(r"\{\{ ':(\w+)' if .*? \}\}", r":\1", pattern))


def escaped(words: str) -> str:
    """Words that stand in a table."""
    return words.replace("|", "\\|")
