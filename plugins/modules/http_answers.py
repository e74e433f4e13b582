#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until every one of several HTTP servers of a host answers as it should."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: http_answers
short_description: Wait until several HTTP servers answer as they should
version_added: "0.1.0"
author: Rackyard contributors (@rackyard)
description:
  - Asks all servers at the same time, each until it answers with a status that is expected, and fails with what the others said last.
  - Does what M(ansible.builtin.uri) does in a loop with retries, without its cost for each item and each try.
options:
  requests:
    description: What is asked.
    type: list
    elements: dict
    required: true
    suboptions:
      url:
        description: What is asked for, C(http) or C(https). Redirects are answers, and are not followed.
        type: str
        required: true
      unix_socket:
        description: Socket of the host that is asked in place of the URL's address.
        type: path
      proxy:
        description: Proxy that is asked for the URL, as C(address:port); for C(http) only.
        type: str
      ca_path:
        description: Certificate of the authority that has signed the server's; for C(https). By default those that the host trusts.
        type: path
      status:
        description: Statuses that are right.
        type: list
        elements: int
        default: [200]
  units:
    description:
      - Units of systemd that must be active as well, for processes that nothing can be asked of. One that ends and is started again and
        again counts as started for systemd, but not as active.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds until all have answered. A single try waits for five at most.
    type: int
    default: 10
  advice:
    description: Where to look when there is no right answer; the last words of the error.
    type: str
    default: look at the journal of that host
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    description: Asks in check mode too. It changes nothing.
  diff_mode:
    support: none
  platform:
    platforms: posix
"""

EXAMPLES = r"""
- name: Verify that both processes answer
  rackyard.metal.http_answers:
    requests:
      - {url: http://localhost/MAAS/api/2.0/version/, unix_socket: /run/rackyard/web/region.sock}
      - {url: "https://localhost:5250/rpc/1/ca", ca_path: /etc/rackyard/tls/ca.crt}
    units: [rackyard-region-worker.service]
    advice: look at `journalctl -u 'rackyard-region*'`
"""

RETURN = r"""
statuses:
  description: Status of each answer, in the order of O(requests); 0 for one that did not come.
  type: list
  elements: int
  returned: always
  sample: [200, 200]
"""

import http.client
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

TRY_S = 5.0
PAUSE_S = 0.5


class UnixConnection(http.client.HTTPConnection):
    """A connection to a socket of this host."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def connection(request: dict[str, Any], timeout_s: float) -> http.client.HTTPConnection:
    """An unconnected connection to the server, or to the proxy, that is to be asked."""
    if request["unix_socket"]:
        return UnixConnection(request["unix_socket"], timeout_s)
    address = urlsplit(request["url"])
    if address.scheme == "https":
        context = ssl.create_default_context(cafile=request["ca_path"])
        return http.client.HTTPSConnection(address.hostname or "", address.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(request["proxy"] or address.netloc, timeout=timeout_s)


def ask(request: dict[str, Any], timeout_s: float) -> tuple[int, str]:
    """Status of one answer, or 0 and why there is none."""
    address = urlsplit(request["url"])
    target = address._replace(scheme="", netloc="").geturl() or "/"
    try:
        asked = connection(request, timeout_s)
        try:
            asked.request("GET", request["url"] if request["proxy"] else target, headers={"Host": address.netloc})
            answer = asked.getresponse()
            return answer.status, f"answers {answer.status} {answer.reason}"
        finally:
            asked.close()
    except (OSError, http.client.HTTPException) as reason:
        return 0, f"gives no answer ({str(reason) or type(reason).__name__})"


def wait(request: dict[str, Any], deadline: float) -> tuple[int, str]:
    """Ask until the answer is right, or the time is over: the last status, and what is wrong with it."""
    while True:
        status, words = ask(request, min(TRY_S, max(PAUSE_S, deadline - time.monotonic())))
        if status in request["status"]:
            return status, ""
        if time.monotonic() + PAUSE_S >= deadline:
            where = f"{request['unix_socket']}: " if request["unix_socket"] else ""
            through = f" through {request['proxy']}" if request["proxy"] else ""
            return status, f"{where}{request['url']}{through} {words}, not {' or '.join(map(str, request['status']))}"
        time.sleep(PAUSE_S)


def wait_for_units(module: AnsibleModule, deadline: float) -> str:
    """Ask systemd until all units are active, or the time is over; then what the others are."""
    units = module.params["units"]
    while units:
        _code, out, err = module.run_command(["systemctl", "is-active", "--", *units])
        states = dict(zip(units, out.split(), strict=False))
        others = [f"{unit} is {states.get(unit) or err.strip()}" for unit in units if states.get(unit) != "active"]
        if not others:
            return ""
        if time.monotonic() + PAUSE_S >= deadline:
            return ", ".join(others)
        time.sleep(PAUSE_S)
    return ""


def main() -> None:
    """Ask all at once."""
    one = {
        "url": {"type": "str", "required": True},
        "unix_socket": {"type": "path"},
        "proxy": {"type": "str"},
        "ca_path": {"type": "path"},
        "status": {"type": "list", "elements": "int", "default": [200]},
    }
    module = AnsibleModule(
        argument_spec={
            "requests": {"type": "list", "elements": "dict", "required": True, "options": one},
            "units": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 10},
            "advice": {"type": "str", "default": "look at the journal of that host"},
        },
        supports_check_mode=True,
    )
    requests = module.params["requests"]
    deadline = time.monotonic() + module.params["timeout"]
    with ThreadPoolExecutor(max_workers=max(1, len(requests))) as threads:
        answers = list(threads.map(lambda request: wait(request, deadline), requests))
    statuses = [status for status, _wrong in answers]
    wrong = [words for words in (*(words for _status, words in answers), wait_for_units(module, deadline)) if words]
    if wrong:
        module.fail_json(msg=f"{'; '.join(wrong)}; {module.params['advice']}", statuses=statuses)
    module.exit_json(changed=False, statuses=statuses)


if __name__ == "__main__":
    main()
