"""What the guard knows of one coin, and the lease that follows from it."""

from collections.abc import Iterable

from services.guard.checks.book import book_reason
from services.guard.checks.ofi import OfiWindow, suppressed
from services.guard.config import GuardConfig
from services.guard.hour import HourCount
from shared.messages import Book, Event, Fill, OrderUpdate, Reason, RiskLease, SidePermit, Trades

VALID_MS = 3000
RENEW_MS = 1000
FREE = SidePermit()
_SELLERS = SidePermit("none", Reason.OFI_SELL_DOMINANCE)
_BUYERS = SidePermit("none", Reason.OFI_BUY_DOMINANCE)
Permits = tuple[SidePermit, SidePermit]


class CoinRisk:
    """Book, flow and activity of a coin; the newest lease."""

    def __init__(self, coin: str, config: GuardConfig) -> None:
        self._coin, self._config = coin, config
        self._window = OfiWindow(config.ofi_window_trades, config.ofi_max_age_s * 1000)
        self._book: Book | None = None
        self._suppressed = False, False
        self._cancels, self._fills = HourCount(), HourCount()
        self._permits: Permits | None = None
        self._issued_ms = 0
        self.ofi: float | None = None

    # ---- what happens ----

    def on_book(self, book: Book) -> None:
        self._book = book

    def on_trades(self, now_ms: int, trades: Trades) -> None:
        for trade in trades.trades:
            self._window.add(trade, now_ms)

    def on_order(self, now_ms: int, order: OrderUpdate) -> None:
        if order.status == "canceled":
            self._cancels.add(order.cloid, order.time_ms, now_ms)

    def on_fill(self, now_ms: int, fill: Fill) -> None:
        self._fills.add(fill.fill_id, fill.time_ms, now_ms)

    # ---- what follows ----

    def watch_flow(self, now_ms: int) -> Iterable[Event]:
        """Read the OFI; lines where a side is suppressed or free again."""
        flow = self._window.flow(now_ms)
        self.ofi = flow.ofi if flow.trades >= self._config.ofi_min_trades else None
        before = self._suppressed
        self._suppressed = suppressed(flow, self._config.ofi_halt_threshold, self._config.ofi_min_trades)
        sides = zip(("Sell", "Buy"), ("Bids", "Asks"), before, self._suppressed, strict=True)
        for aggressor, side, was, now in sides:
            if now and not was:
                text = (
                    f"{aggressor} dominance {abs(flow.ofi):.1%} > threshold. {side} suppressed for {self._coin}."
                )
                yield Event(level="warning", tag="OFI", coin=self._coin, text=text)
            elif was and not now:
                text = f"{aggressor} dominance is over. {side} allowed again for {self._coin}."
                yield Event(tag="OFI", coin=self._coin, text=text)

    def permits(self, now_ms: int, general: Reason | None, epoch: int, fresh_after_ms: float) -> Permits:
        """What each side may do now; `general` is a reason that stops every coin."""
        stale_ms = self._config.guard_stale_book_s * 1000
        reason = general or book_reason(self._book, now_ms, epoch, fresh_after_ms, stale_ms)
        if reason is not None:
            nothing = SidePermit("none", reason)
            return nothing, nothing
        no_bids, no_asks = self._suppressed
        return _SELLERS if no_bids else FREE, _BUYERS if no_asks else FREE

    def lease(
        self,
        now_ms: int,
        permits: Permits,
        latency_p95_ms: float,
        latency_samples: int,
        spread_multiplier: float,
    ) -> RiskLease | None:
        """A new lease when it permits something else or the last one is a second old."""
        if permits == self._permits and now_ms - self._issued_ms < RENEW_MS:
            return None
        self._permits, self._issued_ms = permits, now_ms
        return RiskLease(
            coin=self._coin,
            issued_ms=now_ms,
            valid_until_ms=now_ms + VALID_MS,
            bid=permits[0],
            ask=permits[1],
            ofi=self.ofi,
            latency_p95_ms=latency_p95_ms,
            latency_samples=latency_samples,
            cancels_1h=self._cancels.total(now_ms),
            fills_1h=self._fills.total(now_ms),
            spread_multiplier=spread_multiplier,
        )
