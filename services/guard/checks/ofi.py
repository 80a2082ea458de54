"""Taker order-flow imbalance: who is the aggressor of late?

    OFI = (bought - sold) / (bought + sold)     over the last trades, in coins, -1..1

Below -threshold the bids are suppressed, above +threshold the asks (strict), and no longer than that lasts.
"Sell dominance 78.3%" in the log is |OFI|, not the share of the sellers (which would be 89.15 %).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import Event, Reason, Trade, Trades
from shared.recent import Recent

REBUILD_AFTER = 10_000
"""Additions after which the running sums are computed anew, against the drift of floats."""
REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Flow:
    """A reading of the window. Without any trade both sides count as equal."""

    trades: int
    ofi: float
    buy_share_frac: float


class OfiWindow:
    """The last `size` trades of a coin that are not older than `max_age_ms`, each of them once."""

    def __init__(self, size: int, max_age_ms: float) -> None:
        self._size, self._max_age_ms = size, max_age_ms
        self._trades: deque[tuple[int, float]] = deque()
        self._bought = self._sold = 0.0
        self._added = 0
        self._seen = Recent(max(REMEMBERED, 2 * size))

    def add(self, trade: Trade, now_ms: float) -> bool:
        """Take a trade in, unless it is known, too old, or older than a full window; True when it was."""
        outrun = len(self._trades) == self._size and trade.time_ms < self._trades[0][0]
        if outrun or trade.time_ms < now_ms - self._max_age_ms or not self._seen.add((trade.time_ms, trade.tid)):
            return False
        signed_sz = float(trade.sz) if trade.side == "B" else -float(trade.sz)
        self._trades.append((trade.time_ms, signed_sz))
        self._count(signed_sz, 1)
        if len(self._trades) > self._size:
            self._drop_oldest()
        self._added += 1
        if self._added % REBUILD_AFTER == 0:
            self._bought = sum(sz for _, sz in self._trades if sz > 0)
            self._sold = -sum(sz for _, sz in self._trades if sz < 0)
        return True

    def flow(self, now_ms: float) -> Flow:
        """The reading at `now_ms`; what has become too old leaves the window."""
        while self._trades and self._trades[0][0] < now_ms - self._max_age_ms:
            self._drop_oldest()
        total = self._bought + self._sold
        if not self._trades or total <= 0:
            return Flow(len(self._trades), 0.0, 0.5)
        return Flow(len(self._trades), (self._bought - self._sold) / total, self._bought / total)

    def _drop_oldest(self) -> None:
        self._count(self._trades.popleft()[1], -1)
        if not self._trades:
            self._bought = self._sold = 0.0

    def _count(self, signed_sz: float, sign: int) -> None:
        if signed_sz > 0:
            self._bought += sign * signed_sz
        else:
            self._sold -= sign * signed_sz


def suppressed(flow: Flow, threshold: float, min_trades: int) -> tuple[bool, bool]:
    """Whether the flow forbids bids, and whether it forbids asks."""
    if flow.trades < min_trades:
        return False, False
    return flow.ofi < -threshold, flow.ofi > threshold


class Ofi:
    """One side is suppressed while takers push against it."""

    rule = Rule(
        "ofi", "taker order flow", "coin", "pull", Reason.OFI_SELL_DOMINANCE, "of the flow", "ofi_halt_threshold"
    )
    remembers: ClassVar = {"_told": tuple[bool, bool]}

    def __init__(self, coin: str, config: GuardConfig) -> None:
        self._coin, self._config = coin, config
        self._window = OfiWindow(config.ofi_window_trades, config.ofi_max_age_s * 1000)
        self._flow = Flow(0, 0.0, 0.5)
        self._now = self._told = (False, False)

    @property
    def ofi(self) -> float | None:
        return self._flow.ofi if self._flow.trades >= self._config.ofi_min_trades else None

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Trades):
            for trade in msg.trades:
                self._window.add(trade, now_ms)

    def read(self, now_ms: int) -> Reading:
        limit = self._config.ofi_halt_threshold
        self._flow = self._window.flow(now_ms)
        self._now = no_bids, no_asks = suppressed(self._flow, limit, self._config.ofi_min_trades)
        return Reading(
            self.ofi,
            limit,
            no_bids or no_asks,
            side="bid" if no_bids else "ask",
            reason=Reason.OFI_SELL_DOMINANCE if no_bids else Reason.OFI_BUY_DOMINANCE,
            detail=f"{self._flow.trades} trades",
        )

    def lines(self, now_ms: int) -> Iterable[Event]:
        sides = zip(("Sell", "Buy"), ("Bids", "Asks"), self._told, self._now, strict=True)
        self._told = self._now
        for aggressor, side, was, now in sides:
            if now and not was:
                pushed = f"{aggressor} dominance {abs(self._flow.ofi):.1%} > threshold."
                text = f"{pushed} {side} suppressed for {self._coin}."
                yield Event(level="warning", tag="OFI", coin=self._coin, text=text)
            elif was and not now:
                text = f"{aggressor} dominance is over. {side} allowed again for {self._coin}."
                yield Event(tag="OFI", coin=self._coin, text=text)
