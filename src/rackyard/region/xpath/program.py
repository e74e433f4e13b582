# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluates XPath expressions over XML documents, in a process of its own: run as a file, it imports nothing of ours.

The work is C code that no exception interrupts, so that processor time is limited by signals with their default action:
they end the process, and whoever started it sees from the last line how far it came.

In: one line of JSON with the limits and the expressions by number; then, per document, a line `<number> <bytes>` and
the document. Out, a line each: `D n` document n is begun, `U` it cannot be read, `T n` expression n is begun, `Y` or
`N` it matches or not, `F words` it cannot be evaluated (it is not tried again), `E` the document is done.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import signal
import sys
import time

from lxml import etree

# What XML 1.0 has no way to say; lshw prints what firmware gives it.
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def say(line: str) -> None:
    """At once: after the next step there may be nobody to say it."""
    os.write(1, f"{line}\n".encode())


def confine(limits: dict[str, float], expressions: int) -> None:
    """Take away what the work does not need; the files that it needs are open."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    # One more document may be begun when the time for all of them is almost over.
    seconds = limits["run_cpu_s"] + limits["document_cpu_s"] * (expressions + 1) + 1
    for what, most in (
        (resource.RLIMIT_AS, int(limits["memory_bytes"])),
        (resource.RLIMIT_CPU, math.ceil(seconds)),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(what, (most, most))


def parse(document: bytes) -> etree._Element | None:
    """The document's root; None for what is no XML, or brings definitions of its own (entities)."""
    text = _UNSPEAKABLE.sub("", document.decode("utf-8", "replace"))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root.getroottree().docinfo.internalDTD is not None:
        return None
    return root if root.tag == "list" else _listed(root)


def _listed(root: etree._Element) -> etree._Element:
    """As newer versions of lshw have it: so `/list/node` is the machine on all of them."""
    top = etree.Element("list")
    top.append(root)
    return top


def truth(value: object) -> bool:
    """As XPath's function boolean() has it."""
    return not (isinstance(value, float) and math.isnan(value)) and bool(value)


class Expressions:
    """The expressions that have not failed yet, and how much processor time each has taken."""

    def __init__(self, texts: dict[str, str], limits: dict[str, float]) -> None:
        self._limits = limits
        self._spent_s = dict.fromkeys(texts, 0.0)
        self._compiled = {}
        for number, text in texts.items():
            say(f"T {number}")
            self._timer()
            try:
                self._compiled[number] = etree.XPath(text, regexp=False, smart_strings=False)
            except etree.XPathError as error:
                say(f"F {error}".replace("\n", " "))

    def _timer(self) -> None:
        """What follows has so much processor time; the process ends with it."""
        signal.setitimer(signal.ITIMER_PROF, self._limits["document_cpu_s"])

    def look_at(self, document: bytes) -> None:
        """Say of each whether it matches the document."""
        self._timer()
        root = parse(document)
        if root is None:
            say("U")
            return
        for number, compiled in list(self._compiled.items()):
            say(f"T {number}")
            self._timer()
            began_s = time.process_time()
            try:
                say("Y" if truth(compiled(root)) else "N")
            except (etree.XPathError, MemoryError) as error:
                self._drop(number, str(error) or type(error).__name__)
                continue
            self._spent_s[number] += time.process_time() - began_s
            if self._spent_s[number] > self._limits["definition_cpu_s"]:
                self._drop(number, f"it took more than {self._limits['definition_cpu_s']:g} s of processor time")

    def _drop(self, number: str, words: str) -> None:
        say(f"F {words}".replace("\n", " "))
        del self._compiled[number]


def main() -> None:
    """Until there are no more documents, or the time for all of them is over."""
    stream = sys.stdin.buffer
    order = json.loads(stream.readline())
    confine(order["limits"], len(order["expressions"]))
    expressions = Expressions(order["expressions"], order["limits"])
    while header := stream.readline():
        number, size = header.split()
        document = stream.read(int(size))
        say(f"D {number.decode()}")
        expressions.look_at(document)
        say("E")
        if time.process_time() > order["limits"]["run_cpu_s"]:
            return


if __name__ == "__main__":
    main()
