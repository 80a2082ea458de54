"""Reaction times: from what the guard hears to the order that is told to leave; and what crashes cost.

In one thread, with all coins of the modelled market quoted: each stretch is the processor time of a real core, so
their sum is the way without the hops between processes (`bus` says what a hop costs).
"""

import statistics
from decimal import Decimal
from typing import Any

from market_maker.rules_drill import crash
from market_maker.rules_drill.path import TradingPath
from services.venue.market.universe import MARKET
from shared.clock import monotonic_s
from shared.messages import OrderUpdate, RiskLease, Trade, Trades
from shared.service import Tick

MIDS = {coin.name: coin.mid_px for coin in MARKET.coins}
SESSIONS, LOOKS = 10, 300
SEEDS = (1, 2, 3)


def run() -> None:
    """Sixty sellers in one message turn the order flow of a coin: its bids have to go."""
    parts: dict[str, list[float]] = {"event -> lease": [], "lease -> cancels": [], "event -> cancels": []}
    for _ in range(SESSIONS):
        path = TradingPath([coin.meta for coin in MARKET.coins]).run(3_000, MIDS)
        for coin in MIDS:
            times = _react(path, coin)
            for what, time_s in zip(parts, times, strict=False):
                parts[what].append(time_s)
    guard, now_ms = path.cores["guard"], path.now_ms
    looks: list[float] = []
    for _ in range(LOOKS):
        now_ms += 250
        begun = monotonic_s()
        list(guard.step(now_ms, Tick()))
        looks.append(monotonic_s() - begun)
    for what, times in (*parts.items(), (f"all rules on {len(MIDS)} coins, four times a second", looks)):
        cuts = statistics.quantiles(times, n=100)
        print(f"  {what:<44} p50 {cuts[49] * 1e6:>6.0f} us   p99 {cuts[98] * 1e6:>6.0f} us   ({len(times)} times)")


def crashes() -> None:
    """What a crash and a cascade cost, with the guard's rules and without."""
    print("  scenario  seed  held before    stated   lost, guard on   lost, guard off   first rule")
    for scenario in crash.SCENARIOS:
        for seed in SEEDS:
            on, off = (crash.run(scenario, seed, guarded=guarded) for guarded in (True, False))
            print(
                f"  {scenario:<8} {seed:>5} {on.held_usd:>12.2f} {on.stated_usd:>9.2f} {on.lost_usd:>16.2f}"
                f" {off.lost_usd:>17.2f}   {on.first_rule} after {on.first_rule_s} s"
            )


def _react(path: TradingPath, coin: str) -> tuple[float, ...]:
    """Seconds of each part; nothing where no order of the coin rests."""
    guard, executor, now_ms = path.cores["guard"], path.cores["executor"], path.now_ms
    book = path.book_of(coin, MIDS[coin])
    prints = tuple(Trade(book.bids[0].px, Decimal(1), "A", now_ms, number) for number in range(60))
    trades = Trades(coin=coin, received_ms=float(now_ms), epoch=book.epoch, trades=prints)
    begun = monotonic_s()
    said = list(guard.step(now_ms, trades))
    leased = monotonic_s()
    leases = [lease for lease in said if isinstance(lease, RiskLease) and lease.bid.allow == "none"]
    told: list[Any] = [each for lease in leases for each in executor.step(now_ms, lease)]
    done = monotonic_s()
    left = any(isinstance(each, OrderUpdate) and each.status == "cancelling" for each in told)
    return (leased - begun, done - leased, done - begun) if left else ()
