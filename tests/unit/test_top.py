"""The live screen: what it says in its head, how rows are ordered, and its keys, on a bus in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import Input, Static

from market_maker.operator_bus import Answer
from market_maker.top import view
from market_maker.top.app import Top
from market_maker.top.grid import Grid
from market_maker.top.watcher import Watcher
from shared import messages as m
from shared.clock import wall_ms
from shared.errors import BusError
from shared.memory_bus import MemoryBus
from tests.fixtures.make import account_status, book, coin_status, fill, live_status

COINS = ("BTC", "ETH", "SOL", *(f"C{number}" for number in range(27)))


def grid_messages(mode: m.Mode = "shadow", halted: bool = False) -> list[m.Message]:
    """Thirty coins; ETH quotes one side, SOL neither on purpose."""
    now_ms = int(wall_ms())
    changes: dict[str, dict[str, Any]] = {
        "ETH": {"resting_bids": 0, "bid_reason": m.Reason.OFI_SELL_DOMINANCE, "best_bid_px": None},
        "SOL": {
            "resting_bids": 0, "resting_asks": 0, "bid_reason": m.Reason.COIN_DISABLED,
            "ask_reason": m.Reason.COIN_DISABLED, "best_bid_px": None, "best_ask_px": None,
        },
    }  # fmt: skip
    quoting = {
        "resting_bids": 1, "resting_asks": 1, "best_bid_px": Decimal("99.8"), "best_ask_px": Decimal("100.3"),
        "bid_reason": None, "ask_reason": None,
    }  # fmt: skip
    lines = tuple(
        coin_status(
            coin, position_sz=str(place - 15), realized_usd=Decimal(place % 7), **quoting | changes.get(coin, {})
        )
        for place, coin in enumerate(COINS)
    )
    beat = m.Heartbeat(
        service="executor", time_ms=now_ms, started_ms=now_ms - 600_000, pid=1, handled_total=0, skipped_total=0,
        lost_total=0, rss_mb=1.0,
    )  # fmt: skip
    loss = m.PossibleLoss(
        day_left_usd=Decimal(49), exposure_usd=Decimal("321.5"), resting_usd=Decimal(9),
        gaps_usd={"0.01": Decimal(5), "0.10": Decimal(77)}, liquidation_frac=None,
    )  # fmt: skip
    return [
        m.Universe(coins=tuple(m.CoinMeta(coin=coin, sz_decimals=2, max_leverage=5) for coin in COINS), time_ms=1),
        *(_fresh(coin, now_ms) for coin in COINS),
        *(_target(coin) for coin in COINS),
        beat,
        account_status(
            now_ms,
            mode=mode,
            coins=lines,
            day_pnl_usd=Decimal("-1.25"),
            live=live_status() if mode == "live" else None,
        ),
        m.RiskReport(time_ms=now_ms, rules=(), loss=loss),
        m.HaltState(halted=halted, reason="tea time", who="ann", since_ms=now_ms),
    ]


def _fresh(coin: str, now_ms: int) -> m.Book:
    plain = book(coin)
    return m.Book(
        coin=coin, time_ms=now_ms, received_ms=float(now_ms), epoch=1, bids=plain.bids, asks=plain.asks
    )  # fmt: skip


def _target(coin: str) -> m.TargetQuotes:
    return m.TargetQuotes(
        coin=coin, source_ms=1.0, computed_ms=1, mid_px=100.0, half_spread_bps=5.0, shift_bps=0.0, multiplier=1.0,
        regime="calm", bids=(m.QuoteLevel(1, Decimal("99.8"), Decimal(1)),),
        asks=(m.QuoteLevel(1, Decimal("100.3"), Decimal(1)),),
    )  # fmt: skip


class Bus(MemoryBus):
    """Away while told so."""

    away = False

    async def stored(self, stream: Any, coins: Any, last: int | None = None) -> list[m.Message]:
        if self.away:
            raise BusError("connection refused")
        return await super().stored(stream, coins, last)


class Halting(Watcher):
    """Notes the reasons of halts instead of talking to a bot."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus, Path("nowhere"), None)
        self.reasons: list[str] = []

    async def halt(self, reason: str) -> Answer:
        self.reasons.append(reason)
        return Answer(0, f"halted: {reason}; no order rests")


@asynccontextmanager
async def screen(
    size: tuple[int, int] = (120, 40), **given: Any
) -> AsyncIterator[tuple[Pilot[None], Top, Halting, Bus]]:
    bus = Bus()
    await bus.publish(grid_messages(**given))
    watcher = Halting(bus)
    assert await watcher.first()
    app = Top(watcher)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot, app, watcher, bus


def text(app: Top, where: str) -> str:
    return str(app.screen.query_one(where, Static).content)


def lines(app: Top) -> list[str]:
    grid = app.screen_stack[0].query_one(Grid)
    return ["".join(segment.text for segment in grid.render_line(y)) for y in range(grid.size.height)]


# ---- pure ------------------------------------------------------------------------------------------------------


@given(st.integers(80, 400))
def test_columns_fill_the_terminal_and_keep_the_reason(width: int) -> None:
    shown = view.columns(width)
    assert sum(at for _, at in shown) == width
    assert shown[0][0].name == "coin" and shown[-1][0].name == " state" and shown[-1][1] >= 20


PX = st.none() | st.just("99.8")
USD = st.none() | st.integers(-500, 500).map(str)
COIN = st.fixed_dictionaries(
    {
        "coin": st.sampled_from(COINS), "mid_px": st.none() | st.just(100.0), "bid_px": PX, "ask_px": PX,
        "spread_bps": st.none() | st.floats(0, 9), "book_age_s": st.none() | st.floats(-1, 99),
        "position_usd": USD, "pnl_usd": USD, "fills": st.integers(0, 99),
        "bid_reason": st.none() | st.just("no_lease"), "ask_reason": st.none() | st.just("coin_disabled"),
    }
)  # fmt: skip
ORDERS = [view.BY_VOLUME, *(column.name for column in view.COLUMNS)]


@given(st.lists(COIN, max_size=8), st.sampled_from(ORDERS), st.booleans())
def test_any_order_keeps_every_coin_and_turning_it_round_turns_it_round(
    coins: list[dict[str, Any]], by: str, backwards: bool
) -> None:
    there = view.ordered(coins, by, backwards)
    assert sorted(map(id, there)) == sorted(map(id, coins))
    column = next((of for of in view.COLUMNS if of.name == by), None)
    if column is None:
        assert there == (coins[::-1] if backwards else coins)
        return
    weights = [column.weight(coin) for coin in there]
    assert weights == sorted(weights, reverse=(column.name != "coin") != backwards)
    for coin in coins:
        assert all(of.cell(coin).text for of in view.COLUMNS)


@pytest.mark.parametrize(
    ("bid", "ask", "state"),
    [
        (None, None, "quoting"),
        ("no_lease", None, "one side"),
        ("no_lease", "stale_book", "none"),
        ("coin_disabled", "coin_disabled", "off"),
        ("coin_disabled", "no_lease", "none"),
    ],
)
def test_states(bid: str | None, ask: str | None, state: str) -> None:
    assert view.state({"bid_reason": bid, "ask_reason": ask}) == state


# ---- the head --------------------------------------------------------------------------------------------------


async def some_facts() -> dict[str, Any]:
    async with screen() as (_, _, watcher, _):
        assert watcher.seen is not None
        return watcher.seen.facts


async def test_the_head_tells_mode_money_loss_and_data() -> None:
    async with screen() as (_, app, _, _):
        head = text(app, "#head")
    for part in ("SHADOW", "TRADING", "$-1.25 net", "holds $322", "$77.00 (10% gap)", "$49.00 to stop",
                 "30/30 fresh", "28/30 quote both sides"):  # fmt: skip
        assert part in head, head
    assert "LIVE" not in head


async def test_live_and_halted_are_unmistakable() -> None:
    async with screen(mode="live", halted=True) as (_, app, _, _):
        head = text(app, "#head")
    assert head.startswith(" LIVE ") and "HALTED by ann: tea time" in head and "budget 100%" in head
    assert "TRADING" not in head and "SHADOW" not in head


async def test_nothing_is_called_trading_while_the_executor_is_silent() -> None:
    facts = await some_facts()
    silent = view.head(facts | {"executor_silent": True, "silent": ["executor"], "account_age_s": 143.2}, "").plain
    assert "EXECUTOR SILENT for 143 s" in silent and "SILENT: executor" in silent and "TRADING" not in silent


async def test_nothing_is_called_trading_while_no_order_rests() -> None:
    facts = await some_facts()
    none = {"sides_without_quote": {"no_lease": 2 * facts["coins_total"]}}
    assert "NOT QUOTING" in view.head(facts | none, "").plain and "TRADING" in view.head(facts, "").plain


async def test_the_money_fits_a_narrow_terminal_and_negative_nothing_is_nothing() -> None:
    known = await some_facts()
    facts = known | {"day": "since 22:10", "day_pnl_usd": "-12.34"}
    facts["risk"] = {**facts["risk"], "possible_loss": {
        "day_left_usd": "99.99", "exposure_usd": "99.99", "resting_usd": "0", "gaps_usd": {"0.10": "99.99"},
    }}  # fmt: skip
    assert len(view.head(facts, "").plain.splitlines()[1]) <= 80
    assert "$0.00 net" in view.head(known | {"day_pnl_usd": "-0.001"}, "").plain


# ---- keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_every_line_fits_and_every_coin_can_be_reached(size: tuple[int, int]) -> None:
    async with screen(size) as (pilot, app, _, _):
        shown = lines(app)
        assert all(len(line) == size[0] for line in shown)
        assert ("our bid" in shown[0]) == (size[0] >= 120)
        assert "no bid: ofi_sell" in shown[2] and "none: coin_disabled" in shown[3]
        await pilot.press("end")
        assert app.query_one(Grid).chosen == COINS[-1] and any(line.startswith(COINS[-1]) for line in lines(app))


async def test_sorting_follows_the_chosen_coin() -> None:
    async with screen((80, 24)) as (pilot, app, _, _):
        grid = app.query_one(Grid)
        await pilot.press("down", "s")
        assert (grid.chosen, grid.names) == ("ETH", sorted(COINS)) and "coin▼" in lines(app)[0]
        assert any(line.startswith("ETH") for line in lines(app))
        await pilot.press("r")
        assert grid.names == sorted(COINS, reverse=True) and grid.chosen == "ETH"
        await pilot.press("S")
        assert grid.names == list(COINS)
        await pilot.click(Grid, offset=(45, 0))
        assert "▼PnL" in lines(app)[0]
        assert grid.rows[0][5].text == "6.00"


async def test_a_smaller_terminal_keeps_the_chosen_coin_in_view() -> None:
    async with screen((200, 50)) as (pilot, app, _, _):
        await pilot.press("end")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert all(len(line) == 80 for line in lines(app))
        assert any(line.startswith(COINS[-1]) for line in lines(app))


async def test_one_coin_in_full() -> None:
    async with screen() as (pilot, app, _, bus):
        await bus.publish([fill("ETH")])
        await pilot.press("down", "enter")
        await pilot.pause()
        told = text(app, "#coin")
        for part in ("ETH", "no bid: ofi_sell_dominance", "ask L1", "lease of the guard\nnone", "last fills"):
            assert part in told, told
        assert "none yet" not in told
        await pilot.press("s", "escape")
        assert app.query_one(Grid).names == list(COINS), "sorting belongs to the table"


async def test_a_halt_needs_a_reason_and_the_word() -> None:
    async with screen() as (pilot, app, watcher, _):
        await pilot.press("h", "enter", *"HALT", "enter")
        assert "reason is empty" in text(app, "#answer")
        await pilot.press(*"tea", "enter")
        word = app.screen.query_one("#word", Input)
        word.value = "halt"
        await pilot.press("enter")
        assert "nothing was sent" in text(app, "#answer") and watcher.reasons == []
        word.value = "HALT"
        await pilot.press("enter")
        await pilot.pause()
        assert watcher.reasons == ["tea"] and "no order rests" in text(app, "#answer")
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_leaving_the_question_sends_nothing() -> None:
    async with screen() as (pilot, app, watcher, _):
        await pilot.press("h", *"tea", "escape", "question_mark")
        assert "word HALT" in text(app, "#help") and watcher.reasons == []
        await pilot.press("escape", "q")
    assert app.return_code == 0


async def test_while_redis_is_away_it_says_so_and_comes_back_by_itself() -> None:
    async with screen() as (_, app, _, bus):
        bus.away = True
        await app.look_again()
        assert "REDIS DOES NOT ANSWER" in text(app, "#head") and "connection refused" in text(app, "#head")
        assert lines(app)[1].startswith("BTC"), "the last look stays"
        assert "TRADING" not in text(app, "#head") and "30/30 fresh" not in text(app, "#head"), (
            "and is not called now"
        )
        bus.away = False
        await app.look_again()
        assert "REDIS" not in text(app, "#head")
