# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks: enrolment, registration, desired state, names."""
