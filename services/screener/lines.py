"""What people are told: the state of all coins, and each change of a coin with its reason."""

from collections.abc import Iterable, Sequence

from services.screener.coin import Verdict
from services.screener.history import hour_utc
from shared.messages import AssetConfig, Event, Severity, SpreadParts

SHOWN = 3
TOLD_FROM = 0.1
"""A spread that has moved by so much since the last line of it is worth one."""
TOLD_AT_ONCE = 3
"""Lines of moved spreads per publication, the largest moves first; the others wait for the next one."""
_NOTED_BPS = 0.05
"""A part that has moved by less is no reason."""


def summary(ranked: Sequence[Verdict], min_markouts: int) -> Event:
    known = [verdict for verdict in ranked if verdict.config.edge_bps is not None]
    best = ", ".join(_shown(verdict) for verdict in known[:SHOWN])
    best = best or f"none yet, a coin needs {min_markouts} market orders"
    left_out = ", ".join(f"{v.config.coin} ({v.config.reason})" for v in ranked if not v.config.enabled)
    text = f"{len(ranked)} coins, {len(known)} with a measured edge. Best: {best}."
    return Event(tag="SCREENER", text=text + (f" Not quoted: {left_out}." if left_out else ""))


def changes(before: AssetConfig | None, verdict: Verdict) -> Iterable[Event]:
    """A line per coin whose permission or regime has changed."""
    config = verdict.config
    was_on, was_regime = (before.enabled, before.regime) if before else (True, "calm")
    if config.enabled != was_on:
        text = f"{config.coin} quoted again: {_shown(verdict)}."
        if not config.enabled:
            text = f"{config.coin} not quoted: {config.reason}."
        level: Severity = "info" if config.enabled else "warning"
        yield Event(level=level, tag="SCREENER", coin=config.coin, text=text)
    if config.regime != was_regime:
        text = f"{config.coin} regime {was_regime} → {config.regime} (ATR {config.atr_fraction:.3%})."
        yield Event(tag="SCREENER", coin=config.coin, text=text)


def moved_most(pairs: Iterable[tuple[AssetConfig, AssetConfig]]) -> list[tuple[AssetConfig, AssetConfig]]:
    """Of (last told, now) those worth a line now."""
    moved = [pair for pair in pairs if _move(*pair) > TOLD_FROM]
    return sorted(moved, key=lambda pair: -_move(*pair))[:TOLD_AT_ONCE]


def spread_line(told: AssetConfig, now: AssetConfig) -> Event:
    """`BTC half spread 2.10 → 2.45 bps: AS 0.40→0.70, hour 14 UTC ×1.15.`"""
    why = ", ".join(_reasons(told.parts, now.parts, now) if told.parts and now.parts else ())
    text = f"{now.coin} half spread {told.base_spread_bps:.2f} → {now.base_spread_bps:.2f} bps"
    return Event(tag="SCREENER", coin=now.coin, text=f"{text}: {why}." if why else f"{text}.")


def _move(told: AssetConfig, now: AssetConfig) -> float:
    return abs(now.base_spread_bps / told.base_spread_bps - 1)


def _reasons(was: SpreadParts, parts: SpreadParts, now: AssetConfig) -> Iterable[str]:
    for name, old, new in (
        ("AS", was.break_even_bps, parts.break_even_bps),
        ("1/κ", was.reach_bps, parts.reach_bps),
        ("half market spread", was.touch_bps, parts.touch_bps),
    ):
        if abs(new - old) >= _NOTED_BPS:
            fee_bps = now.maker_fee_bps if name == "AS" else 0.0
            yield f"{name} {old - fee_bps:.2f}→{new - fee_bps:.2f}"
    if parts.rung != was.rung:
        yield f"best of the compared spreads ×{was.rung:g}→×{parts.rung:g}"
    if parts.hour_multiplier != was.hour_multiplier:
        yield f"hour {hour_utc(now.published_ms)} UTC ×{parts.hour_multiplier:.2f}"
    if parts.weekend_multiplier != was.weekend_multiplier:
        yield f"weekend ×{parts.weekend_multiplier:.2f}"
    if abs(parts.wanted_bps / now.base_spread_bps - 1) > TOLD_FROM:
        yield f"on the way to {parts.wanted_bps:.2f}"


def _shown(verdict: Verdict) -> str:
    config = verdict.config
    known = "edge not known" if config.edge_bps is None else f"{config.edge_bps:+.2f} bps"
    edge = f"{config.coin} {known} at {config.base_spread_bps:.2f}"
    return f"{edge} ({verdict.trades_per_min:.0f} trades, ${verdict.usd_per_min:,.0f} a minute)"
