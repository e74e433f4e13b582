# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine goes through, and the signals that move it on."""
