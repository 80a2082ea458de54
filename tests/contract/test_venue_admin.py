"""The operator's door and the commands that go through it: `/admin/*` and `market_maker venue …`."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.cli import main
from market_maker.commands.venue_faults import FAULTS
from services.venue.api.admin import admin_routes
from services.venue.api.limits import Limits
from services.venue.exchange.account import Account
from services.venue.exchange.fees import rates
from services.venue.exchange.listing import MICRO
from services.venue.exchange.permissions import DAY_MS, approve_agent
from services.venue.exchange.replies import DONE, err, statuses
from services.venue.faults.faults import Faults
from services.venue.faults.kinds import KINDS
from services.venue.truth import TruthLog
from shared.hyperliquid.actions import AnyAction, ApproveAgent, Cancel, PlaceOrders, Withdraw
from tests.fixtures.venue_world import BTC, open_account, total_money, world

ALICE, BOB, KEY = f"0x{1:040x}", "0x" + "b" * 40, "0x" + "ca" * 20
PLACED = statuses("order", [{"resting": {"oid": 1}}])
Call = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Wire:
    number: int
    users: tuple[str, ...]


class Control:
    """A venue without a block loop: it writes down what it is told to do."""

    def __init__(self) -> None:
        self.world = world(fund=0)
        self.truth = TruthLog(None, pytest.fail)
        self.world.emit = self.truth.note
        self.limits = Limits()
        self.faults = Faults(1, lambda kind, detail: None)
        self.acted: list[tuple[Account, AnyAction]] = []
        self.reply = DONE
        """To what is no order."""
        self.time_ms = 0.0
        open_account(self.world, 10_000, address=ALICE)

    def fault_ms(self) -> float:
        return self.time_ms

    def connections(self) -> list[Wire]:
        return [Wire(2, ()), Wire(1, (ALICE,))]

    async def act(self, account: Account, action: AnyAction) -> dict[str, Any]:
        self.acted.append((account, action))
        return PLACED if isinstance(action, PlaceOrders) else self.reply

    def block(self) -> dict[str, Any]:
        return {"block_ms": 70}


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
async def client(control: Control) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    app = web.Application()
    app.add_routes(admin_routes(control))
    async with TestClient(TestServer(app)) as made:
        yield made


@pytest.fixture
def call(client: TestClient[web.Request, web.Application]) -> Call:
    """(method, path, body) -> the answer; it must have the status that is expected."""

    async def call(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        async with client.request(method, f"/admin/{path}", json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    return call


# ---- who may come in -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.8.8.8", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("10.0.0.5", {}, 403),
        ("::ffff:10.0.0.5", {}, 403),
        ("", {}, 403),
        ("127.0.0.1", {"Origin": "https://example.org"}, 403),
    ],
)
async def test_only_programs_of_this_machine(
    control: Control, remote: str, headers: dict[str, str], status: int
) -> None:
    for route in admin_routes(control):
        request = make_mocked_request(route.method, route.path, headers=headers).clone(remote=remote)
        if route.path == "/admin/block" or status == 403:
            answer = await route.handler(request)  # type: ignore[call-arg, misc]
            assert isinstance(answer, web.Response) and answer.status == status


# ---- faults --------------------------------------------------------------------------------------------------


async def test_a_fault_is_started_shown_and_ended(call: Call, control: Control) -> None:
    started = await call("POST", "faults", {"fault": "reject", "for_s": 5, "user": ALICE})
    assert started == {"number": 1, "fault": {"fault": "reject", "for_s": 5.0, "user": ALICE}}
    control.time_ms = 2_000
    control.faults.reject_text(2_000, ALICE, BTC)
    shown = await call("GET", "faults")
    assert shown == {
        "running": [{"number": 1, "fault": started["fault"], "for_s": 2.0, "left_s": 3.0, "effects": 1}],
        "pending": [],
    }
    assert await call("DELETE", "faults/1") == {"ended": 1}
    assert "no fault 1 is on" in (await call("DELETE", "faults/1", status=404))["error"]


async def test_a_scenario_is_played_on_the_venues_clock(call: Call, control: Control) -> None:
    control.time_ms = 1_000
    steps = [{"s": 4, "fault": "halt", "coin": BTC}, {"s": 1, "fault": "post_only"}]
    assert await call("POST", "scenario", {"at": steps}) == {"steps": 2, "last_s": 4.0}
    control.time_ms = 2_000
    control.faults.advance(2_000)
    assert control.faults.post_only(2_000) and not control.faults.halted(2_000, BTC)
    assert (await call("GET", "faults"))["pending"] == [{"in_s": 3.0, "fault": {"fault": "halt", "coin": BTC}}]
    assert await call("DELETE", "faults") == {"ended": 2}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("faults", {"fault": "dropp"}, "did you mean drop?"),
        ("faults", {"fault": "drop", "ms": 5}, "drop has no field ms"),
        ("faults", [], "the body is wrong"),
        ("faults", {"fault": "halt", "coin": "btc"}, "no coin 'btc'; there are BTC"),
        ("faults", {"fault": "stall", "channel": "l2book"}, "no channel 'l2book' (did you mean l2Book?)"),
        ("faults", {"fault": "lose_answer", "action": "orders"}, "no action 'orders' (did you mean order?)"),
        ("faults", {"fault": "stall", "then": "drown"}, "it is deliver or drop"),
        ("scenario", {"at": [{"s": 1, "fault": "halt", "coin": "btc"}]}, "step 1: no coin 'btc'"),
        ("orders", {"user": ALICE, "coin": BTC, "side": "long", "sz": "1"}, "it is buy or sell"),
        ("scenario", {"at": [{"s": 1, "fault": "halt"}]}, "step 1: halt: Object missing required field `coin`"),
        ("orders", {"user": ALICE, "coin": BTC, "side": "buy", "sz": "x"}, "external_order sz"),
        ("orders", {"user": ALICE, "coin": "XYZ", "side": "buy", "sz": "1"}, "no coin 'XYZ'"),
        ("orders", {"user": ALICE, "coin": BTC, "side": "buy", "sz": "1", "count": 3}, "count belong to faults"),
        ("cancels", {"user": ALICE}, "no such order"),
        (f"accounts/{ALICE}", {"deposit": "-5"}, "deposit must be an amount"),
        (f"accounts/{ALICE}", {"volume": "NaN"}, "volume must be an amount"),
        (f"accounts/{ALICE}", {"deposits": "5"}, "unknown field `deposits`"),
        ("accounts/alice", {"deposit": "5"}, "no address"),
    ],
)
async def test_what_is_wrong_is_said(call: Call, control: Control, path: str, body: Any, said: str) -> None:
    assert said in (await call("POST", path, body, status=400))["error"]
    assert control.acted == [] and control.faults.running() == []


# ---- limits --------------------------------------------------------------------------------------------------


async def test_limits_are_shown_and_switched_one_by_one(call: Call, control: Control) -> None:
    control.limits.of("127.0.0.1").users[ALICE] += 1
    account = control.world.accounts.get(ALICE)
    assert account is not None
    account.requests_used, account.over_budget_ms = 10_000, control.world.now_ms - 4_000
    shown = await call("GET", "limits")
    assert shown["ips"]["127.0.0.1"]["weight"] == [0, 1200]
    assert shown["ips"]["127.0.0.1"]["followed"] == [ALICE]
    assert shown["connections"] == [{"number": 1, "users": [ALICE]}, {"number": 2, "users": []}]
    assert shown["addresses"][ALICE] == {
        "used": 10_000, "cap": 10_000, "cancel_cap": 20_000, "bought": 0, "next_slot_ms": 6_000,
    }  # fmt: skip
    on = (await call("PATCH", "limits", {"weight": False, "address": False}))["on"]
    assert [name for name, enforced in on.items() if not enforced] == ["weight", "address"]
    assert not control.world.switches.address_budget and not control.limits.switches["weight"].on
    refused = await call("PATCH", "limits", {"posts": False, "wait": False}, status=400)
    assert "no limit 'wait'" in refused["error"] and control.limits.switches["posts"].on


# ---- accounts and coins --------------------------------------------------------------------------------------


async def test_money_is_paid_in_and_taken_out(call: Call, control: Control) -> None:
    shown = await call("POST", f"accounts/{BOB}", {"deposit": "1234.5"})
    assert shown["dexs"][""]["value"] == shown["dexs"][""]["withdrawable"] == "1234.500000"
    assert total_money(control.world) == control.world.deposited == 11_234_500_000
    await call("POST", f"accounts/{BOB}", {"withdraw": "100"})
    ((account, action),) = control.acted
    assert account.address == BOB and isinstance(action, Withdraw)
    assert (Decimal(action.amount), action.destination) == (100, BOB)
    assert len((await call("GET", "accounts"))["accounts"]) == 2


async def test_a_key_becomes_an_agent_by_the_rules_of_the_venue(call: Call, control: Control) -> None:
    body = {"user": ALICE, "agent": KEY, "name": "desk", "days": 0.5}
    assert await call("POST", "agents", body) == DONE
    ((account, action),) = control.acted
    assert account.address == ALICE and isinstance(action, ApproveAgent)
    approve_agent(control.world, account, action)
    (agent,) = account.agents.values()
    assert (agent.name, agent.address) == ("desk", KEY)
    assert agent.valid_until_ms - control.world.now_ms == DAY_MS // 2


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"days": 0}, 400, "days must be above 0 and at most 180"),
        ({"days": 181}, 400, "at most 180"),
        ({"agent": "0x12"}, 400, "the body is wrong"),
        ({"user": BOB}, 404, "a deposit opens it"),
    ],
)
async def test_an_agent_that_cannot_be(call: Call, change: dict[str, Any], status: int, words: str) -> None:
    body = {"user": ALICE, "agent": KEY, "name": "desk", **change}
    assert words in (await call("POST", "agents", body, status))["error"]


async def test_an_account_nobody_opened(call: Call) -> None:
    assert "a deposit opens it" in (await call("GET", f"accounts/{BOB}", status=404))["error"]
    assert "one is 0x and 40 hex digits" in (await call("GET", "accounts/0x12", status=400))["error"]
    assert "a deposit opens it" in (await call("POST", f"accounts/{BOB}", {"volume": "5"}, status=404))["error"]


async def test_volume_moves_tier_and_budget(call: Call, control: Control) -> None:
    account = control.world.accounts.get(ALICE)
    assert account is not None
    before = rates(account, control.world.listings[BTC], control.world.now_ms)
    for _ in range(2):
        await call("POST", f"accounts/{ALICE}", {"volume": "6000000"})
    after = rates(account, control.world.listings[BTC], control.world.now_ms)
    assert account.cum_ntl == 6_000_000 * MICRO and after.taker < before.taker == Decimal("0.00045")
    assert (await call("GET", "limits"))["addresses"][ALICE]["cap"] == 6_010_000


async def test_orders_on_an_account_without_its_key(call: Call, control: Control) -> None:
    body = {"user": ALICE, "coin": BTC, "side": "sell", "sz": "0.01", "bps": 20}
    assert await call("POST", "orders", body) == PLACED
    ((account, action),) = control.acted
    assert account.address == ALICE and isinstance(action, PlaceOrders) and action.orders[0].p == "100200"


async def test_a_coin_is_halted_resumed_and_capped(call: Call, control: Control) -> None:
    for _ in range(2):
        assert (await call("PATCH", f"coins/{BTC}", {"halted": True}))["halted"]
    assert len(control.faults.running()) == 1
    assert not (await call("PATCH", f"coins/{BTC}", {"halted": False, "oi_cap": "5000000"}))["halted"]
    assert control.world.listings[BTC].oi_cap_ntl == 5_000_000 * MICRO
    assert (await call("PATCH", f"coins/{BTC}", {"oi_cap": None}))["oi_cap"] is None
    await call("PATCH", f"coins/{BTC}", {"oi_cap": "NaN"}, status=400)
    await call("PATCH", "coins/XYZ", {"halted": True}, status=404)
    listed = (await call("GET", "coins"))["coins"]
    assert [coin["asset"] for coin in listed] == [0, 1, 110_000] and listed[0]["mark_px"] == "100000.0"


async def test_the_truth_is_read_from_where_one_left_off(call: Call, control: Control) -> None:
    await call("POST", f"accounts/{BOB}", {"deposit": "5"})
    first = await call("GET", "truth?after=0&limit=1")
    assert [fact["seq"] for fact in first["facts"]] == [1] and first["facts"][0]["fact"] == "balance"
    rest = await call("GET", "truth?after=1")
    assert rest["last"] == control.truth.seq == rest["facts"][-1]["seq"] > 1
    assert [fact["seq"] for fact in (await call("GET", "truth?after=-1"))["facts"]] == [rest["last"]]
    for query in ("after=x", "limit=0", "limit=1000000"):
        await call("GET", f"truth?{query}", status=400)
    assert (await call("GET", "block"))["truth_lines"] == rest["last"]


ROUTES = [
    ("POST", "faults"), ("POST", "scenario"), ("PATCH", "limits"), ("POST", "orders"), ("POST", "cancels"),
    ("POST", f"accounts/{BOB}"), ("PATCH", f"coins/{BTC}"),
]  # fmt: skip
NAMES = ["fault", "at", "s", "user", "coin", "side", "sz", "deposit", "halted", "oi_cap", "weight"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([ALICE, BTC, "buy", "1"]),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner) | st.lists(inner, max_size=2),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(ROUTES), st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_answered(route: tuple[str, str], body: bytes) -> None:
    async def ask() -> int:
        app = web.Application()
        app.add_routes(admin_routes(Control()))
        async with (
            TestClient(TestServer(app)) as client,
            client.request(route[0], f"/admin/{route[1]}", data=body) as answer,
        ):
            await answer.json()
            return answer.status

    assert asyncio.run(ask()) in (200, 400, 404)


# ---- the command line ----------------------------------------------------------------------------------------


@pytest.fixture
def mm(
    client: TestClient[web.Request, web.Application],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Awaitable[tuple[int, str, str]]]:
    """`market_maker venue …` against the venue of this test: exit code, output, errors."""

    async def mm(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["market_maker", "venue", *words])
        monkeypatch.setenv("MM_VENUE_PORT", str(client.port))
        code = await asyncio.to_thread(main)
        return code, *capsys.readouterr()

    return mm


Run = Callable[..., Awaitable[tuple[int, str, str]]]


async def test_cli_fault_by_its_words(mm: Run, control: Control) -> None:
    code, out, _ = await mm("fault", "reject", "--for", "500ms", "--share", "0.3", "--coin", BTC, "--text", "no")
    assert (code, out) == (0, "reject is on as number 1\n")
    (on,) = control.faults.running()
    assert (on.fault.for_s, getattr(on.fault, "share", None), getattr(on.fault, "text", None)) == (0.5, 0.3, "no")
    code, out, _ = await mm("faults")
    assert code == 0 and out.startswith("#1 reject for_s=0.5 share=0.3 coin=BTC text=no: on for")
    assert (await mm("clear", "1"))[0] == 0 and (await mm("clear", "1"))[0] == 2
    assert (await mm("faults"))[1] == "no fault is on\n"


async def test_cli_says_what_is_wrong(mm: Run) -> None:
    code, _, error = await mm("fault", "drop", "--ms", "5")
    assert code == 4 and "drop has no field ms" in error
    code, _, error = await mm("fault", "halt", "--for", "soon")
    assert code == 4 and "500ms, 5s or 2m" in error
    code, _, error = await mm("account", "--deposit", "5")
    assert code == 4 and "name the ADDRESS" in error


async def test_cli_without_a_venue(mm: Run) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        unused_tcp_port = probe.getsockname()[1]
    code, out, error = await mm("faults", "--port", str(unused_tcp_port))
    assert code == 3 and not out and f"no venue answers on http://127.0.0.1:{unused_tcp_port}" in error


async def test_cli_at_a_door_that_takes_it_for_another_machine(mm: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.Request, "remote", "172.18.0.1")
    code, _, error = await mm("faults")
    assert code == 1 and "the venue's own machine only; in Docker: docker exec mm_venue" in error


async def test_cli_scenario(mm: Run, control: Control, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        f'[[at]]\ns = 2\nfault = "external_order"\nuser = "{ALICE}"\ncoin = "BTC"\nside = "buy"\nsz = 0.01'
    )
    assert await mm("scenario", str(path)) == (0, "1 steps, the last after 2 s\n", "")
    control.faults.advance(2_000)
    (order,) = control.faults.due_orders(2_000)
    assert getattr(order, "sz", None) == Decimal("0.01")
    path.write_text('[[at]]\ns = 2\nfault = "dropp"')
    code, _, error = await mm("scenario", str(path))
    assert code == 4 and f"{path} line 3" in error


async def test_cli_limits(mm: Run, control: Control) -> None:
    code, out, _ = await mm("limits", "--off", "weight", "--off", "users")
    assert code == 0 and out.startswith("switched off: weight, users\n") and f"connection 1: {ALICE}" in out
    code, out, _ = await mm("limits", "--on", "weight", "--on", "users", "--json")
    assert code == 0 and all(json.loads(out)["on"].values())


async def test_cli_accounts_and_orders(mm: Run, control: Control) -> None:
    code, out, _ = await mm("account", BOB, "--deposit", "500")
    assert code == 0 and "perps: value 500.000000, withdrawable 500.000000" in out
    assert (await mm("account"))[1].count("traded") == 2
    code, out, _ = await mm("order", ALICE, BTC, "buy", "0.01", "--px", "90000", "--tif", "Alo")
    assert code == 0 and json.loads(out) == [{"resting": {"oid": 1}}]
    code, _, error = await mm("cancel", ALICE)
    assert code == 4 and "no such order" in error
    ((_, action),) = control.acted
    assert not isinstance(action, Cancel)


async def test_cli_ends_with_1_when_the_venue_refuses(mm: Run, control: Control) -> None:
    assert (await mm("account", ALICE, "--withdraw", "5"))[0] == 0
    control.reply = err("Insufficient balance for withdrawal")
    code, out, _ = await mm("account", ALICE, "--withdraw", "50000")
    assert code == 1 and "Insufficient balance for withdrawal" in out


@pytest.mark.parametrize("port", ["0", "65536", "http"])
async def test_cli_takes_ports_only(mm: Run, port: str) -> None:
    code, _, error = await mm("coins", "--port", port)
    assert code == 4 and "--port" in error


async def test_cli_coins_and_truth(mm: Run, control: Control) -> None:
    assert (await mm("halt-coin", "xyz:GOLD", "--for", "1m"))[0] == 0
    assert "HALTED" in (await mm("coins"))[1]
    assert (await mm("resume-coin", "xyz:GOLD"))[0] == 0
    assert "HALTED" not in (await mm("coins"))[1]
    await mm("account", BOB, "--deposit", "5")
    code, out, _ = await mm("truth", "--last", "1")
    assert code == 0 and json.loads(out)["seq"] == control.truth.seq


def test_the_help_names_every_fault() -> None:
    commands_of_their_own = {"external_order", "external_cancel"}
    assert KINDS.keys() - commands_of_their_own == set(FAULTS.split()) & KINDS.keys()
