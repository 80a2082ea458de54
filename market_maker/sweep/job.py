"""One day under one combination of settings."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from market_maker.replay import Observer, play, summary_of
from market_maker.sweep.grid import Setup
from services.venue.market.feed import NothingRecorded, Part
from services.venue.market.replay import open_recording
from shared.config import tables_instead
from shared.errors import MarketMakerError

ZERO = Decimal(0)
_BPS = 10_000


class Job(NamedTuple):
    """`combination` counts from 0."""

    combination: int
    day: date
    recording: Path
    coins: tuple[str, ...]
    setup: Setup


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a day brought; money in USD. Edges are per traded volume, gross before fees and funding."""

    pnl_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    funding_usd: Decimal = ZERO
    volume_usd: Decimal = ZERO
    fills: int = 0
    cancels: int = 0
    max_position_usd: Decimal = ZERO
    hours: float = 0.0

    @property
    def gross_bps(self) -> float | None:
        return self._per_volume(self.pnl_usd + self.fees_usd - self.funding_usd)

    @property
    def net_bps(self) -> float | None:
        return self._per_volume(self.pnl_usd)

    @property
    def cancels_per_fill(self) -> float | None:
        return self.cancels / self.fills if self.fills else None

    def _per_volume(self, usd: Decimal) -> float | None:
        return float(usd / self.volume_usd * _BPS) if self.volume_usd else None


class Done(NamedTuple):
    """A job's end: its outcome, or why there is none; neither where nothing is recorded of the day."""

    combination: int
    day: date
    outcome: Outcome | None
    error: str = ""


def run(job: Job) -> Done:
    """Replay the day from a flat start. Whatever goes wrong is the job's own affair."""
    try:
        return Done(job.combination, job.day, _outcome(job))
    except NothingRecorded:
        return Done(job.combination, job.day, None)
    except MarketMakerError as error:
        return Done(job.combination, job.day, None, str(error))
    except Exception as error:  # one day's surprise must not cost the others
        return Done(job.combination, job.day, None, f"{type(error).__name__}: {error}")


def _outcome(job: Job) -> Outcome:
    recording = open_recording(job.recording, Part(job.day, job.day, job.coins))
    observer = Observer()
    with tables_instead({"assets": job.setup.assets}):
        play(recording, observer, job.setup.configs)
    summary: dict[str, Any] = summary_of(recording, observer)
    if not summary["counts"].get("books"):
        raise NothingRecorded(f"{job.recording}: no books on {job.day}")
    session, counts = summary["session"], summary["counts"]
    hours = (recording.end_ms - recording.start_ms) / 3_600_000
    if session is None:
        return Outcome(hours=hours)
    return Outcome(
        pnl_usd=session.pnl_usd,
        fees_usd=session.fees_usd,
        funding_usd=session.funding_usd,
        volume_usd=session.volume_usd,
        fills=session.fills,
        cancels=counts.get("orders_canceled", 0),
        max_position_usd=observer.max_position_usd,
        hours=hours,
    )
