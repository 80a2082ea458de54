"""How much a coin's market looks like a cascade of liquidations, 0 to 1.

    s_λ = ln(λ / λ̄) / ln 10      taker orders of the busier side against their mean of the last hour
    s_f = (|flow| - 0.2) / 0.7   taker imbalance of the last 5 s
    s_z = (z - 1) / 5            z = |5 s return| / (σ √5)
    now = (s_λ s_f s_z)^(1/3)    each clipped to 0..1: all three must be there
    severity = max(now, before · e^(-Δt / 30 s))     up at once, down slowly

σ is from before the move, or the cascade would make itself look normal. The venue tells no liquidations: these are
their traces. In a quiet market each of them is seen often and means nothing: λ̄ and σ have a least value, and a
flow of fewer than ten prints is none. In the first minute and a half nothing is said.

Prints of one block and side count as one order: a `Trade` does not say whose it is. A block takes 70 ms, so λ
ends near half of 14 a second. Where one order a second and side is usual, no pace leads over 0.95, and from two
and a half on none over 0.8.
"""

import math
from collections import deque
from typing import ClassVar, NamedTuple

from services.guard.checks.ofi import OfiWindow
from services.guard.estimators.hawkes import BETA_PER_S, BRANCHING, Hawkes, MeanRate
from services.guard.estimators.jumps import Returns, sigma_sqrt_s, variation
from services.guard.memory import PARTS
from shared.messages import Book, Trades
from shared.units import BPS

WINDOW_S = 5.0
DECAY_S = 30.0
SIGMA_RETURNS = 60
MIN_RETURNS = 12
SIGMA_DELAY = 6
"""The newest half minute of returns is part of the move."""
MID_STEP_MS = 100
MAX_TRADES = 5000
MIN_FLOW_TRADES = 10
HOLE_MS = 60_000
"""A silence counts for no longer than this: nobody knows how many orders came while we were not connected."""


class Parts(NamedTuple):
    """The three traces and what they make together."""

    s_intensity: float
    s_flow: float
    s_move: float

    @property
    def instant(self) -> float:
        return math.cbrt(self.s_intensity * self.s_flow * self.s_move)


def parts(intensity: float, baseline: float, flow_imb_abs: float, z_move: float) -> Parts:
    s_intensity = math.log(intensity / baseline) / math.log(10) if intensity > 0 and baseline > 0 else 0.0
    return Parts(_clip(s_intensity), _clip((flow_imb_abs - 0.2) / 0.7), _clip((z_move - 1) / 5))


def decayed(severity: float, dt_s: float, tau_s: float = DECAY_S) -> float:
    return severity * math.exp(-max(dt_s, 0.0) / tau_s)


class Side:
    """Taker orders of one side: prints of one block and side are one order."""

    remembers: ClassVar = {"_hawkes": PARTS, "_rate": PARTS, "_newest_ms": int}

    def __init__(self) -> None:
        self._hawkes, self._rate = Hawkes(), MeanRate()
        self._newest_ms = 0

    def add(self, time_ms: int, live_ms: float) -> bool:
        """`live_ms` is the time in which we listened. True when it is an order more."""
        if time_ms <= self._newest_ms:
            return False
        self._newest_ms = time_ms
        self._hawkes.add(time_ms)
        self._rate.add(live_ms)
        return True

    def rates(self, now_ms: float, live_ms: float, least_per_s: float) -> tuple[float, float]:
        """Intensity now and its mean, which is taken to be `least_per_s` at least."""
        baseline = max(self._rate.per_s(live_ms), least_per_s)
        return self._hawkes.intensity(now_ms, baseline * (1 - BRANCHING), BRANCHING * BETA_PER_S), baseline


class Severity:
    """One coin's severity. Times are the venue's for prints and ours for books."""

    remembers: ClassVar = {
        "_sides": PARTS,
        "_returns": PARTS,
        "_mid_px": float,
        "_sigma": float | None,
        "_heard_ms": float,
        "_live_ms": float,
        "_held": float,
        "_held_ms": float,
    }

    def __init__(self, least_orders_per_s: float, least_move_bps: float) -> None:
        self._least_per_s, self._least_move = least_orders_per_s, least_move_bps * BPS
        self._sides = {"B": Side(), "A": Side()}
        self._flow = OfiWindow(MAX_TRADES, WINDOW_S * 1000)
        self._returns = Returns(WINDOW_S, SIGMA_RETURNS + SIGMA_DELAY)
        self._mids: deque[tuple[float, float]] = deque()
        self._mid_px = 0.0
        self._sigma: float | None = None
        self._heard_ms = self._live_ms = 0.0
        self._held = self._held_ms = 0.0
        self._read: tuple[int, float | None] | None = None

    def add_trades(self, now_ms: int, trades: Trades) -> None:
        self._listen(trades.received_ms)
        news = False
        for trade in trades.trades:
            news |= self._sides[trade.side].add(trade.time_ms, self._live_ms)
            news |= self._flow.add(trade, now_ms)
        if news:
            self._hold(now_ms)

    def add_book(self, now_ms: int, book: Book) -> None:
        self._listen(book.received_ms)
        self._mid_px = book.mid_px
        mids = self._mids
        if not mids or book.received_ms - mids[-1][0] >= MID_STEP_MS:
            mids.append((book.received_ms, self._mid_px))
            while len(mids) > 1 and mids[1][0] <= book.received_ms - WINDOW_S * 1000:
                mids.popleft()
        if self._returns.add(book):
            before = variation(self._returns.all_but(SIGMA_DELAY))
            if before.n >= MIN_RETURNS:
                self._sigma = sigma_sqrt_s(before.bv, before.n * WINDOW_S)
        self._hold(now_ms)

    def value(self, now_ms: int) -> float | None:
        """None while too little is known to tell. Three rules ask for it at the same time."""
        if self._read is None or self._read[0] != now_ms:
            self._read = now_ms, self._value(now_ms)
        return self._read[1]

    def _value(self, now_ms: int) -> float | None:
        found = self.parts(now_ms)
        if found is None:
            return None
        return max(found.instant, decayed(self._held, (now_ms - self._held_ms) / 1000))

    def parts(self, now_ms: int) -> Parts | None:
        if self._sigma is None:
            return None
        rates = [side.rates(now_ms, self._live_ms, self._least_per_s) for side in self._sides.values()]
        intensity, baseline = max(rates, key=lambda rate: rate[0] / rate[1])
        flow = self._flow.flow(now_ms)
        flow_imb_abs = abs(flow.ofi) if flow.trades >= MIN_FLOW_TRADES else 0.0
        move = abs(math.log(self._mid_px / self._mids[0][1]))
        return parts(
            intensity, baseline, flow_imb_abs, move / max(self._sigma * math.sqrt(WINDOW_S), self._least_move)
        )

    def _listen(self, received_ms: float) -> None:
        if self._heard_ms:
            self._live_ms += min(max(received_ms - self._heard_ms, 0.0), HOLE_MS)
        self._heard_ms = max(self._heard_ms, received_ms)

    def _hold(self, now_ms: int) -> None:
        severity, self._read = self._value(now_ms), None
        if severity is not None:
            self._held, self._held_ms = severity, now_ms


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)
