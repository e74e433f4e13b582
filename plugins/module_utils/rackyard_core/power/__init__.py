# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power control of machines: one driver per kind of BMC, known by name in ``registry``; ``orders`` says what to do."""
