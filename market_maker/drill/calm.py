"""The long run: live trading on all coins while nothing is wrong; then the books against the venue's truth log."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from random import Random

import msgspec

from market_maker.drill.observe import Observer
from market_maker.drill.scene import WHO, Scene
from market_maker.drill.stack import Setup, Stack, alone
from market_maker.drill.truth import POST_ONLY_REFUSED, Sums, Truth
from shared.clock import monotonic_s, wall_ms
from shared.messages import ZERO, AccountState, Baseline, Command, LiveStatus, PositionState
from shared.redis_bus import RedisBus
from shared.streams import ACCOUNT, POSITION

TOLERANCE_USD = Decimal("0.000001")
QUOTING_WITHIN_S, SETTLED_WITHIN_S = 90.0, 60.0
LOOK_EVERY_S = 1.0
TELL_EVERY_S = 15.0
_NO_SUMS = Sums()


class CalmReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came out. `market_s` is the market's time, `wall_s` ours."""

    coins: int
    speed: float
    market_s: float
    wall_s: float
    orders: int
    fills: int
    volume_usd: Decimal
    crossed: int
    """Fills in which an order of ours was the taker."""
    orphans: int
    """Orders that rested at the end, or at any look unknown to the executor."""
    post_only_refused: int
    refused: dict[str, int]
    """Orders that never came to rest, by the venue's status."""
    requests: int
    """Of the address budget, by the venue."""
    budget_used: int
    """The same as the executor counts it."""
    forecasts: int
    forecast_error_frac: float
    dark_fills: int
    failures: tuple[str, ...]

    @property
    def reject_frac(self) -> float:
        sent = self.orders + sum(self.refused.values())
        return self.post_only_refused / sent if sent else 0.0


async def calm(folder: Path, setup: Setup, market_s: float, told: Callable[[str], None]) -> CalmReport:
    """Trade for so long in the market's time, halt, and compare."""
    with alone(folder):
        async with AsyncExitStack() as opened:
            stack = await opened.enter_async_context(Stack(folder, setup))
            observer = await opened.enter_async_context(Observer(stack))
            scene = Scene(stack, observer, Random(setup.seed))
            await scene.quoting(QUOTING_WITHIN_S)
            begun_s, orphans = monotonic_s(), await _trade(scene, market_s / setup.speed, told)
            wall_s = monotonic_s() - begun_s
            await _halt(scene)
            failures = await _unequal(scene, stack)
            live = observer.words.status.live if observer.words.status is not None else None
            await stack.stop_bot()
            await observer.look()
            return _report(observer.truth, setup, wall_s, live, orphans, failures)


async def _trade(scene: Scene, wall_s: float, told: Callable[[str], None]) -> set[str]:
    """Orders that rested at a look and that the executor did not know."""
    observer, until_s, orphans = scene.observer, monotonic_s() + wall_s, set[str]()
    since_ms, next_told_s = wall_ms(), monotonic_s()
    while (left_s := until_s - monotonic_s()) > 0:
        observer.require_looking()
        scene.stack.bot.require_alive()
        for seen in observer.since(since_ms):
            orphans.update(seen.strange)
            since_ms = seen.at_ms
        if monotonic_s() >= next_told_s:
            next_told_s += TELL_EVERY_S
            told(_line(observer.truth, left_s))
        await asyncio.sleep(min(LOOK_EVERY_S, left_s))
    return orphans


def _line(truth: Truth, left_s: float) -> str:
    fills = sum(sums.fills for sums in truth.sums.values())
    return f"{left_s:5.0f} s left: {len(truth.own)} orders rest, {truth.placed} placed, {fills} fills"


async def _halt(scene: Scene) -> None:
    """Everything cancelled, and nothing follows."""
    now_ms = int(wall_ms())
    await scene.stack.command(
        Command(id=f"{WHO}-{now_ms}", action="halt", who=WHO, reason="the run is over", time_ms=now_ms)
    )
    await scene.until(
        lambda: not scene.observer.truth.own, SETTLED_WITHIN_S, "everything cancelled after the halt"
    )


async def _unequal(scene: Scene, stack: Stack) -> list[str]:
    """The last fills and payments are on their way into the ledger for a moment: looked at until all agrees."""
    deadline_s = monotonic_s() + SETTLED_WITHIN_S
    bus = RedisBus(stack.operator_url)
    try:
        while True:
            ledgers = {
                state.coin: state
                for state in await bus.stored(POSITION, tuple(scene.observer.coins))
                if isinstance(state, PositionState) and state.mode == "live"
            }
            account = [
                state.baseline
                for state in await bus.stored(ACCOUNT, ())
                if isinstance(state, AccountState) and state.mode == "live"
            ]
            found = unequal(scene.observer.truth, ledgers, account[0] if account else None)
            if not found or monotonic_s() > deadline_s:
                return found
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        await bus.close()


def unequal(truth: Truth, ledgers: Mapping[str, PositionState], baseline: Baseline | None) -> list[str]:
    """What the books and the venue's truth do not agree on, by coin and in cash."""
    found = [
        f"{coin}: {what}"
        for coin in sorted({*truth.sums, *ledgers})
        for what in _coin_unequal(truth.sums.get(coin, _NO_SUMS), ledgers.get(coin))
    ]
    if baseline is None:
        return [*found, "the books were never opened"]
    brought_usd = sum(
        (ledger.realized_usd - ledger.fees_usd + ledger.funding_usd for ledger in ledgers.values()), ZERO
    )
    cash_usd = baseline.cash_usd + brought_usd - sum((ledger.cost_usd for ledger in ledgers.values()), ZERO)
    return [*found, *_differs("cash", cash_usd, truth.cash_usd)]


def _coin_unequal(venue: Sums, ledger: PositionState | None) -> Iterable[str]:
    if ledger is None:
        return ["no ledger"] if venue != _NO_SUMS else []
    position = [] if ledger.position_sz == venue.position_sz else [
        f"position {ledger.position_sz} in the ledger, {venue.position_sz} at the venue"
    ]  # fmt: skip
    return [
        *position,
        *_differs("realised", ledger.realized_usd, venue.realized_usd),
        *_differs("fees", ledger.fees_usd, venue.fees_usd),
        *_differs("funding", ledger.funding_usd, venue.funding_usd),
    ]


def _differs(what: str, ours_usd: Decimal, theirs_usd: Decimal) -> list[str]:
    if abs(ours_usd - theirs_usd) <= TOLERANCE_USD:
        return []
    return [f"{what} ${ours_usd:.9f} by our books, ${theirs_usd:.9f} at the venue"]


def _report(
    truth: Truth, setup: Setup, wall_s: float, live: LiveStatus | None, orphans: set[str], failures: list[str]
) -> CalmReport:
    refused = {status: count for status, count in truth.ended.items() if status.endswith("Rejected")}
    left = {order.cloid or str(oid) for oid, order in truth.open.items()}
    wrong = [
        *failures,
        *(f"{fill.coin}: {fill.sz} @ {fill.px} traded as taker" for fill in truth.crossed),
        *(f"order {cloid} was nobody's" for cloid in sorted(orphans | left)),
        *(f"two orders under one cloid: {cloid}" for cloid in truth.doubled),
    ]
    return CalmReport(
        coins=setup.coins,
        speed=setup.speed,
        market_s=round(wall_s * setup.speed, 1),
        wall_s=round(wall_s, 1),
        orders=truth.placed,
        fills=sum(sums.fills for sums in truth.sums.values()),
        volume_usd=truth.volume_usd,
        crossed=len(truth.crossed),
        orphans=len(orphans | left),
        post_only_refused=refused.get(POST_ONLY_REFUSED, 0),
        refused=refused,
        requests=truth.requests,
        budget_used=live.budget.used if live is not None else 0,
        forecasts=live.budget.forecasts if live is not None else 0,
        forecast_error_frac=live.budget.forecast_error_frac if live is not None else 0.0,
        dark_fills=live.dark_fills if live is not None else 0,
        failures=tuple(wrong),
    )
