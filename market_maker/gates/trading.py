"""What shadow trading earned: the items of gate 5 about fills and money."""

from collections.abc import Iterator
from math import inf

import numpy as np

from analysis.bootstrap import Floats, intervals
from analysis.estimates import Estimate, Judgement
from analysis.gate5 import LEAST_PSR, LEAST_SHARPE, MOST_CANCELS_PER_FILL, SEED, SHADOW_H
from analysis.render.words import length
from analysis.sharpe import MIN_RETURNS, Sharpe, cautious
from market_maker.gates.items import Item, above, below, not_above
from market_maker.gates.shadow import COLUMNS, Shadow, returns, window_sums

LEAST_EDGE_BPS, LEAST_FILLS_PER_HOUR, MOST_ADVERSE_PCT = 0.0, 10.0, 40.0
LEAST_FILLS = 100
MOST_UNLABELLED_FRAC = 0.10
MORE_TRADING = "market_maker analyze --gate 5"
NOTHING = Estimate(None, None, None, 0, 0.0)


# ---- fills ---------------------------------------------------------------------------------------------------


def fills(shadow: Shadow) -> Iterator[Item]:
    """Where the book five seconds later is missing the market may have been wild: many such fills say nothing."""
    sums = window_sums(shadow)
    total = dict(zip(COLUMNS, sums.sum(axis=0).tolist(), strict=True))
    hours, fills, labelled = total["hours"], int(total["fills"]), int(total["labelled"])
    few = _few(fills, labelled)
    edge = _ratio(sums, "edge_bps", "labelled", labelled)
    words = _words(edge, "bps")
    yield _trading(
        "edge per fill", "mean edge at 5 s, after fee", f"> {LEAST_EDGE_BPS:.0f} bps",
        few or above(edge, LEAST_EDGE_BPS, hours, words), edge, "bps",
    )  # fmt: skip
    rate = _rate(sums, fills, hours)
    yield _trading(
        "fill rate", "fills an hour, all coins together", f"> {LEAST_FILLS_PER_HOUR:.0f} /h",
        above(rate, LEAST_FILLS_PER_HOUR, hours, _words(rate, "/h")), rate, "/h",
    )  # fmt: skip
    adverse = _within(_ratio(sums, "adverse", "labelled", labelled, 100.0), 0.0, 100.0)
    words = _words(adverse, "%")
    yield _trading(
        "adverse fills", "fills whose edge at 5 s, after fee, is negative", f"< {MOST_ADVERSE_PCT:.0f} %",
        few or below(adverse, MOST_ADVERSE_PCT, hours, words), adverse, "%",
    )  # fmt: skip
    cancels = _within(_ratio(sums, "canceled", "fills", fills), 0.0, inf)
    words = _words(cancels, "")
    yield _trading(
        "cancels per fill", "orders cancelled for each fill", f"< {MOST_CANCELS_PER_FILL:.0f}",
        _too_few(fills) or below(cancels, MOST_CANCELS_PER_FILL, hours, words), cancels, "",
    )  # fmt: skip


def _few(fills: int, labelled: int) -> Judgement | None:
    if fills - labelled > MOST_UNLABELLED_FRAC * fills:
        reason = (
            f"{fills - labelled} of {fills} fills have no book five seconds later: the rest may not be like them"
        )
        return Judgement("NOT ENOUGH DATA", reason, "fewer holes in the data: market_maker check-data")
    return _too_few(labelled)


def _too_few(fills: int) -> Judgement | None:
    if fills >= LEAST_FILLS:
        return None
    return Judgement("NOT ENOUGH DATA", f"{fills} fills", f"{LEAST_FILLS - fills} more fills")


def _ratio(sums: Floats, above: str, beneath: str, n: int, factor: float = 1.0) -> Estimate:
    """A sum over windows by another, of `n` observations."""
    top, bottom = COLUMNS.index(above), COLUMNS.index(beneath)
    if not sums[:, bottom].any():
        return NOTHING

    def statistic(drawn: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return factor * drawn[..., [top]] / drawn[..., [bottom]]

    return intervals(sums, statistic, [n], seed=SEED)[0]


def _within(found: Estimate, least: float, most: float) -> Estimate:
    """No rate is negative, no share beyond 100 %."""
    if found.low is None or found.high is None:
        return found
    return found._replace(low=max(found.low, least), high=min(found.high, most))


def _rate(sums: Floats, fills: int, hours: float) -> Estimate:
    """Without a single fill the bootstrap knows no spread: then the rule of three, which is exact for 95 %."""
    if fills or not hours:
        return _within(_ratio(sums, "fills", "hours", fills), 0.0, inf)
    return Estimate(0.0, 0.0, 3 / hours, 0, 0.0)


def _words(measured: Estimate, unit: str, digits: int = 2) -> str:
    """`1.23 [0.98, 1.51] bps`."""
    if measured.value is None:
        return "nothing to measure"
    interval = "" if measured.low is None else f" [{measured.low:,.{digits}f}, {measured.high:,.{digits}f}]"
    return f"{measured.value:,.{digits}f}{interval} {unit}".rstrip()


def _trading(
    name: str, asked: str, threshold: str, judgement: Judgement, measured: Estimate | None, unit: str
) -> Item:
    return Item("gate5", name, asked, threshold, judgement, MORE_TRADING, measured, unit)


# ---- money ---------------------------------------------------------------------------------------------------


def money(shadow: Shadow, balance_usd: float) -> Iterator[Item]:
    """Whether it earned, and whether that may be luck."""
    yield _pnl(shadow)
    changes = returns(shadow, balance_usd)
    found = cautious(changes) if len(changes) >= MIN_RETURNS else None
    measured = found and Estimate(found.sr_annual, *found.ci95_annual, len(changes), float(len(changes)))
    yield _trading(
        "Sharpe above 0", "probability that the true Sharpe ratio is above 0", f"(PSR(0) >= {LEAST_PSR:.0%})",
        _psr(found, shadow.hours), measured, "a year",
    )  # fmt: skip
    yield _trading(
        "Sharpe of five days", "Sharpe ratio a year, over 5 days, and PSR(0) as above", f"> {LEAST_SHARPE}",
        _five_days(found, shadow.hours), measured, "a year",
    )  # fmt: skip


def _pnl(shadow: Shadow) -> Item:
    """The sum has to be positive; whether by chance is what Sharpe ratio and edge ask. Only a sum whose whole
    interval is not above zero is NO-GO."""
    usd, hours = sum(minute.pnl_usd for minute in shadow.minutes), shadow.hours
    words = f"${usd:,.2f} net in {length(hours)}"
    total = _ratio(window_sums(shadow), "pnl_usd", "hours", round(hours * 60), hours)
    if hours < SHADOW_H:
        judgement = Judgement("NOT ENOUGH DATA", words, f"{SHADOW_H - hours:.1f} h more in shadow")
    elif usd > 0:
        judgement = Judgement("GO", words)
    else:
        judgement = not_above(total.high, 0.0, words)
    return _trading("shadow PnL", "net of fees and funding, over 5 days", "> $0", judgement, total, "USD")


def _psr(found: Sharpe | None, hours: float) -> Judgement:
    if found is None:
        reason = f"fewer than {MIN_RETURNS} minutes, or none in which equity moved"
        return Judgement("NOT ENOUGH DATA", reason, "hours in shadow")
    words = f"PSR(0) {found.psr:.1%} at a Sharpe ratio of {found.sr_annual:,.1f} a year"
    if found.psr >= LEAST_PSR:
        return Judgement("GO", words)
    if found.psr <= 1 - LEAST_PSR:
        return Judgement("NO-GO", f"{words}: it loses, and not by chance")
    if found.min_track_record_periods is None:
        return Judgement("NOT ENOUGH DATA", f"{words}: it loses, perhaps by chance", "a better result")
    more_h = max(1.0, found.min_track_record_periods / 60 - hours)
    return Judgement("NOT ENOUGH DATA", words, f"about {length(more_h)} more, if it stays so")


def _five_days(found: Sharpe | None, hours: float) -> Judgement:
    """Over five days the standard error is 8.5: the point alone would say nothing."""
    sure = _psr(found, hours)
    if found is None or sure.verdict == "NO-GO":
        return sure
    words = (
        f"{found.sr_annual:,.1f} [{found.ci95_annual[0]:,.1f}, {found.ci95_annual[1]:,.1f}] a year, {sure.reason}"
    )
    if hours < SHADOW_H:
        return Judgement("NOT ENOUGH DATA", words, f"{SHADOW_H - hours:.1f} h more in shadow")
    if found.sr_annual <= LEAST_SHARPE:
        return not_above(found.ci95_annual[1], LEAST_SHARPE, words)
    return sure._replace(reason=words)
