# SPDX-License-Identifier: GPL-3.0-or-later
"""Which BMC a machine is behind: one machine each unless the driver says otherwise, and no BMC without a machine."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from rackyard.region.db.machines import state
from rackyard.region.db.network import addresses
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site.rights import Held
from rackyard.region.errors import Forbidden, Invalid
from rackyard.region.services.machines import registry
from rackyard.region.services.machines.registry import Wish
from rackyard.region.services.power import bmcs
from rackyard.region.services.power.parameters import PowerWish
from rackyard.region.services.site.authorisation import COMMAND_LINE, Actor
from rackyard_core.power.base import Parameter
from rackyard_core.power.registry import DRIVERS

ADDRESS = "10.30.0.11"


class Chassis:
    """The settings of a driver with several machines behind one BMC: all that the region knows of one."""

    name = "chassis"
    queryable = True
    parameters = (
        Parameter("power_address", "Address", role="address", required=True),
        Parameter("power_port", "TCP port", kind="port", role="port", default="443"),
        Parameter("power_user", "User name", role="user"),
        Parameter("power_pass", "Password", role="password", secret=True, required=True),
        Parameter("power_token", "Token", secret=True),
        Parameter("power_id", "Number of the blade", role="slot", scope="machine", required=True),
    )


@pytest.fixture
def chassis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DRIVERS, "chassis", Chassis())


def wish(number: int, kind: str = "ipmi", **given: str) -> Wish:
    """Machine m<number>, behind the same BMC as all others."""
    power = {"power_address": ADDRESS, "power_user": "admin", "power_pass": "sesame", **given}
    return Wish(hostname=f"m{number}", macs=[f"52:54:00:20:01:{number:02x}"], power=PowerWish(kind, power))


def create(ctx, number: int, kind: str = "ipmi", **given: str) -> str:
    return registry.create(ctx, COMMAND_LINE, wish(number, kind, **given)).machine.system_id


def repower(ctx, system_id: str, kind: str | None, **given: str) -> None:
    registry.update(ctx, COMMAND_LINE, system_id, Wish(power=PowerWish(kind, given)))


@pytest.mark.parametrize(("first", "second"), [({}, {"power_port": "623"}), ({"power_port": "623"}, {})])
def test_bmc_is_the_same_with_and_without_its_usual_port(ctx, execute, first, second) -> None:
    m1 = create(ctx, 1, **first)
    with pytest.raises(Invalid, match=f"BMC {ADDRESS} already belongs to machine m1 \\({m1}\\)"):
        create(ctx, 2, **second)
    assert execute("SELECT type, address, port FROM bmc") == [("ipmi", ADDRESS, None)]
    create(ctx, 2, power_port="6230")
    assert execute("SELECT port FROM bmc ORDER BY id") == [(None,), (6230,)]


def test_port_can_be_set_back_to_the_usual_one(ctx, api, execute) -> None:
    m1 = create(ctx, 1, power_port="6230")
    repower(ctx, m1, None, power_port="623")
    assert execute("SELECT port FROM bmc") == [(None,)]
    assert api.get(f"machines/{m1}/?op=power_parameters").json["power_port"] == "623"


def test_two_machines_that_take_a_bmc_at_the_same_moment_do_not_share_it(ctx, execute) -> None:
    attached, go_on = threading.Event(), threading.Event()

    def hold(tx: Transaction, system_id: str) -> None:
        attached.set()
        assert go_on.wait(20)

    with ThreadPoolExecutor() as threads:
        first = threads.submit(registry.create, ctx, COMMAND_LINE, wish(1), hold)
        assert attached.wait(20)
        second = threads.submit(create, ctx, 2, power_user="thief", power_port="623")
        wait_for_waiting(execute)
        go_on.set()
        assert first.result().machine.hostname == "m1"
        with pytest.raises(Invalid, match="Another machine uses this BMC address"):
            second.result()
    assert execute("SELECT hostname, parameters FROM machine JOIN bmc ON bmc.id = bmc_id") == [
        ("m1", {"power_user": "admin"})
    ]


def wait_for_waiting(execute) -> None:
    """Until one transaction waits for another."""
    statement = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    for _ in range(200):
        if execute(statement) != [(0,)]:
            return
        threading.Event().wait(0.05)
    pytest.fail("nobody waits")


@pytest.mark.parametrize(
    "leave",
    [
        lambda ctx, m1: registry.delete(ctx, COMMAND_LINE, m1),
        lambda ctx, m1: repower(ctx, m1, "manual"),
        lambda ctx, m1: repower(ctx, m1, ""),
    ],
)
def test_bmc_goes_with_its_last_machine(ctx, execute, leave) -> None:
    m1 = create(ctx, 1)
    assert execute("SELECT count(*) FROM bmc") == [(1,)]
    leave(ctx, m1)
    assert execute("SELECT count(*) FROM bmc") == [(0,)]
    create(ctx, 2)


def test_other_bmc_of_a_machine_knows_no_contacts_of_the_one_before(ctx, execute, add_rack) -> None:
    m1 = create(ctx, 1)
    add_rack("rack1", "10.30.0.2/24")
    execute("INSERT INTO power_contact (bmc_id, rack_id, succeeded_at) SELECT bmc.id, rack.id, now() FROM bmc, rack")
    repower(ctx, m1, None, power_user="other")
    assert execute("SELECT count(*) FROM power_contact") == [(1,)], "the BMC is the same"
    repower(ctx, m1, None, power_address="10.30.0.12", power_pass="another")
    assert execute("SELECT count(*) FROM power_contact") == [(0,)]
    assert execute("SELECT address FROM bmc") == [("10.30.0.12",)]


def test_who_waited_for_a_machine_sees_the_bmc_that_it_has_now(ctx, execute) -> None:
    m1 = create(ctx, 1)

    def read() -> str | None:
        with ctx.db.transaction() as tx:
            machine = state.lock(tx, m1)
            assert machine is not None
            return machine.power_address

    with ThreadPoolExecutor() as threads:
        with ctx.db.transaction() as tx:
            machine = state.lock(tx, m1)
            assert machine is not None
            moved = PowerWish(None, {"power_address": "10.30.0.12", "power_pass": "another"})
            bmcs.change(ctx, tx, machine.id, m1, moved)
            waits = threads.submit(read)
            wait_for_waiting(execute)
        assert waits.result() == "10.30.0.12"


def test_what_is_the_machines_own_is_kept_with_it(ctx, api, execute) -> None:
    m1 = create(ctx, 1, power_boot_type="efi", privilege_level="OPERATOR")
    repower(ctx, m1, None, power_off_mode="soft")
    assert execute("SELECT power_parameters FROM machine") == [({"power_boot_type": "efi", "power_off_mode": "soft"},)]
    assert execute("SELECT parameters FROM bmc") == [({"power_user": "admin", "privilege_level": "OPERATOR"},)]
    assert api.get(f"machines/{m1}/?op=power_parameters").json == {
        "power_address": ADDRESS, "power_port": "623", "power_user": "admin", "privilege_level": "OPERATOR",
        "power_boot_type": "efi", "power_off_mode": "soft",
    }  # fmt: skip


def test_change_that_is_not_about_power_leaves_the_bmc_alone(ctx, execute) -> None:
    m1 = create(ctx, 1)
    before = execute("SELECT xmin, * FROM bmc")
    registry.update(ctx, COMMAND_LINE, m1, Wish(description="rack 4, unit 12"))
    assert execute("SELECT xmin, * FROM bmc") == before


def test_machines_of_a_chassis_share_its_bmc_but_no_slot(ctx, execute, chassis) -> None:
    m1 = create(ctx, 1, "chassis", power_id="1", power_token="t0ken")
    m2 = create(ctx, 2, "chassis", power_id="2")
    with pytest.raises(Invalid, match=f"BMC {ADDRESS} slot 2 already belongs to machine m2 \\({m2}\\)"):
        create(ctx, 3, "chassis", power_id="2")
    ((secrets,),) = execute("SELECT secrets FROM bmc")
    opened = {name: ctx.box.decrypt(sealed.encode()) for name, sealed in secrets.items()}
    assert opened == {"power_pass": "sesame", "power_token": "t0ken"}, "what the second did not give stays"
    registry.delete(ctx, COMMAND_LINE, m1)
    assert execute("SELECT count(*) FROM bmc") == [(1,)]
    with pytest.raises(Invalid, match="needs the BMC's number of the blade"):
        create(ctx, 4, "chassis")
    repower(ctx, m2, None, power_user="other")
    with pytest.raises(Invalid, match="needs the BMC's password"):
        repower(ctx, m2, None, power_address="10.30.0.12", power_token="other")
    repower(ctx, m2, None, power_address="10.30.0.12", power_pass="other")
    ((address, secrets),) = execute("SELECT address, secrets FROM bmc")
    assert (address, list(secrets)) == ("10.30.0.12", ["power_pass"])


def test_bmc_that_another_machine_joins_meanwhile_stays(ctx, execute, chassis) -> None:
    m1 = create(ctx, 1, "chassis", power_id="1")
    attached, go_on = threading.Event(), threading.Event()

    def hold(tx: Transaction, system_id: str) -> None:
        attached.set()
        assert go_on.wait(20)

    with ThreadPoolExecutor() as threads:
        joins = threads.submit(registry.create, ctx, COMMAND_LINE, wish(2, "chassis", power_id="2"), hold)
        assert attached.wait(20)
        leaves = threads.submit(registry.delete, ctx, COMMAND_LINE, m1)
        wait_for_waiting(execute)
        go_on.set()
        joins.result()
        leaves.result()
    assert execute("SELECT hostname FROM machine JOIN bmc ON bmc.id = bmc_id") == [("m2",)]


def test_bmc_that_machines_of_another_pool_share_is_not_for_an_operator_to_change(ctx, api, execute, chassis) -> None:
    pools = {name: api.post("resourcepools/", data={"name": name}).json["id"] for name in ("web", "db")}
    own = registry.create(ctx, COMMAND_LINE, replace(wish(1, "chassis", power_id="1"), pool="web")).machine.system_id
    ((account_id,),) = execute("SELECT id FROM account")
    operator = Actor("ann", account_id, is_admin=False, held=frozenset({Held("operator", pools["web"])}))
    registry.update(ctx, operator, own, Wish(power=PowerWish(None, {"power_user": "alone"})))
    registry.create(ctx, COMMAND_LINE, replace(wish(2, "chassis", power_id="2"), pool="db"))
    before = execute("SELECT * FROM bmc")
    with pytest.raises(Forbidden, match=r"power parameters of machines \(m2\)"):
        registry.update(ctx, operator, own, Wish(power=PowerWish(None, {"power_user": "both"})))
    with pytest.raises(Forbidden, match=r"power parameters of machines"):
        registry.create(ctx, operator, replace(wish(3, "chassis", power_id="3"), pool="web"))
    assert execute("SELECT * FROM bmc") == before


def web(number: int, **given: str) -> dict[str, str]:
    """A machine behind a webhook, as a client of MAAS sends it."""
    base = f"http://10.30.0.9:8080/m{number}"
    uris = {"power_on_uri": f"{base}/on", "power_off_uri": f"{base}/off", "power_query_uri": f"{base}?x=1"}
    power = {**uris, "power_token": "t0ken", "power_user": "", **given}
    return {
        "hostname": f"m{number}", "architecture": "amd64/generic", "mac_addresses": f"52:54:00:20:01:{number:02x}",
        "commission": "false", "power_type": "webhook",
        **{f"power_parameters_{name}": value for name, value in power.items()},
    }  # fmt: skip


def test_webhooks_of_one_server_are_bmcs_of_their_own_and_secrets_leave_it_never(ctx, api, add_rack, execute) -> None:
    made = api.post("machines/", data=web(1))
    assert made.status_code == 200, made.text
    assert api.post("machines/", data=web(2)).status_code == 200
    path = f"machines/{made.json['system_id']}/"
    twin = {**web(3), **{name: text for name, text in web(1).items() if "uri" in name}}
    assert "already belongs to machine m1" in api.post("machines/", data=twin).text
    shown = api.get(f"{path}?op=power_parameters").json
    assert shown["power_on_uri"] == "http://10.30.0.9:8080/m1/on"
    assert shown["power_query_uri"] == "http://10.30.0.9:8080/m1?x=1"
    assert "power_token" not in shown
    for name, value, words in (
        ("power_off_uri", "http://10.30.0.10:8080/off", "must have the scheme, host and port of power_on_uri"),
        ("power_off_uri", "ftp://10.30.0.9/", "is no URI of http or https"),
        ("power_query_uri", "http://ann:secret@10.30.0.9:8080/", "has a user name in it"),
        ("power_on_regex", "(", "is no regular expression"),
        ("power_on_uri", "http://10.30.0.9:8080/other", "needs power_pass or power_token as well"),
    ):
        refused = api.put(path, data={f"power_parameters_{name}": value})
        assert (refused.status_code, words in refused.text) == (400, True), refused.text
    # The rack is chosen by the host in it, and nobody else gets that address.
    add_rack("rack1", "10.30.0.2/24")
    assert api.post(f"{path}?op=power_on").status_code == 200
    assert execute("SELECT rack.hostname FROM job JOIN rack ON rack.id = job.rack_id") == [("rack1",)]
    with ctx.db.transaction() as tx:
        used = addresses.used(tx, "10.30.0.0/24", ctx.clock.now())
    assert {str(each.ip): each.what for each in used}["10.30.0.9"].startswith("the BMC of machine m")
