"""One coin's market over the last minutes, and the settings that follow from it."""

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from services.screener import pricing
from services.screener.bars import MINUTE_MS, MinuteBars
from services.screener.config import ScreenerConfig
from services.screener.markouts import Markouts
from shared.fees import maker_rate
from shared.funding import HOUR_MS, expected_rate_1h
from shared.messages import AssetConfig, AssetCtx, Book, Trades
from shared.regime import regime_of

FRESH_BOOK_MS = 5000
DROP_BELOW_SE, READMIT_ABOVE_SE = -0.5, 0.5
"""A coin goes when its edge is half a standard error under zero and comes back half a one over it."""
MAX_HOURS = 240


class Verdict(NamedTuple):
    """What is published of a coin, and what it was decided from."""

    config: AssetConfig
    score: pricing.Score
    by_hand: bool
    """Was `enabled` written by a person?"""
    trades_per_min: float
    usd_per_min: float


class Coin:
    """Bounded windows of one coin; everything is updated in constant time and summed up once per publication."""

    def __init__(self, name: str, config: ScreenerConfig, overrides: Mapping[str, Any]) -> None:
        self.name, self._config, self._overrides = name, config, overrides
        self._fee_bps = float(maker_rate(config.fee_tier, name) * 10_000)
        self.book: Book | None = None
        self.markouts = Markouts()
        self.bars = MinuteBars()
        self.published: AssetConfig | None = None
        self._spreads: deque[float] = deque(maxlen=int(config.screener_window_s))
        self._traded: deque[tuple[int, int, float]] = deque()
        self._first_ms: int | None = None
        self._hourly: deque[float] = deque(maxlen=MAX_HOURS)
        self._hour: int | None = None
        self._funding_1h: float | None = None

    # ---- taking in ----

    def on_book(self, now_ms: int, book: Book) -> None:
        if not book.bids or not book.asks or book.bids[0].px >= book.asks[0].px:
            return
        self.book = book
        bid_px, ask_px = float(book.bids[0].px), float(book.asks[0].px)
        self.markouts.mids.add(book.time_ms, bid_px, ask_px)
        self.bars.add(now_ms, (bid_px + ask_px) / 2)
        if self._first_ms is None:
            self._first_ms = now_ms

    def on_trades(self, now_ms: int, trades: Trades) -> None:
        """Prints from before our first book (a backlog at start) belong to no window of ours."""
        first_ms = self._first_ms
        fresh = [t for t in self.markouts.take(trades.trades) if first_ms is not None and t.time_ms >= first_ms]
        if not fresh:
            return
        minute, count, usd = now_ms // MINUTE_MS, len(fresh), float(sum(t.px * t.sz for t in fresh))
        if self._traded and self._traded[-1][0] == minute:
            _, count_before, usd_before = self._traded.pop()
            count, usd = count + count_before, usd + usd_before
        self._traded.append((minute, count, usd))

    def on_ctx(self, now_ms: int, ctx: AssetCtx) -> None:
        """The rate standing when an hour ends is that hour's sample."""
        hour = now_ms // HOUR_MS
        if self._hour is not None and hour > self._hour and self._funding_1h is not None:
            self._hourly.append(self._funding_1h)
        self._hour, self._funding_1h = hour, ctx.funding_1h_frac

    def on_second(self, now_ms: int) -> None:
        """One spread sample per second, so the mean is weighted by time; ended minutes and due markouts close."""
        book = self.book
        if book is not None and now_ms - book.received_ms <= FRESH_BOOK_MS:
            self._spreads.append(book.spread_bps)
        self.bars.advance(now_ms)
        self.markouts.resolve(now_ms)
        start_ms = now_ms - int(self._config.screener_window_s * 1000)
        self.markouts.forget_before(start_ms)
        while self._traded and self._traded[0][0] < start_ms // MINUTE_MS:
            self._traded.popleft()

    # ---- summing up ----

    @property
    def measured(self) -> bool:
        """Is there anything true to say?"""
        return bool(self._spreads)

    def adverse(self) -> pricing.Sample:
        return pricing.sample(self.markouts.done)

    def verdict(self, now_ms: int, version: int, as_prior_bps: float) -> Verdict:
        """The settings to publish now; fields that a person wrote into `[assets.COIN]` stay as written."""
        settings, defaults = self._config, self._config.sized(AssetConfig(coin=self.name))
        markouts = list(self.markouts.done)
        mean_spread_bps = sum(self._spreads) / len(self._spreads)
        wanted = pricing.price(markouts, mean_spread_bps, self._fee_bps, as_prior_bps)
        before = self.published
        spread_bps = pricing.step(before.base_spread_bps if before else None, wanted, settings.max_base_spread_bps)
        spread_bps = self._overrides.get("base_spread_bps", spread_bps)
        min_order_usd = self._overrides.get("min_order_usd", defaults.min_order_usd)
        seen_s = min((now_ms - (self._first_ms or now_ms)) / 1000, settings.screener_window_s)
        score = self._score(spread_bps, min_order_usd, wanted, seen_s)
        enough = len(markouts) >= settings.min_markouts
        atr_fraction = self.bars.atr_fraction()
        config = msgspec.structs.replace(
            defaults,
            enabled=not enough or self._pays(score),
            base_spread_bps=round(spread_bps, 4),
            atr_fraction=defaults.atr_fraction if atr_fraction is None else atr_fraction,
            atr_measured=atr_fraction is not None,
            regime="calm" if atr_fraction is None else regime_of(atr_fraction),
            maker_fee_bps=self._fee_bps,
            edge_bps=round(score.edge_bps, 4) if enough else None,
            version=version,
            published_ms=now_ms,
        )
        fixed = {k: v for k, v in self._overrides.items() if not (k == "atr_fraction" and config.atr_measured)}
        minutes = max(seen_s / 60, 1.0)
        return Verdict(
            msgspec.structs.replace(config, **fixed),
            score,
            "enabled" in self._overrides,
            sum(count for _, count, _ in self._traded) / minutes,
            sum(usd for _, _, usd in self._traded) / minutes,
        )

    def _score(
        self, spread_bps: float, min_order_usd: float, wanted: pricing.Price, seen_s: float
    ) -> pricing.Score:
        """Income at the published spread; fills are the orders that reach it, as if we stood first in line."""
        done = self.markouts.done
        reaching = [m for m in done if m.reach_bps >= spread_bps]
        adverse = pricing.sample(reaching)
        if len(done) == done.maxlen:
            seen_s = (done[-1].time_ms - done[0].time_ms) / 1000
        return pricing.score(
            capture_bps=spread_bps,
            as_mean_bps=adverse.mean_bps,
            as_sd_bps=adverse.sd_bps or self.adverse().sd_bps,
            n_markouts=adverse.n_effective,
            fee_bps=self._fee_bps,
            funding_bps=-self._funding_cost_bps(),
            fills_per_hour=len(reaching) / seen_s * 3600 if seen_s else 0.0,
            avg_fill_usd=min_order_usd,
            prior_as_bps=wanted.as_bps,
        )

    def _pays(self, score: pricing.Score) -> bool:
        was_on = self.published.enabled if self.published else True
        return score.edge_bps >= (DROP_BELOW_SE if was_on else READMIT_ABOVE_SE) * score.se_bps

    def _funding_cost_bps(self) -> float:
        """Funding of one expected hold, always counted as if on the paying side."""
        if self._funding_1h is None:
            return 0.0
        rate_1h = expected_rate_1h([*self._hourly, self._funding_1h])
        return abs(rate_1h) * 1e4 * self._config.expected_hold_s / 3600
