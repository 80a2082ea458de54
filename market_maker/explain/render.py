"""A story for people and for programs."""

from textwrap import wrap
from typing import Any

import msgspec
from rich.text import Text

from market_maker.explain import chart
from market_maker.explain.evidence import Evidence
from market_maker.explain.story import Story
from shared.clock import utc
from shared.messages import Book, Fill, TargetQuotes

WIDTH = 80
_STYLES = {"FILL": "bold yellow", "order": "cyan", "print": "magenta", "markout": "bold", "lease": "dim"}
_FOUND = {"flight": "what was recorded with the fill", "bus": "the streams of the running bot"}


def name(fill: Fill, twin: bool = False) -> str:
    """One line that says which fill it is."""
    mode = fill.mode.upper() + (" TWIN" if twin else "")
    return (
        f"{mode} {fill.coin} {fill.side} L{fill.level}  {_trade(fill)} ({fill.px * fill.sz:.2f} USD)"
        f"  {utc(fill.time_ms).isoformat(sep=' ', timespec='milliseconds')[:23]} UTC"
    )


def entry(fill: Fill) -> tuple[str, str]:
    """Two lines of a list of fills."""
    return (
        f"{fill.coin}:{fill.seq}".ljust(13) + f" {utc(fill.time_ms):%Y-%m-%d %H:%M:%S} UTC  {fill.mode.upper()}"
        f" L{fill.level}  {_trade(fill)}",
        " " * 14 + f"{fill.fill_id}  {fill.px * fill.sz:.2f} USD",
    )


def _trade(fill: Fill) -> str:
    return f"{'bought' if fill.side == 'bid' else 'sold'} {fill.sz} @ {fill.px}"


def lines(evidence: Evidence, story: Story) -> list[Text]:
    """For a terminal 80 columns wide."""
    fill, flight = story.fill, evidence.flight
    verdict = "bold red" if ": adverse" in story.verdict else "bold green" if ": good" in story.verdict else "bold"
    out = [
        Text(name(fill, evidence.twin), "bold"),
        Text(f"fill {fill.fill_id}, number {fill.seq} of {fill.coin}", "dim"),
        Text(),
        *(Text(line, verdict) for line in wrap(story.verdict, WIDTH)),
        Text(_sum(story)),
    ]
    if story.estimates:
        out += [Text(), Text("What was thought when the order was placed", "bold"), *map(Text, story.estimates)]
    out += [Text(), Text("Timeline, ms before and after the fill", "bold")]
    for moment in story.timeline:
        row = Text(f"{moment.at_ms:>+9,.0f}  {moment.what:<8}", _STYLES.get(moment.what, ""))
        out.append(row.append(moment.text, _STYLES["FILL"] if moment.what == "FILL" else ""))
    if flight.book_before is not None:
        out += [Text(), Text("Book before the fill, and the orders that we wanted then", "bold")]
        out += [
            Text(line, "yellow" if "◀" in line else "")
            for line in _ladder(flight.book_before, flight.target_at_fill or flight.target, fill)
        ]
    drawn = chart.draw(evidence.mids, fill.time_ms, float(fill.mid_px), float(fill.px))
    if drawn:
        out += [
            Text(),
            Text(f"Mid in bps of the mid before ({fill.mid_px:f}); ─ our price", "bold"),
            *map(Text, drawn),
        ]
    out += [Text()]
    out += [Text(line, "dim") for gap in story.gaps for line in wrap(f"Not known: {gap}", WIDTH)]
    sources = ", ".join(_FOUND.get(source, source) for source in evidence.sources)
    return [*out, Text(f"From {sources or 'the recorded fill alone'}.", "dim")]


def _sum(story: Story) -> str:
    marks = [
        f"{mark.horizon_s} s {mark.markout_bps:+z.2f}" if mark.markout_bps is not None else f"{mark.horizon_s} s ?"
        for mark in story.markouts
    ]
    return (
        f"capture {story.capture_bps:+z.2f} bps, fee {story.fee_bps:.2f} bps, markouts in bps: {', '.join(marks)}"
    )


def _ladder(book: Book, target: TargetQuotes | None, fill: Fill) -> list[str]:
    """Levels of the book and of our target by price, the highest first."""
    ours = {}
    if target is not None:
        ours = {quote.px: f"our {side} L{quote.level} {quote.sz}"
                for side, quotes in (("bid", target.bids), ("ask", target.asks)) for quote in quotes}  # fmt: skip
    ours[fill.px] = f"our {fill.side} L{fill.level} {fill.sz} ◀ filled"
    shown = {
        level.px: (level.sz, side) for side, levels in (("bid", book.bids), ("ask", book.asks)) for level in levels
    }
    decimals = max(-int(px.normalize().as_tuple().exponent) for px in (*ours, *shown))
    rows = []
    for px in sorted({*ours, *shown}, reverse=True):
        sz, side = shown.get(px, (None, ""))
        size = "" if sz is None else f"{sz:f}"
        rows.append(f"  {side:<4}{px:>14.{max(decimals, 0)}f} {size:>16}  {ours.get(px, '')}".rstrip())
    return rows


def facts(evidence: Evidence, story: Story) -> dict[str, Any]:
    """Everything, for a script."""
    flight = msgspec.to_builtins(evidence.flight)
    return {
        "fill": msgspec.to_builtins(story.fill),
        "twin": evidence.twin,
        "verdict": story.verdict,
        "capture_bps": story.capture_bps,
        "fee_bps": story.fee_bps,
        "markouts": [mark._asdict() for mark in story.markouts],
        "sweep_usd": float(story.sweep.usd),
        "through_our_price_usd": float(story.sweep.through_usd),
        "position_before_sz": str(story.position_before_sz),
        "ahead_sz": None if story.ahead_sz is None else str(story.ahead_sz),
        "timeline": [moment._asdict() for moment in story.timeline],
        "evidence": {key: value for key, value in flight.items() if key != "fill"},
        "mids": [[mid.time_ms - story.fill.time_ms, mid.bid_px, mid.ask_px] for mid in evidence.mids],
        "gaps": list(story.gaps),
        "sources": list(evidence.sources),
    }
