# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings. The pages need nothing from elsewhere to be read: no font, script or picture of another host."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = "Rackyard"
project_copyright = "The Rackyard developers, GPL-3.0-or-later"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
# The collection has its own index; these are over all collections.
exclude_patterns = [
    "collections/callback_index_stdout.rst",
    "collections/deprecations.rst",
    "collections/index*.rst",
    "collections/rackyard/index.rst",
]
html_theme = "furo"
html_title = "Rackyard"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_copy_source = False
myst_heading_anchors = 4
# An option of a command keeps its two hyphens.
smartquotes = False

# Pages are read again after a change of this file.
rules_of_pages = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
# What antsibull-docs refers to in Ansible's own pages.
ANSIBLE = "https://docs.ansible.com/ansible/latest"
ANSIBLE_PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
    "list_of_collections": "collections/index.html",
}
_OTHERS = re.compile(r"ansible_collections\.(?!rackyard\.)(\w+)\.(\w+)\.(\w+_module)$")


def in_ansible(
    _app: Sphinx, _env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement
) -> nodes.reference | None:
    """A link to Ansible's pages, for what is told there."""
    label = node["reftarget"]
    module = _OTHERS.match(label)
    page = f"collections/{'/'.join(module.groups())}.html" if module else ANSIBLE_PAGES.get(label)
    if label.startswith("ANSIBLE_"):
        page = f"reference_appendices/config.html#envvar-{label}"
    if page is None:
        return None
    return nodes.reference("", "", shown, refuri=f"{ANSIBLE}/{page}", internal=False)


# The theme has the page's contents beside it, and says so where a page has them twice.
_CONTENTS = re.compile(r"^\.\. contents::\n(?: +.*\n)*", re.MULTILINE)
_MODULE = re.compile(r"^    (\w+)_module$", re.MULTILINE)
_PLUGIN = re.compile(r"^    (\w+)_([a-z]+)$", re.MULTILINE)


def for_this_theme(_app: Sphinx, name: str, text: list[str]) -> None:
    """Take out of antsibull-docs' pages what this theme has itself, and shorten the names in the navigation."""
    if name.startswith("collections/"):
        with_modules = _MODULE.sub(r"    \1 <\1_module>", _CONTENTS.sub("", text[0]))
        text[0] = _PLUGIN.sub(r"    \1 (\2) <\1_\2>", with_modules) if name.endswith("/index") else with_modules


def setup(app: Sphinx) -> None:
    """Have Sphinx ask for what it does not know."""
    app.add_config_value("rules_of_pages", "", "env")
    app.connect("missing-reference", in_ansible)
    app.connect("source-read", for_this_theme)
