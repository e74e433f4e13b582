# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be so before any test of a plugin or a role is loaded."""

from ansible.plugins.loader import init_plugin_loader

# Ansible imports collections in its own way, and only when nobody has imported one in Python's way before.
init_plugin_loader()
