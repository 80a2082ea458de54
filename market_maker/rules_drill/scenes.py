"""What makes each rule of the guard fire, at the built-in limits: the least that is a case for it.

A scene acts on a path of guard and quoter; the executor's word (accounts, fills) is part of the scene.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import msgspec

from market_maker.rules_drill.path import START_MS, TradingPath
from services.guard.checks.machine import MachineHealth
from shared.messages import (
    ZERO,
    AccountStatus,
    CoinMeta,
    CoinStatus,
    Fill,
    Heartbeat,
    LiveStatus,
    Mode,
    RequestBudget,
    WatchdogStatus,
)

COIN, OTHER = "SOL", "BTC"
METAS = (CoinMeta(COIN, 2, 20), CoinMeta(OTHER, 5, 40))
MIDS = {COIN: 85.0, OTHER: 68_000.0}
RICH, RICH_LOSS = Decimal(1_000_000), Decimal(501)
CALM_MS = 3_000
Act = Callable[[TradingPath], object]


@dataclass(frozen=True)
class Scene:
    """`mode`: some rules exist in live only."""

    rule: str
    act: Act
    mode: Mode = "shadow"


def status(path: TradingPath, mode: Mode = "shadow", **fields: Any) -> TradingPath:
    """The executor's word, now."""
    told: dict[str, Any] = {
        "time_ms": path.now_ms, "mode": mode, "session_start_ms": START_MS, "day_start_ms": START_MS,
        "starting_balance_usd": Decimal(10_000), "pnl_usd": ZERO, "day_pnl_usd": ZERO, "peak_pnl_usd": ZERO,
        "fees_usd": ZERO, "funding_usd": ZERO, "volume_usd": ZERO, "fills": 0, "coins": (),
        "equity_usd": Decimal(10_000),
    }  # fmt: skip
    return path.say(AccountStatus(**told | fields))


def live(path: TradingPath, widening: float = 1.0, **fields: Any) -> TradingPath:
    """The same of a live session; the watchdog is well."""
    now_ms = path.now_ms
    budget = RequestBudget(
        mode="quoting", used=0, cap=10_000, left=10_000, headroom_frac=1.0, widening=widening, spent_per_hour=0.0,
        earned_per_hour=0.0, pace_per_hour=0.0, hours_to_empty=None,
    )  # fmt: skip
    told: dict[str, Any] = {
        "account": "0x0", "phase": "ready", "confirmed_until_ms": now_ms + 3_600_000, "without": (),
        "unknown_orders": 0, "rejects": {}, "dark_fills": 0, "tied_out_ms": now_ms, "untied": {}, "budget": budget,
    }  # fmt: skip
    return status(watchdog(path), "live", live=LiveStatus(**told | fields))


def watchdog(path: TradingPath) -> TradingPath:
    now_ms = path.now_ms
    return path.say(WatchdogStatus(time_ms=now_ms, able_ms=now_ms))


def beat(path: TradingPath, service: str, run_id: str) -> TradingPath:
    now_ms = path.now_ms
    return path.say(
        Heartbeat(
            service=service, time_ms=now_ms, started_ms=START_MS, pid=1, handled_total=0, skipped_total=0,
            lost_total=0, rss_mb=0.0, run_id=run_id, mode="live",
        )
    )  # fmt: skip


def calm(path: TradingPath, ms: int = CALM_MS) -> TradingPath:
    return path.run(ms, MIDS)


# ---- the account ---------------------------------------------------------------------------------------------


def holding(path: TradingPath) -> None:
    sz, zero = Decimal(130), ZERO
    line = CoinStatus(
        coin=COIN, position_sz=sz, mark_px=Decimal(85), realized_usd=zero, unrealized_usd=zero, fees_usd=zero,
        funding_usd=zero, volume_usd=zero, fills=1, orders_placed=0, orders_canceled=0, orders_rejected=0,
        resting_bids=0, resting_asks=0,
    )  # fmt: skip
    status(path, coins=(line,))


def errors(kind: str) -> Act:
    def act(path: TradingPath) -> None:
        for count in (0, 10):
            calm(live(path, errors={kind: count}), 1000)

    return act


def untied(path: TradingPath) -> None:
    for _ in range(125):
        calm(live(path, untied={COIN: "1 SOL more than the fills say"}), 1000)


def unwatched(path: TradingPath) -> None:
    """It has been there, and then it is not."""
    for _ in range(30):
        calm(watchdog(path), 1000)
    calm(path, 12_000)


def fill(path: TradingPath, seq: int, sz: str, position_sz: str) -> TradingPath:
    px = Decimal(str(MIDS[COIN]))
    return path.say(
        Fill(
            coin=COIN, fill_id=f"f{seq}", seq=seq, cloid="0x0", mode="shadow", side="bid", level=1, px=px,
            sz=Decimal(sz), fee_usd=ZERO, mid_px=px, realized_usd=ZERO, position_sz=Decimal(position_sz),
            time_ms=path.now_ms,
        )
    )  # fmt: skip


def losing_fills(path: TradingPath) -> None:
    """Fifteen bids filled, and each time the market falls by ten basis points."""
    mids = dict(MIDS)
    for seq in range(1, 16):
        path.run(1000, MIDS)
        fill(path, seq, "0.1", f"{seq * 0.1:.1f}")
        mids[COIN] = MIDS[COIN] * 0.999
        path.run(6000, mids)


# ---- the market ----------------------------------------------------------------------------------------------


def silence(path: TradingPath) -> None:
    path.feed.silent = True
    path.wait(32_000)


def silent_coin(seconds: int) -> Act:
    return lambda path: path.run(seconds * 1000, {OTHER: MIDS[OTHER]})


def late_books(path: TradingPath) -> None:
    for _ in range(25):
        book = path.book_of(COIN, MIDS[COIN])
        path.say(msgspec.structs.replace(book, time_ms=book.time_ms - 3_000)).wait(1000)


def sellers(path: TradingPath) -> None:
    prints(path, "A", 60, MIDS[COIN])
    calm(path, 1000)


def prints(path: TradingPath, side: Literal["A", "B"], count: int, px: float) -> None:
    for _ in range(count):
        path.prints(COIN, (Decimal(f"{px:.3f}"), Decimal("0.5"), side))
        path.wait(10)


def frozen(path: TradingPath) -> None:
    for _ in range(8):
        calm(path, 1000)
        path.prints(COIN, (Decimal(f"{MIDS[COIN] * 0.998:.3f}"), Decimal("0.5"), "A"))


def apart(path: TradingPath) -> None:
    """The book lives, and its price is another than the mark."""
    for number in range(10):
        path.book(COIN, MIDS[COIN] + 0.01 * (number % 2)).ctx(COIN, MIDS[COIN] * 1.01).wait(1000)


def funding(path: TradingPath) -> None:
    path.ctx(COIN, MIDS[COIN], 0.0005)


def wobbling(path: TradingPath, seconds: int, every_s: int = 1) -> None:
    """A market that breathes: a basis point up and down, now and then a print."""
    for number in range(seconds // every_s):
        wave = (1, -1, 2, -2, -1, 1, -2, 2)[number % 8]
        path.run(every_s * 1000, {COIN: MIDS[COIN] * (1 + wave * 1e-4), OTHER: MIDS[OTHER]})
        if number % 5 == 0:
            path.prints(COIN, (Decimal("85"), Decimal("0.1"), "A" if number % 2 else "B"))


def jump(path: TradingPath) -> None:
    wobbling(path, 320, 5)
    path.run(20_000, {COIN: MIDS[COIN] * 1.01, OTHER: MIDS[OTHER]})


def cascading(*aggressors: Literal["A", "B"]) -> Act:
    """A fall of fifteen basis points each tenth of a second, with two prints of each of these."""

    def act(path: TradingPath) -> None:
        wobbling(path, 150)
        mid = MIDS[COIN]
        for _ in range(40):
            mid *= 0.9985
            path.book(COIN, mid)
            for side in aggressors * 2:
                prints(path, side, 1, mid)

    return act


SCENES = (
    Scene("daily_loss", lambda path: status(path, day_pnl_usd=Decimal(-501))),
    Scene("daily_loss_usd", lambda path: status(path, day_pnl_usd=-RICH_LOSS, starting_balance_usd=RICH)),
    Scene("drawdown", lambda path: status(path, pnl_usd=Decimal(400), drawdown_peak_usd=Decimal(1000))),
    Scene("ledger_mismatch", untied, "live"),
    Scene("rate_limit_errors", errors("throttled"), "live"),
    Scene("stall", silence),
    Scene("foreign_orders", lambda path: live(path, phase="refused", refused=("an order",)), "live"),
    Scene("venue_errors", errors("unknown"), "live"),
    Scene("clock_skew", late_books),
    Scene("watchdog_lost", unwatched, "live"),
    Scene("other_start", lambda path: live(beat(path, "quoter", "another")), "live"),
    Scene("position_value", holding),
    Scene("disk", lambda path: path.tell("guard", MachineHealth(100.0, 0.01, 0.1))),
    Scene("redis_memory", lambda path: path.tell("guard", MachineHealth(50_000.0, 0.5, 0.95))),
    Scene("request_budget", lambda path: live(path, widening=2.0), "live"),
    Scene("cascade_kill", cascading("A", "A", "A", "A", "A")),
    Scene("stale_book", silent_coin(18)),
    Scene("frozen_book", frozen),
    Scene("prices_apart", apart),
    Scene("cascade_pull", cascading("A", "A", "B", "A", "A")),
    Scene("funding_limit", funding),
    Scene("ofi", sellers),
    Scene("inventory", lambda path: fill(path, 1, "2.5", "2.5").book(COIN, MIDS[COIN])),
    Scene("cascade", cascading("A", "A", "B", "A", "A")),
    Scene("toxicity", jump),
    Scene("adverse_selection", losing_fills),
    Scene("quiet_book", silent_coin(8)),
)  # fmt: skip
"""In the order of `checks.table`."""
