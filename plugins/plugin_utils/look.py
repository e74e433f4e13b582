# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a host something by a program that needs only Python's own library, without what a module costs there.

A module's first 0.1 s of processor on a host is for what every module has. A question to which the answer is mostly
"nothing to do" is better asked without; whatever is odd about it is left to the module.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase

UTILS = Path(__file__).resolve().parent.parent / "module_utils"

# Makes a package of the texts, the last of which has the function. An answer of null says: ask the module.
PROGRAM = """
import json, sys, types
texts, function, arguments = json.loads(%r)
sys.modules["looking"] = package = types.ModuleType("looking")
package.__path__ = []
for name, text in texts:
    module = sys.modules["looking." + name] = types.ModuleType("looking." + name)
    module.__package__ = "looking"
    exec(compile(text, name, "exec"), module.__dict__)
try:
    answer = getattr(module, function)(**arguments)
except Exception:
    answer = None
print(json.dumps(answer))
"""


@cache
def _text(name: str) -> str:
    return (UTILS / f"{name}.py").read_text(encoding="utf-8")


def _interpreter(variables: dict[str, Any]) -> str:
    """Path of the host's Python; empty where it has to be searched for."""
    found = variables.get("ansible_python_interpreter") or C.config.get_config_value(
        "INTERPRETER_PYTHON", variables=variables
    )
    return str(found) if str(found).startswith("/") else ""


def ask(
    action: ActionBase, variables: dict[str, Any], names: tuple[str, ...], function: str, **arguments: Any
) -> dict[str, Any] | None:
    """What the last of the module utilities C(names) says on the host; None when only a module can tell.

    The others come first, as they are imported. Raises AnsibleConnectionFailure, as a module would.
    """
    python = _interpreter(variables)
    # Without pipelining the program would lie on the host's disk, with the secrets of files in it.
    if not python or any(action._task.environment or ()) or not action._is_pipelining_enabled("new"):
        return None
    program = PROGRAM % json.dumps([[[name, _text(name)] for name in names], function, arguments])
    done = action._low_level_execute_command(f"{python} -I -S -", in_data=program.encode())
    if done.get("rc") != 0:
        return None
    try:
        answer = json.loads(done["stdout"])
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
