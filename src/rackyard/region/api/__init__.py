# SPDX-License-Identifier: GPL-3.0-or-later
"""The MAAS 2.0 shaped API: parse, call one service function, serialise."""
