# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker does by the clock; each function is one pass, and no request needs any of them."""
