# SPDX-License-Identifier: GPL-3.0-or-later
"""Power: asking for it, the queue of jobs, the racks that carry them out, and what became of them."""
