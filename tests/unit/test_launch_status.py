"""What `status` and the summary say, from literal messages."""

import json
import socket
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from market_maker import halt_preview, status
from market_maker.snapshot import Snapshot, assemble, look
from market_maker.summary import Watch, render, summarise
from services import SERVICES
from shared.memory_bus import MemoryBus
from shared.messages import (
    AccountStatus,
    Book,
    CoinMeta,
    CoinStatus,
    HaltState,
    Heartbeat,
    Level,
    LiveStatus,
    Message,
    QuoteLevel,
    Reason,
    RequestBudget,
    TargetQuotes,
    Universe,
)
from shared.streams import STATUS

NOW_MS = 1_700_000_010_000
D = Decimal


def book(coin: str, received_ms: float = NOW_MS - 100) -> Book:
    return Book(
        coin=coin, time_ms=NOW_MS, received_ms=received_ms, epoch=1,
        bids=(Level(D("99.9"), D(1)),), asks=(Level(D("100.1"), D(1)),),
    )  # fmt: skip


def target(coin: str, computed_ms: int = NOW_MS, bid: Reason | None = None) -> TargetQuotes:
    level = (QuoteLevel(level=1, px=D("99.9"), sz=D("0.12")),)
    return TargetQuotes(
        coin=coin, source_ms=NOW_MS, computed_ms=computed_ms, mid_px=100.0, half_spread_bps=10, shift_bps=0,
        multiplier=1, regime="calm", bids=() if bid else level, asks=level, bid_reason=bid,
    )  # fmt: skip


def coin(name: str, bids: int = 3, asks: int = 3, **changed: object) -> CoinStatus:
    fields = dict(
        coin=name, position_sz=D("0.5"), mark_px=D(100), realized_usd=D("1.5"), unrealized_usd=D("-0.25"),
        fees_usd=D("0.1"), funding_usd=D("0.05"), volume_usd=D(80), fills=4, orders_placed=9, orders_canceled=2,
        orders_rejected=1, resting_bids=bids, resting_asks=asks, best_bid_px=D("99.9"), best_ask_px=D("100.1"),
    )  # fmt: skip
    return CoinStatus(**{**fields, **changed})  # type: ignore[arg-type]


def account(*coins: CoinStatus) -> AccountStatus:
    return AccountStatus(
        time_ms=NOW_MS, mode="shadow", session_start_ms=0, day_start_ms=0, starting_balance_usd=D(1000),
        pnl_usd=D("1.20"), day_pnl_usd=D("1.20"), peak_pnl_usd=D(2), fees_usd=D("0.1"), funding_usd=D("0.05"),
        volume_usd=D(80), fills=4, coins=coins,
    )  # fmt: skip


def beat(service: str, time_ms: int) -> Heartbeat:
    return Heartbeat(
        service=service, time_ms=time_ms, started_ms=NOW_MS - 60_000, pid=1, handled_total=1, skipped_total=0,
        lost_total=0, rss_mb=50.0,
    )  # fmt: skip


def snapshot(*messages: Message, halt: HaltState | None = None) -> Snapshot:
    return assemble(NOW_MS, ("BTC", "ETH", "SOL"), messages, halt or HaltState(halted=False))


FULL = snapshot(
    book("BTC"), book("ETH", NOW_MS - 9_000), target("BTC"), target("ETH", bid=Reason.OFI_SELL_DOMINANCE),
    beat("quoter", NOW_MS - 20_000), beat("executor", NOW_MS - 1_000),
    account(coin("BTC"), coin("ETH", bids=0, best_bid_px=None, bid_reason=Reason.OFI_SELL_DOMINANCE)),
)  # fmt: skip


def test_a_side_without_an_order_always_has_a_reason() -> None:
    facts = status.describe(FULL, None, {"quoter": 2})
    states = {row[0]: row[-1] for row in status.rows(facts)}
    assert states == {"BTC": "quoting", "ETH": "no bid: ofi_sell_dominance", "SOL": "no quote: no_book"}
    assert facts["sides_without_quote"] == {"no_book": 2, "ofi_sell_dominance": 1}
    assert (facts["coins_with_fresh_book"], facts["coins_quoting_both_sides"]) == (1, 1)


def test_wanted_but_not_resting_yet_is_in_flight() -> None:
    facts = status.describe(snapshot(book("BTC"), target("BTC"), account(coin("BTC", bids=0))), None, {})
    assert facts["coins"][0]["bid_reason"] == "in_flight"
    assert facts["coins"][0]["ask_reason"] is None


def test_a_coins_pnl_is_realised_plus_unrealised_less_fees_plus_funding() -> None:
    btc = status.describe(FULL, None, {})["coins"][0]
    assert D(btc["pnl_usd"]) == D("1.20")
    assert btc["position_usd"] == "50.00"


def test_a_coin_that_left_the_universe_is_shown_as_long_as_it_counts() -> None:
    gone = status.describe(snapshot(account(coin("BTC"), coin("DOGE", 0, 0))), None, {})["coins"][-1]
    assert (gone["coin"], gone["fills"], gone["bid_reason"]) == ("DOGE", 4, "no_universe")
    assert gone["position_usd"] == "50.00"


def test_a_silent_service_is_named_and_restarts_are_shown() -> None:
    facts = status.describe(FULL, None, {"quoter": 2})
    assert facts["running"] and facts["services"]["quoter"] == {
        "heartbeat_age_s": 20.0, "silent": True, "memory_mb": 50.0, "restarts": 2,
    }  # fmt: skip
    silent = (
        next(line for line in status.headline(facts) if "SILENT: " in line).partition("SILENT: ")[2].split(", ")
    )
    assert "quoter" in silent and "guard" in silent, "never heard of is silent too"
    assert not {"executor", "watchdog", "venue"} & set(silent), "nobody watches simulated orders"


def test_a_silent_executor_is_said_and_its_orders_are_not_known() -> None:
    old = msgspec.structs.replace(account(coin("BTC")), time_ms=NOW_MS - 11_000)
    told = snapshot(book("BTC"), target("BTC"), beat("quoter", NOW_MS), beat("executor", NOW_MS - 11_000), old)
    facts = status.describe(told, None, {})
    assert "EXECUTOR SILENT" in status.headline(facts)[0] and facts["coins_quoting_both_sides"] == 0
    btc = facts["coins"][0]
    assert (btc["bid_reason"], btc["bid_px"], btc["ask_px"]) == ("executor_silent", None, None)
    assert btc["position_usd"] == "50.00", "the ledger's last word stays"


async def test_what_a_silent_executor_held_is_shown_however_long_ago_it_spoke() -> None:
    """A thousand heartbeats of the others are a hundred seconds: by then its own words have left the stream."""
    bus = MemoryBus()
    universe = Universe(coins=(CoinMeta(coin="BTC", sz_decimals=5, max_leverage=40),), time_ms=1)
    others = [beat(name, NOW_MS) for name in SERVICES if name not in ("executor", "venue", "watchdog")]
    for mode, age_ms in (("shadow", 86_400_000), ("live", 300_000)):
        said = msgspec.structs.replace(account(coin("BTC")), mode=mode, time_ms=NOW_MS - age_ms)
        await bus.publish([universe, said])
    await bus.publish(others * 200)
    assert not [message for message in await bus.stored(STATUS, ()) if isinstance(message, AccountStatus)]
    told = await look(bus, NOW_MS)
    facts = status.describe(told, None, {})
    assert (told.executor_silent, facts["mode"], facts["coins"][0]["position_usd"]) == (True, "live", "50.00")
    assert "EXECUTOR SILENT for 300 s" in status.headline(facts)[0]


async def test_who_has_fallen_silent_is_found_behind_what_the_others_say() -> None:
    bus = MemoryBus()
    others = [beat(name, NOW_MS) for name in SERVICES if name not in ("executor", "venue", "watchdog")]
    await bus.publish([msgspec.structs.replace(account(coin("BTC")), time_ms=NOW_MS - 30_000)])
    await bus.publish([beat("executor", NOW_MS - 30_000), *others * 20])
    told = await look(bus, NOW_MS)
    assert told.silent == ["executor"] and told.account is not None and told.executor_silent


def test_the_day_begins_anew_with_a_resume() -> None:
    fresh = msgspec.structs.replace(account(coin("BTC")), day_start_ms=NOW_MS)
    assert "PnL $1.20, since 22:13 $1.20" in "\n".join(status.headline(status.describe(snapshot(fresh), None, {})))
    assert "today $1.20" in "\n".join(status.headline(status.describe(FULL, None, {})))


def test_what_a_halt_would_do_is_not_known_while_nobody_tells() -> None:
    lines = halt_preview.render(halt_preview.preview(snapshot(beat("guard", NOW_MS)), "why", [], []))
    assert {"orders: not known", "positions: not known"} <= set(lines)
    assert lines[1].startswith("THE EXECUTOR IS SILENT")


def test_a_halt_shows_who_and_why() -> None:
    halted = snapshot(
        beat("guard", NOW_MS), halt=HaltState(halted=True, reason="drawdown 5.1 %", who="guard", since_ms=1)
    )
    assert "HALTED by guard: drawdown 5.1 %" in status.headline(status.describe(halted, None, {}))[0]


ADDRESS = "0x" + "a1" * 20


def live(**changed: object) -> AccountStatus:
    budget = RequestBudget(
        mode="quoting", used=2_500, cap=10_500, left=7_999, headroom_frac=0.7999, widening=1.118,
        spent_per_hour=420.0, earned_per_hour=120.0, pace_per_hour=400.0, hours_to_empty=24.99, forecasts=6,
        forecast_error_frac=0.08,
    )  # fmt: skip
    fields = dict(
        account=ADDRESS, phase="ready", confirmed_until_ms=NOW_MS + 5_400_000, without=("gate3", "gate5"),
        unknown_orders=2, rejects={"throttled": 1, "would_cross": 7}, dark_fills=1, tied_out_ms=NOW_MS - 12_000,
        untied={}, budget=budget,
    )  # fmt: skip
    told = LiveStatus(**{**fields, **changed})  # type: ignore[arg-type]
    return msgspec.structs.replace(account(coin("BTC")), mode="live", live=told)


def test_live_trading_is_the_first_thing_said_with_the_gates_it_goes_without() -> None:
    facts = status.describe(snapshot(beat("executor", NOW_MS), live()), None, {})
    lines = status.headline(facts)
    assert lines[:5] == [
        f"LIVE on account {ADDRESS}, confirmed until 2023-11-14 23:43 UTC (1.5 h left), WITHOUT gate3, gate5",
        "recovery ready, 2 orders of unknown fate, 1 dark fills, books equal to the venue 12 s ago",
        "rejects: would_cross ×7, throttled ×1",
        "request budget: quoting, 7,999 left (headroom 80%), spent 420/h, earned 120/h, empty in 25.0 h,"
        " spreads ×1.12, forecasts off by 8%",
        "LIVE on ? (?), running, up 60 s, not halted",
    ]
    said = json.loads(json.dumps(facts))["live"]
    assert (said["without"], said["tied_out_age_s"], said["budget"]["left"]) == (["gate3", "gate5"], 12.0, 7999)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"without": ()}, "(1.5 h left)\n"),
        ({"confirmed_until_ms": NOW_MS}, "CONFIRMATION OVER since 2023-11-14 22:13 UTC"),
        ({"phase": "refused", "refused": ("BTC sell 1 @ 9",)}, "recovery REFUSED (BTC sell 1 @ 9)"),
        ({"tied_out_ms": 0}, "not yet compared with the venue"),
        ({"tied_out_ms": NOW_MS - 200_000}, "books equal to the venue 200 s ago (LATE)"),
        (
            {"errors": {"unknown": 1, "refused": 0, "throttled": 4}},
            "requests that went wrong: throttled ×4, unknown ×1\n",
        ),
        (
            {"untied": {"": "cash 0.02", "BTC": "-0.1"}},
            "\nBOOKS DIFFER FROM THE VENUE: account: cash 0.02; BTC: -0.1\n",
        ),
    ],
)
def test_what_is_wrong_in_live_trading_stands_out(changed: dict[str, object], said: str) -> None:
    assert said in "\n".join(status.headline(status.describe(snapshot(live(**changed)), None, {})))


def test_reduce_only_and_flattening_are_shown_with_their_reason() -> None:
    held = msgspec.structs.replace(
        account(coin("BTC")), reduce_only={"": "news [tonight]", "BTC": "wild"}, flattening=("BTC",)
    )
    facts = status.describe(snapshot(held), None, {})
    lines = status.headline(facts)
    assert lines[1:4] == ["REDUCE-ONLY all: news [tonight]", "REDUCE-ONLY BTC: wild", "FLATTENING BTC"]
    assert facts["reduce_only"] == {"all": "news [tonight]", "BTC": "wild"} and facts["flattening"] == ["BTC"]


def test_brackets_of_a_reason_are_not_taken_for_colours(capsys: pytest.CaptureFixture[str]) -> None:
    halt = HaltState(halted=True, reason="see [bold] log", who="me", since_ms=1)
    status._print_rich(status.describe(snapshot(beat("guard", NOW_MS), live(), halt=halt), None, {}))
    text = capsys.readouterr().out
    assert "see [bold] log" in text and "WITHOUT gate3, gate5" in " ".join(text.split())


def test_old_data_in_redis_is_not_running() -> None:
    old = status.describe(snapshot(beat("guard", NOW_MS - 60_000)), None, {})
    assert not old["running"] and "NOT RUNNING" in status.headline(old)[0]


def test_status_of_nothing_is_exit_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{closed.getsockname()[1]}")
        assert status.show(tmp_path, as_json=True) == 3
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_coins_can_be_chosen_and_unknown_ones_are_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def read(url: str) -> Snapshot:
        return FULL

    monkeypatch.setattr(status, "_read", read)
    assert status.show(tmp_path, as_json=True, only=["ETH"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [coin["coin"] for coin in facts["coins"]] == ["ETH"] and facts["coins_total"] == 3
    assert status.show(tmp_path, as_json=False, only=["ETH", "NOPE"]) == 2
    assert capsys.readouterr().err == "not among the coins of this run: NOPE\n"


@pytest.mark.parametrize(("width", "mid_shown"), [(80, False), (120, True)])
def test_a_reason_is_never_cut_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, mid_shown: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    status._print_rich(status.describe(FULL, None, {}))
    text = capsys.readouterr().out
    assert "no bid: ofi_sell_dominance" in text and (" mid " in text) == mid_shown


def test_an_empty_redis_is_exit_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    assert status.show(tmp_path, as_json=False) == 3


def test_summary_of_a_session() -> None:
    watch = Watch(started_ms=NOW_MS - 30_000)
    watch.take_beginning(
        [book("BTC", NOW_MS - 5_000.0), book("BTC"), target("BTC", NOW_MS - 4_900), target("BTC")]
    )
    watch.take(FULL, {"quoter": 40.0})
    watch.take(FULL, {"quoter": 45.0, "executor": 50.0})
    facts = summarise(watch, NOW_MS, {"quoter": 1, "guard": 0}, venue="sim", deployment="local", run_id="r")
    assert facts["first_quote_after_first_book_s"] == pytest.approx(0.1)
    assert (facts["duration_s"], facts["fills"], facts["pnl_usd"]) == (30.0, 4, "1.20")
    assert (facts["orders_placed"], facts["orders_canceled"], facts["orders_rejected"]) == (18, 4, 2)
    assert facts["memory_mb"] == {"executor": 50.0, "quoter": 45.0} and facts["memory_total_mb"] == 95.0
    assert facts["restarts"] == {"quoter": 1}
    assert json.loads(json.dumps(facts)) == facts
    assert "PnL $1.2000 = marked to mid, after fees $0.1000" in "\n".join(render(facts))


def test_summary_of_a_live_session_names_the_gates_it_went_without() -> None:
    watch = Watch(NOW_MS - 1000)
    watch.take(snapshot(live()))
    facts = summarise(watch, NOW_MS, {}, venue="sim", deployment="local", run_id="r")
    assert facts["without"] == ["gate3", "gate5"] and "(live WITHOUT gate3, gate5)" in render(facts)[0]


def test_summary_of_a_session_in_which_nothing_came_up() -> None:
    facts = summarise(Watch(NOW_MS - 1000), NOW_MS, {}, venue="sim", deployment="local", run_id="r")
    assert facts["pnl_usd"] is None and facts["coins"] == 0
    assert "first quote never came" in "\n".join(render(facts))
