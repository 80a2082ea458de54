"""Oracle, mark and funding of a modelled coin, by the venue's rules on inputs that the model has.

    oracle    fair value x (1 + basis), basis a slow mean-reverting walk, published every 3 s
    mark      median of oracle + 150 s EMA of (mid - oracle); median of best bid, best ask, last trade; the fair
              value (which stands for the mids of other exchanges)
    premium   (max(impact bid - oracle, 0) - max(oracle - impact ask, 0)) / oracle, impact prices for $20,000
              (BTC, ETH) or $6,000; on a builder-deployed dex mean(impact bid, impact ask) / oracle - 1
    funding   F / 8 an hour, F = P + clamp(0.0001 - P, +-0.0005), P the mean premium of the running hour

The basis is centred so that the coin's recorded funding rate comes out on average.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from math import exp, sqrt
from random import Random
from statistics import median

import msgspec

from services.venue.market.book import Ladder
from services.venue.market.calibration import CoinModel
from services.venue.market.flow import CoinFlow
from shared.funding import CLAMP_8H_FRAC, INTEREST_8H_FRAC, hl_rate
from shared.hyperliquid.wire import Ctx
from shared.units import exact, round_px

ORACLE_MS = 3000
SAMPLE_MS = 5000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MARK_MEMORY_MS = 150_000
BASIS_MEMORY_MS = 600_000
BASIS_SPREAD = 0.0002
IMPACT_USD = {"BTC": 20_000.0, "ETH": 20_000.0}
IMPACT_USD_OTHERS = 6_000.0
RATE_STEP = Decimal("1e-10")
NTL_STEP = Decimal("1e-6")


def premium_for(rate_1h: float) -> float:
    """The premium nearest zero that leads to an hourly rate: the inverse of `hl_rate`."""
    eight_hours = 8 * rate_1h
    if abs(eight_hours - INTEREST_8H_FRAC) < 1e-9:
        return 0.0
    return eight_hours + (CLAMP_8H_FRAC if eight_hours > INTEREST_8H_FRAC else -CLAMP_8H_FRAC)


def premium_of(impact_bid: float, impact_ask: float, oracle: float, *, builder_dex: bool) -> float:
    """How far a market trades from its oracle, as a fraction of it."""
    if builder_dex:
        return (impact_bid + impact_ask) / 2 / oracle - 1
    return (max(impact_bid - oracle, 0.0) - max(oracle - impact_ask, 0.0)) / oracle


class ReferencePrices:
    """The slow numbers of one coin. Times count from the start of the market."""

    def __init__(self, model: CoinModel, seed: int) -> None:
        self._random = Random(f"{seed}/{model.coin.name}/reference")
        self._model = model
        self._unit = 10.0 ** (model.coin.sz_decimals - 6)
        self._impact_usd = IMPACT_USD.get(model.coin.name, IMPACT_USD_OTHERS)
        self._basis_mean = -premium_for(model.coin.funding_1h_frac)
        self._basis = self._random.gauss(self._basis_mean, BASIS_SPREAD)
        self._oracle = model.coin.mid_px * (1 + self._basis)
        self._oracle_ms = self._ema_ms = self._sample_ms = self._hour_ms = self._day_ms = 0
        self._ema = model.coin.mid_px - self._oracle
        self._premium_sum, self._premium_samples = 0.0, 0
        self._last_px: float | None = None
        self._day_open = exact(model.coin.mid_px)
        self._volume_usd = Decimal(round(model.coin.day_ntl_usd))
        self._volume_sz = (self._volume_usd / self._day_open).quantize(Decimal(1))
        self._open_interest = exact(model.coin.open_interest_sz)

    def note(self, px: Decimal, sz: Decimal, now_ms: int) -> None:
        """A trade: day volume is a day's worth that fades while new trades come in."""
        self._last_px = float(px)
        fade = Decimal(repr(exp(-(now_ms - self._day_ms) / DAY_MS)))
        self._day_ms = now_ms
        self._volume_usd = (self._volume_usd * fade + px * sz).quantize(NTL_STEP)
        self._volume_sz = (self._volume_sz * fade + sz).quantize(Decimal(1).scaleb(-self._model.coin.sz_decimals))

    def context(self, flow: CoinFlow, now_ms: int) -> Ctx:
        """The asset context at `now_ms`, with everything that was due brought up to date."""
        sz_decimals = flow.sz_decimals
        bid_px, ask_px = flow.book.best_px(1), flow.book.best_px(-1)
        fair = flow.fair * self._unit
        self._move_oracle(fair, now_ms)
        if bid_px is None or ask_px is None:
            return self._one_sided(fair, sz_decimals)
        bid, ask = bid_px * self._unit, ask_px * self._unit
        mid = (bid + ask) / 2
        weight = exp(-(now_ms - self._ema_ms) / MARK_MEMORY_MS)
        self._ema = weight * self._ema + (1 - weight) * (mid - self._oracle)
        self._ema_ms = now_ms
        book_price = median((bid, ask, self._last_px if self._last_px is not None else mid))
        mark = median((self._oracle + self._ema, book_price, fair))
        impact = self._impact(flow.book.bids), self._impact(flow.book.asks)
        premium = premium_of(*impact, self._oracle, builder_dex=":" in self._model.coin.name)
        self._sample(premium, now_ms)
        step = Decimal(1).scaleb(sz_decimals - 6)
        return msgspec.structs.replace(
            self._ctx(mark, sz_decimals),
            premium=_rounded(premium),
            midPx=Decimal(bid_px + ask_px).scaleb(sz_decimals - 6) / 2,
            impactPxs=(exact(impact[0]).quantize(step), exact(impact[1]).quantize(step)),
        )

    def _one_sided(self, fair: float, sz_decimals: int) -> Ctx:
        """Without a mid there is no premium, and the mark goes by what is left of its inputs."""
        last = self._last_px if self._last_px is not None else fair
        return self._ctx(median((self._oracle + self._ema, last, fair)), sz_decimals)

    def _ctx(self, mark: float, sz_decimals: int) -> Ctx:
        mean = self._premium_sum / self._premium_samples if self._premium_samples else 0.0
        return Ctx(
            funding=_rounded(hl_rate(mean).rate_1h_frac),
            openInterest=self._open_interest,
            prevDayPx=self._day_open,
            dayNtlVlm=self._volume_usd,
            oraclePx=round_px(exact(self._oracle), sz_decimals, "bid"),
            markPx=round_px(exact(mark), sz_decimals, "bid"),
            dayBaseVlm=self._volume_sz,
        )

    def _move_oracle(self, fair: float, now_ms: int) -> None:
        if now_ms - self._oracle_ms < ORACLE_MS:
            return
        gap = (now_ms - self._oracle_ms) / BASIS_MEMORY_MS
        self._basis += -gap * (self._basis - self._basis_mean) + self._random.gauss(
            0, BASIS_SPREAD * sqrt(2 * gap)
        )
        self._oracle = fair * (1 + self._basis)
        self._oracle_ms = now_ms

    def _sample(self, premium: float, now_ms: int) -> None:
        if now_ms - self._hour_ms >= HOUR_MS:
            self._hour_ms = now_ms - now_ms % HOUR_MS
            self._premium_sum, self._premium_samples = 0.0, 0
        if not self._premium_samples or now_ms - self._sample_ms >= SAMPLE_MS:
            self._sample_ms = now_ms
            self._premium_sum += premium
            self._premium_samples += 1

    def _impact(self, ladder: Ladder) -> float:
        """Average price at which the impact notional trades against one side."""
        left, spent, size = self._impact_usd, 0.0, 0.0
        lot = 10.0**-self._model.coin.sz_decimals
        for px, level in ladder.top(len(ladder)):
            price = px * self._unit
            ntl = min(level.lots * lot * price, left)
            spent, size, left = spent + ntl, size + ntl / price, left - ntl
            if left <= 0:
                break
        return spent / size


def _rounded(value: float) -> Decimal:
    return exact(value).quantize(RATE_STEP, ROUND_HALF_EVEN)
