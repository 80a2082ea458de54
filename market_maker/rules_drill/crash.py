"""What a crash costs, with the guard's rules and without: the same market, second by second, twice.

    crash      all coins fall by 8 % in 20 s, with twenty sellers a second
    cascade    traders hold longs at high leverage; a fall that grows faster, 7 % in 20 s, liquidates one after
               another, then half of it is recovered

Before it begins, `stated_usd` is what the guard says can be lost: the gap of 10 % at the positions and orders of
that moment. `lost_usd` is how far the PnL falls from there, at its worst.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.rules_drill.market import MarketPath
from services.guard.checks.table import rules
from services.guard.config import GuardConfig
from services.venue.exchange.facts import Liquidated
from services.venue.faults.faults import Step
from services.venue.faults.kinds import Crash, ExternalOrder
from shared.config import load as load_settings
from shared.messages import ZERO, Book, RiskReport
from shared.units import exact, floor_sz

COINS = ("BTC", "ETH", "SOL", "HYPE")
CALM_S, AFTER_S = 180, 60
LOOK_S = 0.5
GAP = "0.10"
TRADERS = 24
TRADER_USD = 5_000
MARGIN_USED = (0.9, 0.75, 0.6)
"""Parts of what the highest leverage allows; who uses less is liquidated later."""


@dataclass(frozen=True)
class Outcome:
    """One run. Times count from the beginning of the crash."""

    scenario: str
    seed: int
    guarded: bool
    held_usd: Decimal
    stated_usd: Decimal
    lost_usd: Decimal
    fell_frac: float
    """Mean of the coins' moves, worst to before."""
    liquidations: int
    first_rule: str
    first_rule_s: float | None
    halted: str


def crash(market: MarketPath) -> None:
    market.disturb(Crash())


def cascade(market: MarketPath) -> None:
    steps = (
        Step(0, Crash(frac=-0.01, for_s=10, takers_per_s=5)),
        Step(10, Crash(frac=-0.02, for_s=6)),
        Step(16, Crash(frac=-0.04, for_s=4, takers_per_s=60)),
        Step(25, Crash(frac=0.03, for_s=20)),
    )
    market.venue.faults.play(market.venue.block_ms, steps)


def longs(market: MarketPath) -> None:
    """Traders who will have to sell: each long of one coin with all that the margin allows."""
    world = market.venue.world
    for number in range(TRADERS):
        coin = COINS[number % len(COINS)]
        address = f"0x{number + 1:040x}"
        account = world.accounts.open(address, world.now_ms)
        world.move(account, "", TRADER_USD * 10**6, "deposit")
        book = market.path.newest(Book, coin)
        assert book is not None
        meta, used = market.path.metas[coin], MARGIN_USED[number // len(COINS) % len(MARGIN_USED)]
        sz = floor_sz(exact(TRADER_USD * meta.max_leverage * used / book.mid_px), meta.sz_decimals)
        market.disturb(ExternalOrder(user=address, coin=coin, side="buy", sz=sz))


SCENARIOS: dict[str, tuple[Callable[[MarketPath], None], Callable[[MarketPath], None]]] = {
    "crash": (lambda market: None, crash),
    "cascade": (longs, cascade),
}
"""What is done at the beginning, and what begins after `CALM_S`."""


def run(scenario: str, seed: int, *, guarded: bool) -> Outcome:
    prepare, begin = SCENARIOS[scenario]
    off = {rule.name: "off" for rule in rules(load_settings(GuardConfig))}
    market = MarketPath(COINS, seed, rule_levels={} if guarded else off)
    market.run(CALM_S / 2)
    prepare(market)
    market.run(CALM_S / 2)
    path = market.path
    before_usd, held_usd = path.status.pnl_usd, exposure(market)
    mids = mids_of(market)
    report = path.newest(RiskReport)
    stated_usd = report.loss.gaps_usd[GAP] if report is not None and report.loss is not None else ZERO
    begun_ms, lowest_usd, fell_frac = market.now_ms, before_usd, 0.0
    begin(market)
    for _ in range(int(AFTER_S / LOOK_S)):
        market.run(LOOK_S)
        lowest_usd = min(lowest_usd, path.status.pnl_usd)
        moved = [now / mids[coin] - 1 for coin, now in mids_of(market).items()]
        fell_frac = min(fell_frac, sum(moved) / len(moved))
    first = next(_fired(path.said(RiskReport), begun_ms), None)
    return Outcome(
        scenario=scenario, seed=seed, guarded=guarded, held_usd=held_usd, stated_usd=stated_usd,
        lost_usd=before_usd - lowest_usd, fell_frac=fell_frac,
        liquidations=sum(isinstance(fact, Liquidated) for fact in market.facts),
        first_rule=first[1] if first else "", first_rule_s=(first[0] - begun_ms) / 1000 if first else None,
        halted=path.halted.reason,
    )  # fmt: skip


def exposure(market: MarketPath) -> Decimal:
    return sum((abs(line.position_sz) * line.mark_px for line in market.path.status.coins), ZERO)


def mids_of(market: MarketPath) -> dict[str, float]:
    books = {coin: market.path.newest(Book, coin) for coin in COINS}
    return {coin: book.mid_px for coin, book in books.items() if book is not None}


def _fired(reports: Sequence[RiskReport], since_ms: int) -> Iterator[tuple[int, str]]:
    """Rules that began to fire after `since_ms`, by the second in which they were first seen."""
    before = {
        (rule.rule, rule.coin)
        for report in reports
        if report.time_ms <= since_ms
        for rule in report.rules
        if rule.fired
    }
    for report in reports:
        for rule in report.rules:
            if report.time_ms > since_ms and rule.fired and (rule.rule, rule.coin) not in before:
                yield report.time_ms, f"{rule.rule} {rule.coin}".strip()
