# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine runs as its user data; standard library only, Python 3.9 or newer.

A machine gets the parts as one program (``userdata.py``), so they share one namespace: a part imports names from
another, never the module, and under no other name.
"""
