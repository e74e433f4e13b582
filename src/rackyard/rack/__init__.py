# SPDX-License-Identifier: GPL-3.0-or-later
"""The rack service: the agent that works for the regions, and the boot service that answers machines."""
