# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL from which no packet comes any more: the service knows within 15 seconds, whatever it was doing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from roles.namespace import Namespace, wait_until

from rackyard.region.config import Config

SERVER, CLIENT, PORT = "10.10.0.11", "10.10.0.12", 5432
NOTICED_S = 15.0
# The cluster of these tests has a socket only; this takes the place of its network.
RELAY = f"""
import socket, sys, threading
def copy(source, target):
    while data := source.recv(65536):
        target.sendall(data)
server = socket.create_server(("{SERVER}", {PORT}))
while True:
    client, _ = server.accept()
    backend = socket.socket(socket.AF_UNIX)
    backend.connect(sys.argv[1])
    threading.Thread(target=copy, args=(client, backend), daemon=True).start()
    threading.Thread(target=copy, args=(backend, client), daemon=True).start()
"""
# What a process of the region does: a transaction that waits for its answer, or one that asks after a while of quiet.
ASK = """
import sys, time
from rackyard.region.db.pool import Database
from rackyard.region.errors import Unavailable
database = Database(sys.argv[1])
with database.transaction() as tx:
    tx.script("SELECT 1")
print("ready", flush=True)
if sys.argv[2] == "asks":
    sys.stdin.readline()
began = time.monotonic()
try:
    with database.transaction() as tx, tx._connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(25)")
except Unavailable:
    print("noticed", time.monotonic() - began, flush=True)
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Namespace, Namespace]]:
    region, database = Namespace(tmp_path), Namespace(tmp_path)
    region.cable("mgmt0", [f"{CLIENT}/24"], database, [f"{SERVER}/24"])
    try:
        yield region, database
    finally:
        region.stop()
        database.stop()


@pytest.mark.parametrize("doing", ["waits", "asks"])
def test_silent_partition_is_noticed(hosts: tuple[Namespace, Namespace], config: Config, doing: str) -> None:
    region, database = hosts
    words = dict(word.split("=", 1) for word in config.dsn.split())
    database.start("relay", sys.executable, "-c", RELAY, f"{words['host']}/.s.PGSQL.5432")
    wait_until(lambda: f"{SERVER}:{PORT}" in database.run("ss", "-ltn"), "the relay")
    dsn = config.dsn.replace(words["host"], SERVER)
    go, told = os.pipe()
    found = f"PYTHONPATH={os.pathsep.join(sys.path)}"
    asker = region.start("asker", "env", found, sys.executable, "-c", ASK, dsn, doing, stdin=go)
    wait_until(lambda: "ready" in region.log("asker"), "the connection", 60)
    database.run("ip", "link", "set", "eth0", "down")
    os.write(told, b"\n")
    asker.wait(60)
    os.close(told)
    os.close(go)
    said = region.log("asker")
    assert "noticed" in said, said
    assert float(said.split()[-1]) <= NOTICED_S
