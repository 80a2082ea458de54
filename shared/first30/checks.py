"""The checklist by minutes and the red flags: each reads the history, none remembers anything."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from shared.first30.history import History

MM = ".venv/bin/market_maker"
STATUS = f"{MM} status"
LEAST_HEADROOM_FRAC = 0.10
STEADY = 0.5
"""Part of the PnL's variance that a straight line explains, above which a fall is steady."""
NEAR_FRAC = 0.8
SOON_EMPTY_H = 6.0
UNQUOTED_MINUTES = 5.0
NAMED = 4
"""Coins in one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a check now: does it hold (None: not known), and the value that people see."""

    holds: bool | None
    value: str


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist: `ok` may be said from minute `begin` on, and from minute `due` on it must;
    what is not known waits."""

    name: str
    stage: str
    begin: float
    due: float
    threshold: str
    command: str
    read: Callable[[History], Answer]
    live_only: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """One red flag: beyond `limit` for `hold_s`, of any subject (a coin, or "" for everything), from minute
    `begin` on. Beyond `warn`, or not so long yet, is a warning. `below`: smaller is worse."""

    name: str
    limit: float
    warn: float
    threshold: str
    command: str
    read: Callable[[History], Mapping[str, float]]
    show: Callable[[float], str]
    hold_s: float = 0.0
    begin: float = 0.0
    below: bool = False
    live_only: bool = False

    def beyond(self, value: float, limit: float) -> bool:
        return value < limit if self.below else value > limit


def named(coins: Iterable[str]) -> str:
    coins = list(coins)
    return ", ".join(coins[:NAMED]) + (f" and {len(coins) - NAMED} more" if len(coins) > NAMED else "")


# ---- 0-1 minutes: do orders appear? ----------------------------------------------------------------------------


def _books(history: History) -> Answer:
    coins = history.now.coins
    stale = [coin.coin for coin in coins if not coin.fresh]
    missing = f", not {named(stale)}" if stale and len(stale) < len(coins) else ""
    return Answer(bool(coins) and not stale, f"{len(coins) - len(stale)} of {len(coins)} coins{missing}")


def _orders(history: History) -> Answer:
    look = history.now
    if look.silent:
        return Answer(False, "the executor is silent")
    quoting = sum(coin.resting > 0 for coin in look.coins)
    return Answer(look.resting > 0, f"{look.resting} orders on {quoting} of {len(look.coins)} coins")


def _recovery(history: History) -> Answer:
    live = history.now.live
    assert live is not None
    refused = f": {'; '.join(live.refused)}" if live.refused else ""
    return Answer(live.phase == "ready", live.phase + refused)


# ---- 1-5 minutes: first fills? ---------------------------------------------------------------------------------


def _every_coin(history: History) -> Answer:
    missing = [coin for coin in history.now.coins if history.unquoted_minutes(coin.coin) > UNQUOTED_MINUTES]
    if not missing:
        return Answer(True, "all that should be")
    first = missing[0]
    return Answer(False, f"not {named(coin.coin for coin in missing)} ({first.why_not or 'no reason told'})")


def _fills(history: History) -> Answer:
    fills = history.point.fills
    return Answer(fills > 0, f"{fills} fills, ${history.point.volume_usd:.2f}")


def _inventory(history: History) -> Answer:
    used = position_frac(history)
    if not used:
        return Answer(None, "no limit known")
    coin, frac = max(used.items(), key=lambda of: of[1])
    return Answer(frac <= 1, f"{coin} {frac:.0%}")


def _books_agree(history: History) -> Answer:
    live = history.now.live
    assert live is not None
    untied = ", ".join(f"{coin or 'cash'} {by}" for coin, by in live.untied.items())
    dark = f"{live.dark_fills} dark fills"
    return Answer(not live.untied and not live.dark_fills, f"differ: {untied}; {dark}" if untied else dark)


# ---- 5-15 minutes: does it learn? ------------------------------------------------------------------------------


def _measured(history: History) -> Answer:
    coins = history.now.coins
    known = sum(coin.adverse_n > 0 for coin in coins)
    return Answer(known > 0, f"{known} of {len(coins)} coins")


def _kappa(history: History) -> Answer:
    return Answer(bool(history.reach.moved), f"{len(history.reach.moved)} of {len(history.reach.first)} coins")


def _adverse(history: History) -> Answer:
    return Answer(
        bool(history.adverse.moved), f"{len(history.adverse.moved)} of {len(history.adverse.first)} coins"
    )


# ---- 15-30 minutes: where does the PnL go? ---------------------------------------------------------------------


def _edge(history: History) -> Answer:
    edge = history.edge_bps
    return Answer(None, "no volume") if edge is None else Answer(edge >= 0, f"{edge:+.2f} bps")


def _trend(history: History) -> Answer:
    trend = history.trend
    if trend is None:
        return Answer(None, "too few minutes")
    slope, explained = trend
    steady = slope < 0 and explained >= STEADY
    return Answer(not steady, f"{slope:+.3f} $/h, {explained:.0%} of it a straight line")


def _near_misses(history: History) -> Answer:
    near = history.now.near
    return (
        Answer(None, "the guard has not told")
        if near is None
        else Answer(near[1] < NEAR_FRAC, f"{near[0]} {near[1]:.0%}")
    )


def _budget(history: History) -> Answer:
    live = history.now.live
    assert live is not None
    if live.budget.mode == "unknown":
        return Answer(None, "not told yet")
    left, hours = live.budget.headroom_frac, live.budget.hours_to_empty
    lasting = hours is None or hours >= SOON_EMPTY_H
    ends = "not getting less" if hours is None else f"empty in {hours:.1f} h"
    return Answer(left >= LEAST_HEADROOM_FRAC and lasting, f"{left:.0%}, {ends}")


CHECKS = (
    Check("books", "0-1", 0, 0.5, "every coin's book under 5 s old", STATUS, _books),
    Check("recovery", "0-1", 0, 1, "ready", STATUS, _recovery, live_only=True),
    Check("orders", "0-1", 0, 0.5, "an order rests within 30 s", STATUS, _orders),
    Check("every coin", "1-5", 1, 1, "no coin over 5 min without an order", STATUS, _every_coin),
    Check("fills", "1-5", 0, 5, "at least 1 by minute 5", STATUS, _fills),
    Check("inventory", "1-5", 0, 0, "at most the limit of each coin", f"{MM} flatten --dry-run", _inventory),
    Check("ledger", "1-5", 1, 1, "books equal the venue's, no dark fill", STATUS, _books_agree, live_only=True),
    Check("measured", "5-15", 0, 15, "adverse selection of at least 1 coin", f"{MM} screen", _measured),
    Check("kappa", "5-15", 0, 15, "estimate moved on at least 1 coin", f"{MM} screen", _kappa),
    Check("adverse", "5-15", 0, 15, "estimate moved on at least 1 coin", f"{MM} screen", _adverse),
    Check("edge", "15-30", 15, 15, "net, at least 0 bps", f"{MM} screen", _edge),
    Check("trend", "15-30", 15, 15, "no steady fall", STATUS, _trend),
    Check("near misses", "15-30", 15, 15, "no halting rule within 20 % of its limit", STATUS, _near_misses),
    Check("budget", "15-30", 15, 15, "10 % left, not empty within 6 h", STATUS, _budget, live_only=True),
)


# ---- red flags -------------------------------------------------------------------------------------------------


def position_frac(history: History) -> dict[str, float]:
    """|position| / limit by coin."""
    return {coin.coin: abs(coin.position_usd) / coin.limit_usd for coin in history.now.coins if coin.limit_usd}


def _unquoted(history: History) -> dict[str, float]:
    return {"": history.unquoted_minutes()}


def _headroom(history: History) -> dict[str, float]:
    live = history.now.live
    return {"": live.budget.headroom_frac} if live is not None and live.budget.mode != "unknown" else {}


def _spreads(history: History) -> dict[str, float]:
    return {coin.coin: coin.spread_bps for coin in history.now.coins if coin.spread_bps is not None}


def _halted(history: History) -> dict[str, float]:
    by = history.now.halted
    return {f"halted by {by}": 1.0} if by else {"": 0.0}


def _drawdown(history: History) -> dict[str, float]:
    money = history.now.money
    lost = money.peak - money.pnl
    return {"": lost / money.equity if money.equity > 0 else float(lost > 0)}


def _lost_edge(history: History) -> dict[str, float]:
    edge = history.edge_bps
    return {} if edge is None else {"": edge}


def _errors(history: History) -> dict[str, float]:
    return {"": float(history.recent_errors)}


def _percent(frac: float) -> str:
    return f"{frac:.1%}"


FLAGS = (
    Flag("position", 2.0, 1.0, "red above 2x the limit", f'{MM} halt "position beyond twice its limit"',
         position_frac, lambda of: f"{of:.2f}x"),
    Flag("no quote", 5.0, 1.0, "red after 5 min without any order", f'{MM} halt "no quote for five minutes"',
         _unquoted, lambda minutes: f"{minutes:.1f} min"),
    Flag("API headroom", 0.05, LEAST_HEADROOM_FRAC, "red under 5 %", f'{MM} halt "request budget"',
         _headroom, _percent, below=True, live_only=True),
    Flag("spread", 100.0, 100.0, "red above 100 bps for 2 min", f'{MM} halt "spreads too wide"',
         _spreads, lambda bps: f"{bps:.1f} bps", hold_s=120),
    Flag("kill switch", 0.0, 0.0, "red when halted", STATUS, _halted, lambda on: "" if on else "not halted"),
    Flag("drawdown", 0.02, 0.01, "red above 2 % of the equity", f'{MM} halt "drawdown"', _drawdown, _percent),
    Flag("lost edge", -5.0, -5.0, "red under -5 bps for 1 min, from minute 15", f'{MM} halt "negative edge"',
         _lost_edge, lambda bps: f"{bps:+.2f} bps", hold_s=60, begin=15, below=True),
    Flag("exchange errors", 10.0, 3.0, "red above 10 in 5 min", f'{MM} halt "errors of the exchange"',
         _errors, lambda count: f"{count:.0f} in 5 min", live_only=True),
)  # fmt: skip
