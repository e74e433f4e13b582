# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL for every test: one temporary cluster per run, one migrated template, one clone per test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType

import psycopg2
import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask
from flask.testing import FlaskClient
from key_server import KeyServer
from key_server import running as key_server_of_site
from psycopg2 import sql

from rackyard.region.app import create_app
from rackyard.region.clock import Clock
from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.db.migrations import migrate
from rackyard.region.db.pool import Database
from rackyard.region.services.site import accounts
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.loop import Loop, Task
from rackyard.region.worker.tasks import uploads

REMEDY = "install it with: apt-get install postgresql"


def find_binary(name: str) -> str:
    """The newest installed PostgreSQL's program."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    program = str(found[-1]) if found else shutil.which(name)
    if not program:
        pytest.exit(f"PostgreSQL's {name} is missing; {REMEDY}", returncode=3)
    return program


def roomy_memory() -> str:
    """Where cloning a database is ten times quicker than on a disk, if there is room."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30:
        return str(memory)
    return "/tmp"


def unprivileged(command: list[str]) -> list[str]:
    """PostgreSQL refuses root: run it as another user then."""
    if os.geteuid() != 0:
        return command
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.exit(f"Root cannot run PostgreSQL and there is no user postgres; {REMEDY}", returncode=3)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", *command]


@dataclass(frozen=True)
class Cluster:
    """A running PostgreSQL reachable by its socket directory only."""

    socket_dir: str
    template: str = "rackyard_template"

    def dsn(self, database: str) -> str:
        return f"host={self.socket_dir} user=rackyard dbname={database}"

    def run(self, statement: str) -> None:
        connection = psycopg2.connect(self.dsn("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def create(self, template: str | None = None) -> str:
        name = f"t_{uuid.uuid4().hex[:12]}"
        self.run(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}" STRATEGY file_copy' if template else ""))
        return name

    def drop(self, name: str) -> None:
        self.run(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def postgres_binary() -> Callable[[str], str]:
    """Where PostgreSQL's programs are."""
    return find_binary


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One temporary cluster for the run, gone afterwards, also when the run is told to end."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="ry-pg-", dir=roomy_memory()))
    home.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(home, "postgres")
    data = str(home / "data")
    quiet = "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    control = [find_binary("pg_ctl"), "-D", data, "-w", "-l", str(home / "log")]
    initdb = [find_binary("initdb"), "-D", data, "-U", "rackyard", "-A", "trust", "-E", "UTF8", "--no-sync"]
    try:
        subprocess.run(unprivileged([*initdb, "--locale=C.UTF-8"]), check=True, capture_output=True, cwd="/")
        start = [*control, "-o", f"{quiet} -k {home}", "start"]
        subprocess.run(unprivileged(start), check=True, stdout=subprocess.DEVNULL, cwd="/")
        running = Cluster(str(home))
        running.run(f'CREATE DATABASE "{running.template}"')
        database = Database(running.dsn(running.template))
        migrate(database)
        database.close()
        yield running
    finally:
        subprocess.run(unprivileged([*control, "-m", "immediate", "stop"]), check=False, capture_output=True, cwd="/")
        shutil.rmtree(home, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


class SettableClock(Clock):
    """Stands still until a test moves it. It starts at the real time, so that certificates made now are valid."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


def region_config(dsn: str, folder: Path, secrets_key: bytes) -> Config:
    """The configuration of a region with that database, whose files are in that folder."""
    (folder / "secrets.key").write_bytes(secrets_key)
    (folder / "images").mkdir()
    return Config(
        name="region1",
        url="http://10.10.0.11:5240/MAAS",
        addresses=("10.10.0.11",),
        rpc_ports=(5250, 5251),
        dsn=dsn,
        secrets_key=folder / "secrets.key",
        tsig_key=folder / "tsig.key",
        ca_cert=folder / "ca.crt",
        ca_key=folder / "ca.key",
        tls_cert=folder / "region.crt",
        tls_key=folder / "region.key",
        images=folder / "images",
        dns_server="127.0.0.1",
        domain="rackyard.internal",
        # No test asks the servers that people have their keys at.
        github_url="https://localhost:1",
        launchpad_url="https://localhost:1",
    )


@pytest.fixture
def config(cluster: Cluster, tmp_path: Path) -> Iterator[Config]:
    """The configuration of a region whose database is fresh and whose files are in the test's folder."""
    database = cluster.create(cluster.template)
    yield region_config(cluster.dsn(database), tmp_path, Fernet.generate_key())
    cluster.drop(database)


@pytest.fixture
def ctx(config: Config, clock: SettableClock) -> Iterator[Context]:
    """The world of one test, with a clock the test can move."""
    context = replace(Context.from_config(config), clock=clock)
    yield context
    context.close()


@pytest.fixture(scope="session")
def app_of() -> Callable[[Context], Flask]:
    """The real application in any world: it is made once, for its hundreds of routes take longer than a test."""
    made: list[Flask] = []

    def of(context: Context) -> Flask:
        if not made:
            made.append(create_app(context.config, context))
        made[0].extensions["rackyard"] = context
        return made[0]

    return of


@pytest.fixture
def app(ctx: Context, app_of: Callable[[Context], Flask]) -> Iterator[Flask]:
    """The real application on the test's database. What a test has every request pass through goes with the test."""
    made = app_of(ctx)
    before = {scope: list(functions) for scope, functions in made.before_request_funcs.items()}
    yield made
    made.before_request_funcs.clear()
    made.before_request_funcs.update(before)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """An unsigned client, as if through the region's own nginx."""
    return app.test_client()


def oauth_header(key: str) -> dict[str, str]:
    """The Authorization header that a client makes from the text form of an API key."""
    consumer, token, secret = key.split(":")
    return {
        "Authorization": 'OAuth oauth_version="1.0", oauth_signature_method="PLAINTEXT", '
        f'oauth_consumer_key="{consumer}", oauth_token="{token}", oauth_signature="%26{secret}", '
        f'oauth_nonce="{uuid.uuid4().hex}", '
        f'oauth_timestamp="1700000000"'
    }


@pytest.fixture
def admin_key(ctx: Context) -> str:
    """The API key of an administrator called admin."""
    return accounts.create_admin(ctx, COMMAND_LINE, "admin")


@pytest.fixture
def admin_header(admin_key: str) -> dict[str, str]:
    """What signs requests of that administrator which no `api` sends."""
    return oauth_header(admin_key)


class Api:
    """A signed client: `api.post("machines/", data={...})`."""

    def __init__(self, client: FlaskClient, key: str) -> None:
        self._client = client
        self._key = key

    def request(self, method: str, path: str, more: Mapping[str, str] = MappingProxyType({}), **kwargs):
        headers = {**oauth_header(self._key), **more}
        return self._client.open(f"/MAAS/api/2.0/{path}", method=method, headers=headers, **kwargs)

    def get(self, path: str, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path: str, **kwargs):
        return self.request("POST", path, **kwargs)

    def put(self, path: str, **kwargs):
        return self.request("PUT", path, **kwargs)

    def delete(self, path: str, **kwargs):
        return self.request("DELETE", path, **kwargs)


@pytest.fixture
def api(client: FlaskClient, admin_key: str) -> Api:
    return Api(client, admin_key)


@contextmanager
def uploading(ctx: Context) -> Iterator[None]:
    """The worker of a region, as far as it makes files of what was uploaded."""
    task = Task("uploaded images", 15, partial(uploads.tend, ctx), leader_only=False, on_change=True)
    loop = Loop(ctx, [task], lambda: True)
    thread = threading.Thread(target=loop.run)
    thread.start()
    yield
    loop.stop()
    run_sql(ctx.config.dsn, "NOTIFY rackyard_desired")  # which it waits for
    thread.join()


@pytest.fixture
def upload_worker(ctx: Context) -> Iterator[None]:
    """`uploading` in the test's world."""
    with uploading(ctx):
        yield


@pytest.fixture
def api_of(client: FlaskClient) -> Callable[[str], Api]:
    """A signed client for any key."""
    return lambda key: Api(client, key)


@pytest.fixture
def key_of(ctx: Context) -> Callable[[str], str]:
    """A key of an account that is no administrator."""
    return lambda username: accounts.add_account(ctx, COMMAND_LINE, username)


def run_sql(dsn: str, statement: str | sql.Composed, params: tuple = ()) -> list[tuple]:
    """Run SQL that no API runs: what a BMC, a rack or another service would have done."""
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, params)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@pytest.fixture
def execute(ctx: Context) -> Callable[..., list[tuple]]:
    """`run_sql` on the test's database."""
    return partial(run_sql, ctx.config.dsn)


@pytest.fixture
def change_machine(execute) -> Callable[..., None]:
    """Write columns of a machine."""

    def change(system_id: str, **columns: object) -> None:
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in columns.items()
        )
        execute(sql.SQL("UPDATE machine SET {} WHERE system_id = {}").format(assignments, sql.Literal(system_id)))

    return change


@pytest.fixture
def sealed_password(execute) -> Callable[[str], bytes]:
    """What the database holds of a machine's BMC password."""
    statement = "SELECT bmc.secrets ->> 'power_pass' FROM bmc JOIN machine ON bmc_id = bmc.id WHERE system_id = %s"
    return lambda system_id: execute(statement, (system_id,))[0][0].encode()


def enrolled_rack(ctx: Context, hostname: str, address: str) -> str:
    """An enrolled, living rack with one address; its system_id."""
    system_id = ctx.random.system_id()
    now = ctx.clock.now()
    ((rack_id,),) = run_sql(
        ctx.config.dsn,
        "INSERT INTO rack (system_id, hostname, registered_at, last_seen_at, alive, version) "
        "VALUES (%s, %s, %s, %s, true, '0.1.0') RETURNING id",
        (system_id, hostname, now, now),
    )
    run_sql(
        ctx.config.dsn,
        "INSERT INTO rack_interface (rack_id, name, mac, address) VALUES (%s, 'eth1', '52:54:00:aa:00:01', %s)",
        (rack_id, address),
    )
    return system_id


@pytest.fixture
def add_rack(ctx: Context) -> Callable[[str, str], str]:
    """`enrolled_rack` in the test's world."""
    return partial(enrolled_rack, ctx)


@pytest.fixture
def lease(ctx: Context, execute) -> Callable[[str, str, float], None]:
    """A lease that a rack reported."""

    def add(ip: str, mac: str, seconds: float) -> None:
        now = ctx.clock.now()
        execute(
            "INSERT INTO lease (ip, mac, state, at, expires_at) VALUES (%s, %s, 'commit', %s, %s)",
            (ip, mac, now, now + timedelta(seconds=seconds)),
        )

    return add


@pytest.fixture
def many_machines(execute) -> Callable[[int], None]:
    """Ready machines m00001 and on, as commissioning leaves them: two NICs, four disks, 16 memory modules."""

    def add(count: int) -> None:
        execute(
            """
            INSERT INTO bmc (type, address, parameters, secrets)
            SELECT 'ipmi', host(inet '10.64.0.0' + n), '{"power_user": "admin"}', '{"power_pass": "sealed"}'
            FROM generate_series(1, %s) AS n
            """,
            (count,),
        )
        execute(
            """
            INSERT INTO machine (system_id, hostname, status, power_type, bmc_id, hardware)
            SELECT 'a' || translate(lpad(n::text, 5, '0'), '01234567', 'abcdefgh'), 'm' || lpad(n::text, 5, '0'),
                   CASE WHEN n %% 10 = 0 THEN 2 ELSE 4 END, 'ipmi',
                   (SELECT id FROM bmc WHERE address = host(inet '10.64.0.0' + n)),
                   jsonb_build_object('system_vendor', 'Example', 'system_serial', md5(n::text), 'memory_modules',
                       (SELECT jsonb_agg(jsonb_build_object('slot', 'DIMM ' || slot, 'serial', md5(n || '-' || slot),
                               'vendor', 'Example', 'size_mib', 32768)) FROM generate_series(1, 16) AS slot))
            FROM generate_series(1, %s) AS n
            """,
            (count,),
        )
        execute(
            """
            INSERT INTO machine_interface (machine_id, name, mac, is_boot, vendor, lldp, discovered)
            SELECT id, 'eth' || nic, ('5254' || lpad(to_hex(id * 2 + nic), 8, '0'))::macaddr, nic = 0, 'Example',
                   jsonb_build_object('port', 'Ethernet' || id, 'system', 'switch-' || id), true
            FROM machine, generate_series(0, 1) AS nic
            """
        )
        execute(
            """
            INSERT INTO block_device (machine_id, name, model, serial, size_bytes, rotary)
            SELECT id, 'sd' || chr(96 + disk), 'Example', md5(id || '-' || disk), 1000000000000, false
            FROM machine, generate_series(1, 4) AS disk
            """
        )
        execute("ANALYZE bmc, machine, machine_interface, block_device")

    return add


@pytest.fixture
def ca_certificate() -> bytes:
    """A certificate as openssl would make it for a site's own authority (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Rackyard test CA")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def key_server(app: Flask, ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyServer]:
    """A real HTTPS server, from which the application imports SSH keys."""
    with key_server_of_site(tmp_path, monkeypatch) as server:
        config = replace(ctx.config, github_url=f"{server.url}/", launchpad_url=server.url)
        app.extensions["rackyard"] = replace(ctx, config=config)
        yield server
