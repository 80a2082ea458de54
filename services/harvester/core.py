"""What is worth a row, and what to do while the disk refuses.

A tick row is written when the touch prices changed, a depth row when any recorded level did. A book that says
the same again is written once per `SAMPLE_MS` of venue time, so that a quiet coin can be told from a dead
feed. Every trade is a row.

The journal is what the bot did itself: every fill, the account by minutes, incidents. Beside each fill goes its
flight: what led to it.

When the folder cannot be written, harvesting pauses until the next try: rows of the market and flights are
counted, not kept, and the journal waits in memory. If the process ends meanwhile, the next one finds fills and
incidents on the bus.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeGuard

from services.harvester.config import HarvesterConfig
from services.harvester.diary import Diary
from services.harvester.minutes import Minutes
from services.harvester.recorder import Heard, Recorder
from services.harvester.rows import Row, depth_row, fill_row, tick_row, trade_row
from services.harvester.runs import Runs
from shared.clock import utc
from shared.data_files import JOURNAL_FAMILIES
from shared.flights import Flight
from shared.incidents import Incident
from shared.messages import (
    AccountState,
    AccountStatus,
    AssetConfig,
    Book,
    Event,
    Fill,
    HaltState,
    Heartbeat,
    Level,
    Message,
    Trades,
)
from shared.service import Started, Stopping, Tick

SAMPLE_MS = 500
"""The venue resends an unchanged book about every 540 ms, so nearly each of these is kept."""
WAITING_MAX = 20_000
"""Of the journal while the disk refuses, some 10 MB; what comes then is counted as lost."""
TAG = "HARVEST"


@dataclass(frozen=True, slots=True)
class Note:
    """Keep an incident, unless it is known."""

    incident: Incident


@dataclass(frozen=True, slots=True)
class Flush:
    """Hand buffered rows to the operating system."""


@dataclass(frozen=True, slots=True)
class Close:
    """Flush, make durable, close."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A torn end was cut off a file before going on with it."""

    path: Path
    cut_bytes: int


@dataclass(frozen=True, slots=True)
class MovedAside:
    """A file in our place was not ours."""

    path: Path
    moved_to: Path
    header: str


@dataclass(frozen=True, slots=True)
class Full:
    """No more flights of a coin are kept today."""

    path: Path


@dataclass(frozen=True, slots=True)
class Failed:
    """Writing failed; `lost_rows` were given up, whatever was written stays. `waiting` may be in part written:
    giving it again doubles nothing."""

    reason: str
    lost_rows: int
    waiting: tuple["Row | Note", ...] = ()


@dataclass(frozen=True, slots=True)
class Resumed:
    """The first write after a failure went through."""


@dataclass(frozen=True, slots=True)
class Closed:
    """All files are on disk."""

    rows: int


Effect = Row | Note | Flight | Flush | Close


def is_journal(effect: Effect) -> TypeGuard[Row | Note]:
    return isinstance(effect, Note) or (isinstance(effect, Row) and effect.family in JOURNAL_FAMILIES)


@dataclass(slots=True)
class _Last:
    """The newest rows of a coin."""

    time_ms: int = -1
    tick_ms: int = -SAMPLE_MS
    touch: tuple[Decimal, Decimal] | None = None
    depth_ms: int = -SAMPLE_MS
    levels: tuple[tuple[Level, ...], tuple[Level, ...]] | None = None


class Harvester:
    """Turns books, trades and what the bot says of itself into rows and incidents."""

    def __init__(self, config: HarvesterConfig) -> None:
        self._on = config.harvest_ticks
        self._levels = config.harvest_depth_levels
        self._folder = config.data_dir
        self._retry_ms = int(config.harvest_retry_s * 1000)
        self._runs = Runs(config.run_id)
        self._minutes = Minutes(config, self._runs)
        self._diary = Diary(config.mode, self._runs)
        self._recorder = Recorder() if config.harvest_explain_days else None
        self._last: dict[str, _Last] = {}
        self._failed_ms: int | None = None
        self._retry_at_ms = 0
        self._lost = 0
        self._waiting: deque[Row | Note] = deque()

    def restore(self, now_ms: int, msg: Message) -> None:
        if isinstance(msg, AccountState):
            self._runs.restore(now_ms, msg)

    def step(self, now_ms: int, msg: object) -> Iterable[Message | Effect]:
        if self._recorder is not None and isinstance(msg, Heard):
            self._recorder.take(now_ms, msg)
        match msg:
            case Book() if self._on:
                return self._keep(now_ms, self._book_rows(msg))
            case Trades() if self._on:
                return self._keep(now_ms, [trade_row(msg.coin, trade) for trade in msg.trades])
            case Fill():
                return self._keep(now_ms, [fill_row(msg, self._runs.at(msg.mode, msg.time_ms))])
            case AccountStatus():
                return self._keep(now_ms, [*self._minutes.take(now_ms, msg), *self._notes(msg)])
            case Event() | HaltState() | Heartbeat():
                return self._keep(now_ms, self._notes(msg))
            case AssetConfig():
                self._minutes.set_limit(msg)
            case Tick():
                flights = self._recorder.due(now_ms) if self._recorder else []
                return [*self._keep(now_ms, [*self._minutes.tick(now_ms), *flights]), Flush()]
            case Started():
                return (self._started(),)
            case Stopping():
                flights = self._recorder.rest() if self._recorder else []
                return [*self._waiting, *self._minutes.close(), *flights, Close()]
            case Failed():
                return self._stopped(now_ms, msg)
            case Resumed():
                return self._resumed(now_ms)
            case Repaired() | MovedAside() | Full() | Closed():
                return (self._report(msg),)
        return ()

    def _notes(self, msg: Message) -> list[Note]:
        return [Note(incident) for incident in self._diary.step(msg)]

    def _book_rows(self, book: Book) -> list[Row]:
        last = self._last.get(book.coin)
        if last is None:
            last = self._last[book.coin] = _Last()
        if book.time_ms < last.time_ms:
            return []
        last.time_ms = book.time_ms
        rows = []
        if book.bids and book.asks:
            touch = (book.bids[0].px, book.asks[0].px)
            if touch != last.touch or book.time_ms - last.tick_ms >= SAMPLE_MS:
                last.touch, last.tick_ms = touch, book.time_ms
                rows.append(tick_row(book))
        levels = (book.bids[: self._levels], book.asks[: self._levels])
        if levels != last.levels or book.time_ms - last.depth_ms >= SAMPLE_MS:
            last.levels, last.depth_ms = levels, book.time_ms
            rows.append(depth_row(book, self._levels))
        return rows

    # ---- while the disk refuses ----

    def _keep(self, now_ms: int, effects: Sequence[Row | Note | Flight]) -> Sequence[Row | Note | Flight]:
        """What goes to the disk now: nothing before the next try, and then what has waited first."""
        if self._failed_ms is not None and now_ms < self._retry_at_ms:
            self._wait(effects)
            return ()
        waiting, self._waiting = self._waiting, deque()
        return [*waiting, *effects]

    def _wait(self, effects: Iterable[Row | Note | Flight]) -> None:
        for effect in effects:
            if is_journal(effect) and len(self._waiting) < WAITING_MAX:
                self._waiting.append(effect)
            else:
                self._lost += 1

    def _stopped(self, now_ms: int, failed: Failed) -> Iterable[Event]:
        self._lost += failed.lost_rows
        self._wait(failed.waiting)
        self._retry_at_ms = now_ms + self._retry_ms
        if self._failed_ms is not None:
            return ()
        self._failed_ms = now_ms
        self._wait([Note(self._diary.incident("recording_stopped", now_ms, failed.reason))])
        text = (
            f"harvesting stopped: {failed.reason}. Free space in {self._folder} or make it writable; "
            f"quoting goes on, next try every {self._retry_ms / 1000:g} s; fills, account and incidents wait"
        )
        return (Event(level="error", tag=TAG, text=text),)

    def _resumed(self, now_ms: int) -> Iterable[Event | Note]:
        since = utc(self._failed_ms or 0).strftime("%H:%M:%S")
        text = f"{self._lost} rows since {since} UTC could not be written"
        self._failed_ms, self._lost = None, 0
        return (
            Event(level="warning", tag=TAG, text=f"harvesting works again; {text}"),
            Note(self._diary.incident("recording_resumed", now_ms, text)),
        )

    # ---- lines ----

    def _started(self) -> Event:
        off = "no market data (MM_HARVEST_TICKS=false)"
        market = f"ticks, trades, depth ({self._levels} levels)" if self._on else off
        return Event(tag=TAG, text=f"recording {market}, fills, account and incidents to {self._folder}")

    def _report(self, notice: Repaired | MovedAside | Full | Closed) -> Event:
        match notice:
            case Repaired():
                text = f"{notice.path}: torn end of {notice.cut_bytes} bytes cut off"
                return Event(level="warning", tag=TAG, text=text)
            case MovedAside():
                text = (
                    f"{notice.path} has a foreign header ({notice.header!r}) and was moved to "
                    f"{notice.moved_to.name}; a new file begins"
                )
                return Event(level="warning", tag=TAG, text=text)
            case Full():
                text = f"{notice.path} has grown to its limit: what leads to fills of this coin is not kept today"
                return Event(level="warning", tag=TAG, text=text)
            case Closed():
                lost = f"; {self._lost} could not be written" if self._lost else ""
                return Event(
                    level="warning" if self._lost else "info", tag=TAG, text=f"{notice.rows} rows written{lost}"
                )
