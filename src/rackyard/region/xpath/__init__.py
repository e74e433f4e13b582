# SPDX-License-Identifier: GPL-3.0-or-later
"""XPath expressions of operators over documents of machines: neither is trusted, so another process does the work.

`program.py` is that process, `evaluator.py` starts and understands it, `grammar.py` refuses what needs no document."""
