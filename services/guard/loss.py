"""What can be lost from here: one answer in dollars, for people. No lease depends on it.

A gap of `g` moves every coin that far against us at once. On its way the orders on the side that it runs over fill
at their own prices, all other orders do not:

    down(g) = position * mark * g + Σ bids  (px - mark * (1 - g))+ * sz
    up(g)   = -position * mark * g + Σ asks (mark * (1 + g) - px)+ * sz
    loss(g) = Σ coins max(no move, down(g), up(g))

so a larger gap never costs less. What is gained where the gap is in our favour counts nothing; fees of these fills
(a few hundredths of a percent) and the slippage of a way out are not in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared.hyperliquid.cloids import mode_of
from shared.messages import (
    ZERO,
    AccountStatus,
    Heartbeat,
    Mode,
    OrderUpdate,
    PossibleLoss,
    Universe,
)
from shared.recent import Recent
from shared.units import Side

GAPS = ("0.01", "0.03", "0.10")
LOWEST_LEVERAGE = 3
"""Of any coin at the venue; of one that has left the universe nothing better is known."""
SETTLED_MS = 10_000
"""An order older than this is over where the executor says that none of its coin rests."""
_ENDED = ("filled", "canceled", "rejected")
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Resting:
    """What of an order may still fill."""

    side: Side
    px: Decimal
    sz: Decimal
    time_ms: int = 0


class LossWatch:
    """Positions, equity and orders of one mode as the executor tells them, each as often as it likes."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._account: AccountStatus | None = None
        self._orders: dict[str, dict[str, Resting]] = {}
        self._ended = Recent(_REMEMBERED)
        self._leverage: dict[str, int] = {}
        self._executor_since_ms = 0

    def hear(self, msg: Any) -> None:
        if isinstance(msg, OrderUpdate):
            self._take_order(msg)
        elif isinstance(msg, AccountStatus):
            self._take_account(msg)
        elif isinstance(msg, Heartbeat):
            self._take_heartbeat(msg)
        elif isinstance(msg, Universe):
            self._leverage.update({meta.coin: meta.max_leverage for meta in msg.coins})

    def possible(self, day_limit_usd: Decimal | None) -> PossibleLoss | None:
        """None until the executor has told; `day_limit_usd` is the loss that ends the day, None: no loss does."""
        if self._account is None:
            return None
        orders = {coin: tuple(open_orders.values()) for coin, open_orders in self._orders.items()}
        return possible_loss(self._account, day_limit_usd, orders, self._leverage)

    def _take_order(self, update: OrderUpdate) -> None:
        if mode_of(update.cloid) != self._mode or update.time_ms < self._executor_since_ms:
            return
        open_orders = self._orders.setdefault(update.coin, {})
        if update.status in _ENDED:
            self._ended.add(update.cloid)
            open_orders.pop(update.cloid, None)
        elif update.cloid not in self._ended:
            left_sz = update.sz - update.filled_sz
            open_orders[update.cloid] = Resting(update.side, update.px, left_sz, update.time_ms)

    def _take_account(self, account: AccountStatus) -> None:
        newer = self._account is None or account.time_ms >= self._account.time_ms
        if account.mode != self._mode or not newer:
            return
        self._account = account
        if account.live is not None and account.live.unknown_orders:
            return
        for line in account.coins:
            if not line.resting_bids and not line.resting_asks:
                self._forget(line.coin, account.time_ms - SETTLED_MS)

    def _take_heartbeat(self, beat: Heartbeat) -> None:
        """Orders of an earlier life of the executor are over: it begins by cancelling what rests."""
        if beat.service == "executor" and beat.started_ms > self._executor_since_ms:
            self._executor_since_ms = beat.started_ms
            for coin in self._orders:
                self._forget(coin, beat.started_ms)

    def _forget(self, coin: str, before_ms: int) -> None:
        orders = self._orders.get(coin, {})
        self._orders[coin] = {cloid: order for cloid, order in orders.items() if order.time_ms >= before_ms}


def possible_loss(
    account: AccountStatus,
    day_limit_usd: Decimal | None,
    orders: Mapping[str, Iterable[Resting]],
    leverage: Mapping[str, int],
) -> PossibleLoss:
    """Exact, by the positions and marks of `account`; `leverage` is the highest that the venue gives on a coin."""
    held = {line.coin: (line.position_sz, line.mark_px) for line in account.coins if line.mark_px}
    resting = {coin: tuple(of_coin) for coin, of_coin in orders.items()}
    return PossibleLoss(
        day_left_usd=None if day_limit_usd is None else max(day_limit_usd + account.day_pnl_usd, ZERO),
        exposure_usd=sum((abs(sz) * px for sz, px in held.values()), ZERO),
        resting_usd=sum((_larger_side_usd(of_coin) for of_coin in resting.values()), ZERO),
        gaps_usd={
            gap: sum((gap_loss(*held[coin], resting.get(coin, ()), Decimal(gap)) for coin in held), ZERO)
            for gap in GAPS
        },
        liquidation_frac=_liquidation_frac(account, leverage),
    )


def gap_loss(position_sz: Decimal, mark_px: Decimal, orders: Iterable[Resting], gap_frac: Decimal) -> Decimal:
    """Of one coin; see the module's text."""
    orders = tuple(orders)
    lowest_px, highest_px = mark_px * (1 - gap_frac), mark_px * (1 + gap_frac)
    held_usd = position_sz * mark_px * gap_frac
    down = held_usd + _overrun(orders, "bid", lowest_px)
    up = _overrun(orders, "ask", highest_px) - held_usd
    return max(_overrun(orders, "bid", mark_px) + _overrun(orders, "ask", mark_px), down, up)


def _overrun(orders: Iterable[Resting], side: Side, to_px: Decimal) -> Decimal:
    """Loss of the orders that fill on the way to `to_px`, marked there."""
    sign = 1 if side == "bid" else -1
    return sum((max(sign * (order.px - to_px), ZERO) * order.sz for order in orders if order.side == side), ZERO)


def _larger_side_usd(orders: Iterable[Resting]) -> Decimal:
    usd = {"bid": ZERO, "ask": ZERO}
    for order in orders:
        usd[order.side] += order.px * order.sz
    return max(usd.values())


def _liquidation_frac(account: AccountStatus, leverage: Mapping[str, int]) -> float | None:
    """The move x of all coins against us at which equity meets the maintenance margin, one half of the initial
    margin at the highest leverage (the venue's lowest tier):

        equity - Σ ntl x = Σ ntl (1 -+ x) / (2 max leverage)        - long, + short
    """
    ntl = margin = slope = ZERO
    for line in account.coins:
        coin_ntl = abs(line.position_sz) * line.mark_px
        coin_margin = coin_ntl / (2 * leverage.get(line.coin, LOWEST_LEVERAGE))
        ntl, margin = ntl + coin_ntl, margin + coin_margin
        slope += coin_ntl + (coin_margin if line.position_sz < 0 else -coin_margin)
    if not ntl:
        return None
    equity = account.equity_usd
    if equity is None:
        equity = account.starting_balance_usd + account.pnl_usd
    return float(max((equity - margin) / slope, ZERO))
