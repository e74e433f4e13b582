# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said of an XPath 1.0 expression without a document.

libxml2 looks for a function, a variable or a prefix only when the evaluation comes to it, which may be at one machine
of a thousand: so they are looked for here (https://www.w3.org/TR/1999/REC-xpath-19991116/, 3.7 and 4)."""

from __future__ import annotations

import re

_LITERAL = re.compile(r"\"[^\"]*\"|'[^']*'")
_CALL = re.compile(r"([\w.-]+(?::[\w.-]+)?)\s*\(")
_PREFIX = re.compile(r"(?<![:\w.-])([\w.-]+):(?!:)")
_VARIABLE = re.compile(r"\$\s*([\w.:-]+)")
_FUNCTIONS = frozenset((
    "last", "position", "count", "id", "local-name", "namespace-uri", "name", "string", "concat", "starts-with",
    "contains", "substring-before", "substring-after", "substring", "string-length", "normalize-space", "translate",
    "boolean", "not", "true", "false", "lang", "number", "sum", "floor", "ceiling", "round",
))  # fmt: skip
# What else stands before a parenthesis: tests of nodes, and operators.
_OTHERS = frozenset(["node", "text", "comment", "processing-instruction", "and", "or", "div", "mod"])


def fault(expression: str) -> str | None:
    """What is wrong with an expression, in words; None when nothing is to be seen. Its syntax is not looked at."""
    code = _LITERAL.sub("''", expression)
    variable = _VARIABLE.search(code)
    if variable:
        return f"there is no variable ${variable[1]}"
    prefix = _PREFIX.search(code)
    if prefix:
        return f"there is no namespace {prefix[1]}; lshw's elements have none"
    for name in _CALL.findall(code):
        if name not in _FUNCTIONS | _OTHERS:
            return f"there is no function {name}()"
    return None
