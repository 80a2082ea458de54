"""One coin's market over the last minutes, and the settings that follow from it."""

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from services.screener import pricing
from services.screener.bars import MINUTE_MS, MinuteBars
from services.screener.config import ScreenerConfig
from services.screener.estimates import Estimates, Fills, Sample, Window, sample
from services.screener.history import Widening, widening
from services.screener.markouts import Markouts
from shared.fees import maker_rate
from shared.funding import HOUR_MS, expected_rate_1h
from shared.market_profile import CoinProfile
from shared.messages import AssetConfig, AssetCtx, Book, SpreadParts, Trades
from shared.regime import regime_of
from shared.units import tick_size

FRESH_BOOK_MS = 5000
DROP_BELOW_SE, READMIT_ABOVE_SE = -0.5, 1.0
"""A coin goes when its edge is half a standard error under zero and comes back when it is a whole one over it."""
MAX_HOURS = 240


class Verdict(NamedTuple):
    """What is to be published of a coin, and the trading it was seen in."""

    config: AssetConfig
    by_hand: bool
    """Was `enabled` written by a person?"""
    trades_per_min: float
    usd_per_min: float


class _Quote(NamedTuple):
    """The half spread to publish, where it is going, and what both were decided from."""

    spread_bps: float
    wanted_bps: float
    break_even_bps: float
    rung: float
    wider: Widening
    terms: pricing.Terms
    fills: Fills
    score: pricing.Score
    enough: bool


class Coin:
    """Bounded windows of one coin; everything is updated in constant time and summed up once per publication."""

    def __init__(self, name: str, sz_decimals: int, config: ScreenerConfig, overrides: Mapping[str, Any]) -> None:
        self.name, self._sz_decimals, self._config, self._overrides = name, sz_decimals, config, overrides
        self._fee_bps = float(maker_rate(config.fee_tier, name) * 10_000)
        self.book: Book | None = None
        self.markouts = Markouts()
        self.bars = MinuteBars()
        self.history: CoinProfile | None = None
        self.published: AssetConfig | None = None
        self.told: AssetConfig | None = None
        """The settings of which people have heard last."""
        self._rung: float | None = None
        self._out_until_ms = 0
        self._spreads: deque[float] = deque(maxlen=int(config.screener_window_s))
        self._traded: deque[tuple[int, int, float]] = deque()
        self._first_ms: int | None = None
        self._hourly: deque[float] = deque(maxlen=MAX_HOURS)
        self._hour: int | None = None
        self._funding_1h: float | None = None

    def restore(self, before: AssetConfig) -> None:
        """The last word of an earlier process."""
        self.published = self.told = before
        if not before.enabled and before.edge_bps is not None:
            self._stay_out(before.published_ms)

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
        """Is there anything true to say of now?"""
        return bool(self._spreads)

    @property
    def known(self) -> bool:
        """Of now, or at least of the past?"""
        return self.measured or self.history is not None

    def adverse(self) -> Sample:
        return sample(self.markouts.done)

    def verdict(self, now_ms: int, version: int, others_as_bps: float) -> Verdict:
        """The settings to publish now; fields that a person wrote into `[assets.COIN]` stay as written."""
        settings, overrides = self._config, self._overrides
        defaults = settings.sized(AssetConfig(coin=self.name))
        seen_s = min((now_ms - (self._first_ms or now_ms)) / 1000, settings.screener_window_s)
        market = Estimates(self._window(seen_s), self.history, others_as_bps)
        quote = self._quote(now_ms, market, overrides.get("min_order_usd", defaults.min_order_usd))
        parts = self._parts(market, quote, seen_s)
        if quote.enough and not self._pays(quote.score):
            self._stay_out(now_ms)
        elif quote.enough:
            self._out_until_ms = 0
        enabled = now_ms >= self._out_until_ms
        atr_fraction = self.bars.atr_fraction()
        config = msgspec.structs.replace(
            defaults,
            enabled=enabled,
            base_spread_bps=round(quote.spread_bps, 4),
            atr_fraction=defaults.atr_fraction if atr_fraction is None else atr_fraction,
            atr_measured=atr_fraction is not None,
            regime="calm" if atr_fraction is None else regime_of(atr_fraction),
            maker_fee_bps=self._fee_bps,
            edge_bps=round(quote.score.edge_bps, 4) if quote.enough else None,
            version=version,
            published_ms=now_ms,
            reason="" if enabled and quote.enough else self._reason(quote, parts, enabled),
            parts=parts,
        )
        fixed = {k: v for k, v in overrides.items() if not (k == "atr_fraction" and config.atr_measured)}
        if not overrides.get("enabled", True):
            fixed["reason"] = "switched off by hand"
        minutes = max(seen_s / 60, 1.0)
        return Verdict(
            msgspec.structs.replace(config, **fixed),
            "enabled" in overrides,
            sum(count for _, count, _ in self._traded) / minutes,
            sum(usd for _, _, usd in self._traded) / minutes,
        )

    def _quote(self, now_ms: int, market: Estimates, fill_usd: float) -> _Quote:
        """While too little is known the formula decides alone; the time of the week widens what was chosen."""
        max_bps = self._config.max_base_spread_bps
        terms = pricing.Terms(self._fee_bps, -self._funding_cost_bps(), fill_usd)
        enough = market.all.orders >= self._config.min_markouts
        price = pricing.price(market, self._fee_bps)
        self._rung = (
            pricing.best_rung(market, price.floor_bps, max_bps, terms, self._rung) if enough else pricing.RUNGS[0]
        )
        wider = widening(self.history, now_ms)
        wanted_bps = min(price.floor_bps * self._rung * wider.total, max_bps)
        before_bps = self.published.base_spread_bps if self.published else None
        spread_bps = pricing.step(before_bps, wanted_bps, price.break_even_bps, max_bps)
        spread_bps = self._overrides.get("base_spread_bps", spread_bps)
        fills = market.through(spread_bps)
        score = pricing.score_at(spread_bps, fills, terms)
        return _Quote(spread_bps, wanted_bps, price.break_even_bps, self._rung, wider, terms, fills, score, enough)

    def _parts(self, market: Estimates, quote: _Quote, seen_s: float) -> SpreadParts:
        score = quote.score
        return SpreadParts(
            wanted_bps=round(quote.wanted_bps, 4),
            touch_bps=round(market.touch_bps, 4),
            reach_bps=round(market.beyond_bps, 4),
            break_even_bps=round(quote.break_even_bps, 4),
            rung=quote.rung,
            hour_multiplier=quote.wider.hour,
            weekend_multiplier=quote.wider.weekend,
            adverse_bps=round(score.as_shrunk_bps, 4),
            adverse_n=quote.fills.orders,
            fills_n=quote.fills.through,
            funding_bps=round(-quote.terms.funding_bps, 4),
            se_bps=round(score.se_bps, 4),
            fills_per_hour=round(quote.fills.per_hour, 2),
            usd_per_hour=round(score.usd_per_hour, 5),
            usd_per_hour_low=round(score.score_usd_per_hour, 5),
            orders=market.all.orders,
            missing_orders=max(0, self._config.min_markouts - market.all.orders),
            live_min=round(seen_s / 60, 1),
            history_h=round(self.history.hours_of_data, 1) if self.history else 0.0,
        )

    def _window(self, seen_s: float) -> Window:
        done, tick_bps = self.markouts.done, 0.0
        if len(done) == done.maxlen:
            seen_s = (done[-1].time_ms - done[0].time_ms) / 1000
        if self.book is not None:
            bid_px = self.book.bids[0].px
            tick_bps = float(tick_size(bid_px, self._sz_decimals) / bid_px) * 1e4
        return Window(done, self._spreads, seen_s, self._config.screener_window_s, tick_bps)

    def _stay_out(self, judged_ms: int) -> None:
        """What was found losing stays out until there is a new verdict, or a window has gone without one."""
        self._out_until_ms = judged_ms + int(self._config.screener_window_s * 1000)

    def _pays(self, score: pricing.Score) -> bool:
        was_on = self.published.enabled if self.published else True
        return score.edge_bps >= (DROP_BELOW_SE if was_on else READMIT_ABOVE_SE) * score.se_bps

    def _reason(self, quote: _Quote, parts: SpreadParts, enabled: bool) -> str:
        if not quote.enough:
            missing = f"not enough data: {parts.missing_orders} more market orders until its edge is told"
            return missing if enabled else f"was losing when last measured; {missing}"
        text = f"edge {quote.score.edge_bps:+.2f} ± {quote.score.se_bps:.2f} bps"
        return text if quote.score.edge_bps < 0 else f"{text}, comes back when it is one standard error above zero"

    def _funding_cost_bps(self) -> float:
        """Funding of one expected hold, always counted as if on the paying side."""
        if self._funding_1h is None:
            return 0.0
        rate_1h = expected_rate_1h([*self._hourly, self._funding_1h])
        return abs(rate_1h) * 1e4 * self._config.expected_hold_s / 3600
