"""What a crash costs, with the guard's rules and without: the same market, second by second, twice.

    crash      all coins fall by 8 % in 20 s, with twenty sellers a second
    cascade    traders hold longs at the highest leverage; a fall of 3 % in 10 s liquidates them into the book

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
from services.venue.faults.kinds import Crash, ExternalOrder
from shared.messages import ZERO, Book, RiskReport

COINS = ("BTC", "ETH", "SOL", "HYPE")
CALM_S, AFTER_S = 60, 60
LOOK_S = 0.5
GAP = "0.10"
TRADERS = 8
TRADER_USD = 1_000
TRADER_LEVERAGE = 18
"""Of the account's money; the margin of 20 would leave nothing for fees."""


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
    market.disturb(Crash(frac=-0.03, for_s=10.0, takers_per_s=5))


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
        decimals = market.path.metas[coin].sz_decimals
        sz = Decimal(round(TRADER_USD * TRADER_LEVERAGE / book.mid_px, decimals)).quantize(
            Decimal(1).scaleb(-decimals)
        )
        market.disturb(ExternalOrder(user=address, coin=coin, side="buy", sz=sz))


SCENARIOS: dict[str, tuple[Callable[[MarketPath], None], Callable[[MarketPath], None]]] = {
    "crash": (lambda market: None, crash),
    "cascade": (longs, cascade),
}
"""What is done at the beginning, and what begins after `CALM_S`."""


def run(scenario: str, seed: int, *, guarded: bool) -> Outcome:
    prepare, begin = SCENARIOS[scenario]
    off = {rule.name: "off" for rule in rules(GuardConfig())}
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
