"""The preflight of a live start against a running venue, as the start script runs it."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from eth_account import Account as Wallet
from hyperliquid.utils.types import Cloid

from market_maker import compose, doctor, local, redis_server
from market_maker.gates import keys
from market_maker.launch import launch
from market_maker.live import gates, preflight
from market_maker.options import Options, check
from services.venue.api.server import VenueServer
from services.venue.faults import kinds
from shared.clock import wall_ms
from shared.errors import ConfigError
from shared.hyperliquid.cloids import own_prefix
from tests.fixtures.venue_sdk import Trader, new_wallet
from tests.fixtures.venue_server import RunningVenue

GATES = tuple(gates.GATES)
OPTIONS = Options(venue="sim", coins="BTC,ETH,SOL")


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(fund=0, limits=False) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Everything that a start writes lies here."""
    made = tmp_path / "run"
    made.mkdir()
    return made


@pytest.fixture
def trader(venue: RunningVenue, folder: Path) -> Trader:
    return joined(venue, folder)


def joined(venue: RunningVenue, folder: Path) -> Trader:
    """An account with $1000 and two agents, whose keys the environment has."""
    trader = Trader(venue)
    venue.do(lambda server: server.world.accounts.open(trader.address, server.world.now_ms))
    trader.deposit(1000)
    _, key = trader.exchange.approve_agent("desk")
    _, watchdogs = trader.exchange.approve_agent("watchdog")
    os.environ |= {
        "MM_SHADOW_MODE": "false",
        "MM_VENUE_URL": venue.url,
        "MM_RUN_DIR": str(folder),
        "MM_DATA_DIR": str(folder),
        "MM_CONFIRMATION_DIR": str(folder / "live"),
        "HL_ADDRESS": trader.wallet.address,
        "HL_PRIVATE_KEY": key,
        "HL_WATCHDOG_KEY": watchdogs,
    }
    return trader


@pytest.fixture(autouse=True)
def _good_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the doctor says of this machine is not the question here."""
    monkeypatch.setattr(preflight.machine, "examine", lambda config: iter(()))


def examined(accepted: tuple[str, ...] = GATES) -> preflight.Preflight:
    return preflight.examine(check(OPTIONS), accepted)


def texts(result: preflight.Preflight) -> dict[str, str]:
    return {finding.subject: finding.text for finding in result.findings}


def failures() -> dict[str, str]:
    return {finding.subject: finding.text for finding in examined().findings if finding.verdict == "FAIL"}


def test_an_account_with_an_agent_is_ready(trader: Trader) -> None:
    result = examined()
    assert result.passed and result.without == GATES
    by_subject = {finding.subject: finding for finding in result.findings}
    assert by_subject["account"].text == trader.address
    assert by_subject["key"].text.startswith("agent 'desk', valid until 20")
    assert by_subject["watchdog"].text.startswith("agent 'watchdog', valid until 20")
    assert by_subject["orders"].text == "none open" and by_subject["positions"].text == "none"
    assert by_subject["coins"].text == "3: BTC, ETH, SOL"
    assert (result.losses.account_usd, result.losses.most_held_usd, result.losses.daily_stop_usd) == (
        1000,
        600,
        50,
    )
    assert list(preflight.lines(result))[-1].startswith("Ready for live trading, for 12 h: ")


def test_gates_that_nobody_accepted_are_missing(trader: Trader) -> None:
    result = examined(("gate1", "gate4"))
    assert not result.passed and result.without == ("gate1", "gate4")
    assert list(preflight.lines(result))[-1] == "Not ready for live trading: gate2, gate3, gate5."


def test_the_account_s_own_key_is_refused(trader: Trader) -> None:
    os.environ["HL_PRIVATE_KEY"] = trader.wallet.key.hex()
    assert "can withdraw everything" in failures()["key"]


def test_the_key_of_another_account_is_refused(trader: Trader, venue: RunningVenue) -> None:
    stranger = Trader(venue)
    venue.do(lambda server: server.world.accounts.open(stranger.address, server.world.now_ms))
    os.environ["HL_PRIVATE_KEY"] = stranger.wallet.key.hex()
    assert "could withdraw" in failures()["key"]


def test_an_agent_of_another_account_is_refused(trader: Trader, venue: RunningVenue) -> None:
    stranger = Trader(venue)
    venue.do(lambda server: server.world.accounts.open(stranger.address, server.world.now_ms))
    stranger.deposit(100)
    os.environ["HL_PRIVATE_KEY"] = stranger.exchange.approve_agent()[1]
    assert f"an agent of {stranger.address}, not of HL_ADDRESS" in failures()["key"]


def test_a_key_that_nobody_approved_is_refused(trader: Trader) -> None:
    os.environ["HL_PRIVATE_KEY"] = new_wallet().key.hex()
    assert "is no agent, or no more" in failures()["key"]


def test_the_watchdog_needs_a_key_of_its_own(trader: Trader) -> None:
    os.environ["HL_WATCHDOG_KEY"] = os.environ["HL_PRIVATE_KEY"]
    assert "it has the executor's key" in failures()["watchdog"]
    os.environ["HL_WATCHDOG_KEY"] = new_wallet().key.hex()
    assert "is no agent, or no more" in failures()["watchdog"]
    del os.environ["HL_WATCHDOG_KEY"]
    found = failures()
    assert set(found) == {"watchdog"} and "HL_WATCHDOG_KEY_FILE to a file with mode 600" in found["watchdog"]


def test_an_agent_that_ends_during_the_session_is_refused(trader: Trader) -> None:
    def end_in(ms: int) -> None:
        def change(server: VenueServer) -> None:
            account = trader.account(server)
            until_ms = server.world.now_ms + ms
            server.world.accounts.approve(account, replace(account.agents["desk"], valid_until_ms=until_ms))

        trader.venue.do(change)

    end_in(3_600_000)
    assert "too soon: without it nothing can be cancelled" in failures()["key"]
    end_in(-1)
    assert "is no agent, or no more" in failures()["key"]


def test_an_agent_without_a_name_is_refused(trader: Trader) -> None:
    os.environ["HL_PRIVATE_KEY"] = trader.exchange.approve_agent()[1]
    assert "does not list it" in failures()["key"]


def test_an_address_that_is_an_agents_is_refused_with_the_account_s(trader: Trader) -> None:
    os.environ["HL_ADDRESS"] = Wallet.from_key(os.environ["HL_PRIVATE_KEY"]).address
    os.environ["HL_PRIVATE_KEY"] = trader.exchange.approve_agent()[1]
    assert failures()["account"] == f"HL_ADDRESS is an agent's address; the account is {trader.address}"


def test_an_address_without_an_account_is_refused(trader: Trader) -> None:
    os.environ["HL_ADDRESS"] = "0x" + "77" * 20
    assert "nothing was ever deposited" in failures()["account"]


def test_orders_of_somebody_else_are_listed_and_refused(trader: Trader) -> None:
    oid = trader.rest("ETH", usd=50)
    found = failures()
    assert set(found) == {"orders"}
    assert "1 are not ours, cancel them first: ETH buy" in found["orders"] and f"(oid {oid})" in found["orders"]


def test_orders_of_our_own_are_left_to_the_start(trader: Trader) -> None:
    trader.rest("ETH", usd=50, cloid=Cloid.from_str(own_prefix(trader.address) + "0" * 24))
    result = examined()
    assert result.passed
    assert (
        "1 of ours rest, and the start cancels them"
        in {finding.subject: finding.text for finding in result.findings}["orders"]
    )


def test_positions_are_shown(trader: Trader) -> None:
    trader.take("SOL", usd=100)
    assert texts(examined())["positions"].startswith("the session begins with SOL ")


def test_an_account_mode_whose_margin_cannot_be_read_is_refused(trader: Trader) -> None:
    trader.venue.do(lambda server: setattr(trader.account(server), "abstraction", "unifiedAccount"))
    assert set(failures()) == {"mode"}


def test_a_used_up_request_budget_is_refused(trader: Trader) -> None:
    trader.venue.do(lambda server: setattr(trader.account(server), "requests_used", 9_500))
    assert "499 requests are left, and 1,000 are needed to start" in failures()["budget"]


def test_too_little_money_is_refused(trader: Trader) -> None:
    os.environ |= {"MM_STARTING_BALANCE_USD": "50000", "MM_MAX_DAILY_LOSS_USD": "2500"}
    assert "the daily stop alone is $2,500.00" in failures()["margin"]


def test_a_clock_that_is_wrong_is_refused(tmp_path: Path) -> None:
    with RunningVenue(fund=0, limits=False) as venue:
        joined(venue, tmp_path)
        skew = kinds.ClockSkew(ms=5_000, for_s=60)
        venue.do(lambda server: server.faults.start(server.fault_ms(), skew))
        venue.do(VenueServer.block)
        text = failures()["clock"]
    assert 4.5 < float(text.partition("is ")[2].partition(" s")[0]) < 5.5 and "synchronise" in text


def test_a_venue_that_does_not_answer_is_one_failure(trader: Trader) -> None:
    os.environ["MM_VENUE_URL"] = "http://127.0.0.1:9"
    found = failures()
    assert set(found) == {"venue"} and "unreachable" in found["venue"]


def test_an_unknown_coin_is_named(trader: Trader) -> None:
    result = preflight.examine(check(Options(venue="sim", coins="BTC,ETHH")), GATES)
    (failure,) = [finding.text for finding in result.findings if finding.verdict == "FAIL"]
    assert "no coin ETHH on this venue; did you mean ETH" in failure


def test_the_doctor_shows_what_a_live_start_would(trader: Trader, capsys: pytest.CaptureFixture[str]) -> None:
    os.environ |= {"MM_VENUE": "sim", "MM_COINS": "BTC,ETH,SOL"}
    assert doctor.examine() == 1
    shown = capsys.readouterr().out
    assert "ok       watchdog   agent 'watchdog'" in shown and "What it can lose:" in shown
    assert shown.endswith("Not ready for live trading: gate1, gate2, gate3, gate4, gate5.\n")


def test_the_doctor_tells_scripts_the_same(trader: Trader, capsys: pytest.CaptureFixture[str]) -> None:
    os.environ |= {"MM_VENUE": "sim", "MM_COINS": "BTC,ETH,SOL"}
    assert doctor.examine(as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    failed = [finding["subject"] for finding in told["findings"] if finding["verdict"] == "FAIL"]
    assert failed == list(GATES) and not told["passed"]
    assert told["losses"]["coins"] == 3 and float(told["losses"]["daily_stop_usd"]) > 0


# ---- evidence of the gates -----------------------------------------------------------------------------------


def make_evidence(folder: Path, **changes: object) -> gates.Evidence:
    """All green, for what the environment says; written as `market_maker gates` does."""
    subject = preflight.gate_subject(check(OPTIONS))
    now_ms = int(wall_ms())
    evidence = gates.Evidence(
        made_ms=now_ms,
        until_ms=now_ms + gates.VALID_MS,
        configuration=subject.configuration,
        code=subject.code,
        venue=subject.venue,
        account=subject.account,
        gates={gate: gates.GateResult("GO", "n=1000") for gate in GATES},
    )
    evidence = msgspec.structs.replace(evidence, **changes)
    gates.write_evidence(folder, folder / "live", evidence, b"{}")
    return evidence


def test_green_evidence_is_all_that_the_gates_ask(trader: Trader, folder: Path) -> None:
    make_evidence(folder)
    result = examined(())
    assert result.passed and result.without == ()
    assert texts(result)["gate1"] == "spread against adverse selection: GO, n=1000"
    assert examined(("gate2",)).without == ()


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"venue": "hyperliquid"}, set(GATES)),
        ({"configuration": "x"}, set(GATES)),
        ({"until_ms": 0}, set(GATES)),
        ({"account": "0x" + "77" * 20}, {"gate5"}),
        ({"gates": {"gate1": gates.GateResult("GO", "")}}, {"gate2", "gate3", "gate4", "gate5"}),
    ],
)
def test_evidence_for_something_else_lets_nobody_through(
    trader: Trader, folder: Path, changes: dict[str, object], missing: set[str]
) -> None:
    make_evidence(folder, **changes)
    assert set(examined(()).failed) == missing


def test_edited_evidence_is_a_failure_of_its_own_that_nobody_can_accept(trader: Trader, folder: Path) -> None:
    make_evidence(folder)
    file = folder / gates.FILE
    file.write_bytes(file.read_bytes().replace(b"n=1000", b"n=9999"))
    result = examined()
    assert (
        result.failed == ("gates",) and "was edited, or not written by this installation" in texts(result)["gates"]
    )


def test_settings_that_change_after_the_evidence_take_it_away(trader: Trader, folder: Path) -> None:
    make_evidence(folder)
    os.environ["MM_GLOBAL_HALT_DRAWDOWN_PCT"] = "0.1"
    assert "for another configuration" in texts(examined(()))["gate1"]


def test_keys_of_a_real_account_are_tested_with_the_venue(trader: Trader) -> None:
    os.environ |= {"MM_SHADOW_MODE": "true"}
    checked = check(OPTIONS)
    item = keys.item(checked, "sim")
    assert item.verdict == "GO" and trader.address in item.judgement.reason
    assert "MM_VENUE=hyperliquid" in keys.item(checked, "hyperliquid").judgement.needs


def test_keys_that_may_not_trade_are_a_no_and_missing_ones_are_not_tested(trader: Trader) -> None:
    os.environ |= {"MM_SHADOW_MODE": "true"}
    checked = check(OPTIONS)
    good = os.environ["HL_PRIVATE_KEY"]
    os.environ["HL_PRIVATE_KEY"] = new_wallet().key.hex()
    assert "is no agent, or no more" in keys.item(checked, "sim").judgement.reason
    assert keys.item(checked, "sim").verdict == "NO-GO"
    os.environ["HL_PRIVATE_KEY"] = good
    os.environ["HL_WATCHDOG_KEY"] = good
    assert keys.item(checked, "sim").verdict == "NO-GO"
    for name in ("HL_WATCHDOG_KEY", "HL_PRIVATE_KEY", "HL_ADDRESS"):
        del os.environ[name]
        item = keys.item(checked, "sim")
        assert item.verdict == "NOT ENOUGH DATA" and item.judgement.reason.startswith("not tested: ")
        assert "docs/live.md" in item.judgement.needs


def test_keys_cannot_be_tested_without_the_venue(trader: Trader) -> None:
    os.environ |= {"MM_SHADOW_MODE": "true", "MM_VENUE_URL": "http://127.0.0.1:9"}
    item = keys.item(check(OPTIONS), "sim")
    assert item.verdict == "NOT ENOUGH DATA" and "unreachable" in item.judgement.reason


# ---- the start itself ----------------------------------------------------------------------------------------


def started(*accepted: str) -> int:
    return launch(Options(venue="sim", coins="BTC,ETH,SOL", deployment="local", accept_missing=accepted))


def test_missing_evidence_alone_is_exit_2(
    trader: Trader, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert started("gate1") == 2
    error = capsys.readouterr().err
    assert error == "error: not ready for live trading (gate2, gate3, gate4, gate5): nothing was started\n"
    assert list(folder.iterdir()) == []


def test_anything_else_that_is_wrong_is_about_the_configuration(trader: Trader, folder: Path) -> None:
    os.environ["HL_WATCHDOG_KEY"] = os.environ["HL_PRIVATE_KEY"]
    with pytest.raises(ConfigError, match=r"not ready for live trading \(watchdog, gate5\): nothing was started"):
        started("gate1", "gate2", "gate3", "gate4")
    assert list(folder.iterdir()) == []


def test_what_is_ready_still_needs_a_person(
    trader: Trader, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    key = os.environ["HL_PRIVATE_KEY"]
    with pytest.raises(ConfigError, match="confirmed by a person at a terminal"):
        started(*GATES)
    shown = "".join(capsys.readouterr())
    assert "Ready for live trading, " in shown and "What it can lose:" in shown
    assert key.removeprefix("0x") not in shown
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["sim", "replay"])
def test_a_bundled_venue_has_to_run_before(trader: Trader, name: str) -> None:
    del os.environ["MM_VENUE_URL"]
    with pytest.raises(ConfigError, match="needs a venue that runs already: start `market_maker venue`"):
        check(Options(venue=name))


def test_a_venue_that_somebody_else_runs_is_neither_started_nor_wiped(trader: Trader, folder: Path) -> None:
    os.environ |= {"MM_SHADOW_MODE": "true", "MM_SECRETS_DIR": str(folder / "bus")}
    server = redis_server.find_server()
    for bundled in (False, True):
        checked = check(Options(venue="replay" if not bundled else "sim"))
        assert checked.bundled_venue is bundled
        plan = local.build_plan(checked, "r1", server, foreground=False)
        names = [process.name for stage in plan.stages for process in stage]
        assert ("venue" in names) is bundled and ("demo" in compose._profiles(checked)) is bundled
        os.environ.pop("MM_VENUE_URL", None)
