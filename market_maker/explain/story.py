"""From evidence to a story: what came before the fill, what filled it, what came after. Pure."""

from decimal import Decimal
from typing import NamedTuple

from market_maker.explain.evidence import FRESH_MS, Evidence
from market_maker.explain.judge import HORIZONS_S, Markout, Sweep, markout_of, sweep_of, verdict_of
from market_maker.explain.timeline import Moment, ahead_of, position_before, timeline_of
from services.guard.estimators.edges import outcome
from shared.flights import Flight
from shared.messages import Fill

EXIT_LEVEL = 0


class Story(NamedTuple):
    """A fill explained."""

    fill: Fill
    capture_bps: float
    """Distance from the mid before it."""
    fee_bps: float
    sweep: Sweep
    markouts: tuple[Markout, ...]
    verdict: str
    timeline: tuple[Moment, ...]
    estimates: tuple[str, ...]
    gaps: tuple[str, ...]
    position_before_sz: Decimal
    ahead_sz: Decimal | None
    """Displayed at our price when the order came to rest; None: not known."""


def tell(evidence: Evidence, now_ms: float) -> Story:
    """The story of a fill, of whatever is known."""
    flight, mids = evidence.flight, evidence.mids
    fill = flight.fill
    fee_bps = float(fill.fee_usd / (fill.px * fill.sz)) * 1e4
    markouts = tuple(markout_of(fill, fee_bps, horizon_s, mids) for horizon_s in HORIZONS_S)
    sweep = sweep_of(fill, flight.prints)
    return Story(
        fill=fill,
        capture_bps=outcome(fill.side, float(fill.px), float(fill.mid_px), float(fill.mid_px), 0.0).capture_bps,
        fee_bps=fee_bps,
        sweep=sweep,
        markouts=markouts,
        verdict=verdict_of(fill, sweep, markouts, fee_bps, now_ms),
        timeline=tuple(timeline_of(flight, sweep, markouts)),
        estimates=tuple(_estimates(flight)),
        gaps=tuple(_gaps(evidence, markouts, now_ms)),
        position_before_sz=position_before(fill),
        ahead_sz=ahead_of(flight),
    )


# ---- what was thought ------------------------------------------------------------------------------------------


def _estimates(flight: Flight) -> list[str]:
    config, target, lease = flight.config, flight.target, flight.lease
    lines = []
    if config is not None:
        edge = "edge not measured yet" if config.edge_bps is None else f"edge {config.edge_bps:+.2f} bps"
        rank = f", rank {config.rank}" if config.rank is not None else ""
        lines.append(f"screener  half spread {config.base_spread_bps:.2f} bps, {edge}{rank}, {config.regime}")
        if parts := config.parts:
            lines.append(
                f"          adverse selection {parts.adverse_bps:.2f} bps ({parts.adverse_n} orders), break-even"
                f" {parts.break_even_bps:.2f} bps, market half spread {parts.touch_bps:.2f} bps"
            )
    if target is not None:
        lines.append(
            f"quoter    half spread {target.half_spread_bps:.2f} bps, shift {target.shift_bps:+.2f} bps,"
            f" ×{target.multiplier:.2f}, {target.regime}, limit {target.max_inv_usd:,.0f} USD"
        )
    if lease is not None:
        ofi = "not known yet" if lease.ofi is None else f"{lease.ofi:+.2f}"
        lines.append(
            f"guard     OFI {ofi}, spread ×{lease.spread_multiplier:g}, size ×{lease.size_multiplier:g},"
            f" {lease.cancels_1h} cancels and {lease.fills_1h} fills in the hour before"
        )
    return lines


def _gaps(evidence: Evidence, markouts: tuple[Markout, ...], now_ms: float) -> list[str]:
    flight, fill = evidence.flight, evidence.flight.fill
    known_order = flight.order is not None
    gaps = []
    if not known_order:
        why = (
            ": the shadow twin does not tell its orders, target and lease are those of the fill"
            if evidence.twin
            else ""
        )
        gaps.append(f"the life of the order{why or ' is not recorded'}")
    elif flight.steps and flight.steps[0].status != "pending":
        gaps.append("the first steps of the order are no longer recorded")
    if flight.target is None:
        exit_order = known_order and fill.level == EXIT_LEVEL
        gaps.append("an order that leaves a position has no target" if exit_order
                    else "the target of then is no longer recorded")  # fmt: skip
    if flight.lease is None:
        gaps.append("the lease of then is no longer recorded")
    if flight.config is None:
        gaps.append(
            "no settings of the screener are recorded from before it; the defaults held if there were none"
        )
    if flight.book_before is None:
        gaps.append("the book before the fill is not recorded")
    if not flight.prints:
        gaps.append("the trades of its block are not recorded")
    unknown = [mark.horizon_s for mark in markouts if mark.edge_bps is None]
    coming = [s for s in unknown if evidence.running and now_ms < fill.time_ms + 1000 * s + FRESH_MS]
    missing = [horizon_s for horizon_s in unknown if horizon_s not in coming]
    if coming:
        gaps.append(f"markouts at {_seconds(coming)} are still to come: ask again")
    if missing:
        gaps.append(f"no book near {_seconds(missing)} after the fill is recorded")
    return gaps


def _seconds(horizons: list[int]) -> str:
    return ", ".join(map(str, horizons)) + " s"
