"""Asset contexts where none are recorded, made of the mid: oracle = mark = mid, funding at the venue's interest
rate, no open interest, and as day volume what the recording traded so far.
"""

from decimal import Decimal

from services.venue.market.feed import Raw
from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, Ctx, L2Book, WireLevel, WireTrade

CTX_MS = 1000
INTEREST_1H = Decimal("0.0000125")
"""0.01 % per 8 h: the funding rate of a perp that trades at its oracle."""
ZERO = Decimal(0)


def best(levels: tuple[WireLevel, ...]) -> WireLevel | None:
    return levels[0] if levels else None


class Contexts:
    """Makes up the asset context of a coin, at most one a second."""

    def __init__(self, coin: str) -> None:
        self._coin = coin
        self._next_ms = 0
        self._first_px: Decimal | None = None
        self._ntl = self._base = ZERO

    def note(self, trades: tuple[WireTrade, ...]) -> None:
        for trade in trades:
            self._ntl += trade.px * trade.sz
            self._base += trade.sz

    def due(self, time_ms: int, raw: Raw) -> ActiveAssetCtx | None:
        if time_ms < self._next_ms:
            return None
        if isinstance(raw, Bbo):
            bid, ask = raw.bbo
        elif isinstance(raw, L2Book):
            bid, ask = best(raw.levels[0]), best(raw.levels[1])
        else:
            return None
        if bid is None or ask is None:
            return None
        self._next_ms = time_ms + CTX_MS
        mid = (bid.px + ask.px) / 2
        self._first_px = self._first_px or mid
        return ActiveAssetCtx(
            self._coin,
            Ctx(
                funding=INTEREST_1H,
                openInterest=ZERO,
                prevDayPx=self._first_px,
                dayNtlVlm=self._ntl,
                oraclePx=mid,
                markPx=mid,
                premium=ZERO,
                midPx=mid,
                impactPxs=(bid.px, ask.px),
                dayBaseVlm=self._base,
            ),
        )
