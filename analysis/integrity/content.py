"""Rows that read well and cannot be true: crossed, contradictory, out of order, columns exchanged.

A tick says its touch twice (bid and ask; mid and spread), so an exchange of columns shows within the row. Depth
and trades are held against the touch of the ticks of that moment: a price less than half or more than twice the
mid, beside a size that would be the price, is an exchange; a price ten times away is told, and kept.
"""

from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.data_files import DEPTH, DEPTH_LEVELS, FILLS, TICKS, TRADES, Family

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FAULTS = (
    "", "not_positive", "crossed", "contradiction", "unordered_levels", "swapped_columns", "future_time",
    "duplicate_row", "duplicate_block",
)  # fmt: skip
"""By number, as `faults` gives them; 0 is a good row."""
MID_TOLERANCE_FRAC = 1e-6
SPREAD_TOLERANCE_BPS = 0.0051
"""Rounded to two decimals by predecessors of the harvester, to four by ours."""
ALIKE, OUTLIER = 2.0, 10.0
"""Factors around the mid within which a price may be, and beyond which it is told."""
SAME = 1.2
"""A size within this factor of the mid stands where the price should."""


class Touch(NamedTuple):
    """Times and mids of a coin's good ticks of the day, by time."""

    time_ms: Integers
    mid: Floats

    def at(self, time_ms: Integers) -> Floats:
        """The mid that stood then (the first one before the first tick); NaN without ticks."""
        if not len(self.time_ms):
            return np.full(len(time_ms), np.nan)
        return self.mid[self._index(time_ms)]

    def near(self, time_ms: Integers, within_ms: int) -> Floats:
        """The same; NaN where that tick is further away in time."""
        found = self.at(time_ms)
        if len(self.time_ms):
            found[np.abs(time_ms - self.time_ms[self._index(time_ms)]) > within_ms] = np.nan
        return found

    def _index(self, time_ms: Integers) -> npt.NDArray[np.intp]:
        return np.maximum(np.searchsorted(self.time_ms, time_ms, "right") - 1, 0)


NO_TOUCH = Touch(np.empty(0, np.int64), np.empty(0))


def faults(family: Family, table: Any, touch: Touch = NO_TOUCH) -> npt.NDArray[np.uint8]:
    """For each row of an Arrow table the index in FAULTS of what is wrong with it."""
    found = np.zeros(table.num_rows, np.uint8)
    if family is TICKS:
        _ticks(table, found)
    elif family is DEPTH:
        _depth(table, found, touch.at(_integers(table, "timestamp_ms")))
    elif family in (TRADES, FILLS):
        px, sz = floats(table, "px"), floats(table, "sz")
        mid = touch.at(_integers(table, "timestamp_ms"))
        _mark(found, "not_positive", ~((px > 0) & (sz > 0)))
        if family is TRADES:
            _mark(found, "swapped_columns", _exchanged(px, sz, mid))
    return found


def outliers(family: Family, table: Any, touch: Touch) -> Flags:
    """Prices more than ten times away from the touch."""
    name = "bid_px_1" if family is DEPTH else "px"
    if name not in family.columns or family is TICKS:
        return np.zeros(table.num_rows, np.bool_)
    return ~_within(floats(table, name), touch.at(_integers(table, "timestamp_ms")), OUTLIER)


def floats(table: Any, name: str) -> Floats:
    """A column; what is empty is NaN."""
    return np.asarray(table[name].to_numpy(), np.float64)


def _integers(table: Any, name: str) -> Integers:
    return np.asarray(table[name].to_numpy(), np.int64)


def _mark(found: npt.NDArray[np.uint8], fault: str, where: Flags) -> None:
    """The first fault of a row is its name, but an exchange of columns explains all others."""
    found[where & ((found == 0) | (fault == "swapped_columns"))] = FAULTS.index(fault)


# ---- ticks ----


def _ticks(table: Any, found: npt.NDArray[np.uint8]) -> None:
    bid, ask, mid, spread_bps = (floats(table, name) for name in ("bid", "ask", "mid", "spread_bps"))
    _mark(found, "not_positive", ~((bid > 0) & (ask > 0) & (mid > 0)))
    _mark(found, "crossed", bid >= ask)
    _mark(found, "contradiction", ~_follows(bid, ask, mid, spread_bps))
    wrong = np.flatnonzero(found)
    columns = tuple(column[wrong] for column in (bid, ask, mid, spread_bps))
    exchanged = np.zeros(len(wrong), np.bool_)
    for order in permutations(columns):
        exchanged |= (order[0] < order[1]) & _follows(*order)
    exchanged &= (columns[0] > 0) & (columns[1] > 0) & (columns[2] > 0) & (columns[3] > 0)
    found[wrong[exchanged]] = FAULTS.index("swapped_columns")


def _follows(bid: Floats, ask: Floats, mid: Floats, spread_bps: Floats) -> Flags:
    with np.errstate(all="ignore"):
        is_mid = np.abs(mid - (bid + ask) / 2) <= MID_TOLERANCE_FRAC * np.abs(mid)
        is_spread = np.abs(spread_bps - (ask - bid) / mid * 1e4) <= SPREAD_TOLERANCE_BPS
    return np.asarray(is_mid & is_spread, np.bool_)


# ---- depth ----


def _depth(table: Any, found: npt.NDArray[np.uint8], mid: Floats) -> None:
    bids, bid_szs, asks, ask_szs = (
        np.stack([floats(table, f"{side}_{field}_{i}") for i in range(1, DEPTH_LEVELS + 1)])
        for side in ("bid", "ask")
        for field in ("px", "sz")
    )
    every = (bids, bid_szs, asks, ask_szs)
    _mark(found, "not_positive", np.any([np.any(values <= 0, axis=0) for values in every], axis=0))
    _mark(found, "unordered_levels", ~(_ladder(bids, bid_szs, -1) & _ladder(asks, ask_szs, 1)))
    _mark(found, "crossed", bids[0] >= asks[0])
    far = np.zeros(len(found), np.bool_)
    for px, sz in ((bids, bid_szs), (asks, ask_szs)):
        far |= np.any([_exchanged(px[i], sz[i], mid) for i in range(DEPTH_LEVELS)], axis=0)
    sides = (bids[0] >= asks[0]) & _ladder(asks, ask_szs, -1) & _ladder(bids, bid_szs, 1)
    sides &= np.isfinite(bids[1]) & np.isfinite(asks[1])  # one level a side has no order to show it
    _mark(found, "swapped_columns", far | sides)


def _ladder(px: Floats, sz: Floats, sign: int) -> Flags:
    """Are levels away from the touch worse, each with its size, and what is empty at the end?"""
    given = np.isfinite(px)
    with np.errstate(invalid="ignore"):
        worse = ((px[1:] - px[:-1]) * sign > 0) | ~given[1:]
    whole = (given == np.isfinite(sz)).all(axis=0) & (given[:-1] | ~given[1:]).all(axis=0)
    return np.asarray(whole & worse.all(axis=0), np.bool_)


# ---- against the touch ----


def _exchanged(px: Floats, sz: Floats, mid: Floats) -> Flags:
    """Is the price no price, and the size one?"""
    known = np.isfinite(mid) & np.isfinite(px) & np.isfinite(sz)
    return np.asarray(known & ~_within(px, mid, ALIKE) & _within(sz, mid, SAME), np.bool_)


def _within(values: Floats, mid: Floats, factor: float) -> Flags:
    """Also where one of them is not known."""
    with np.errstate(all="ignore"):
        ratio = values / mid
    return np.asarray(~np.isfinite(ratio) | ((ratio > 1 / factor) & (ratio < factor)), np.bool_)
