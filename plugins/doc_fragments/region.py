# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  region_url:
    description:
      - Address of the region, with the C(/MAAS) at its end.
      - Taken from the environment variable E(RACKYARD_URL) when not given.
    type: str
    required: true
  api_key:
    description:
      - API key in its text form C(consumer:token:secret).
      - The first region keeps the administrator's key in C(/etc/rackyard/admin.apikey).
      - Taken from the environment variable E(RACKYARD_API_KEY) when not given, else from the file that E(RACKYARD_API_KEY_FILE) names.
    type: str
  validate_certs:
    description:
      - Whether the certificate of an C(https) region must be valid.
      - Taken from the environment variable E(RACKYARD_VALIDATE_CERTS) when not given.
    type: bool
    default: true
  ca_path:
    description:
      - PEM file of a CA to trust besides the system's. An empty file is as good as none.
      - Taken from the environment variable E(RACKYARD_CA_PATH) when not given.
    type: path
  request_timeout_s:
    description:
      - Seconds that the region may take for one answer.
      - Taken from the environment variable E(RACKYARD_REQUEST_TIMEOUT_S) when not given.
    type: float
    default: 60.0
"""
