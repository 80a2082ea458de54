"""One run of the venue as a sequence of blocks: sources chosen, repeated and merged, times from the start."""

import heapq
from collections.abc import Iterator
from itertools import count, groupby

import msgspec

from services.venue.config import VenueConfig
from services.venue.market.feed import Raw, Source
from services.venue.market.modelled import ModelledMarket
from services.venue.market.replay import Recording, open_recording
from services.venue.market.universe import MARKET
from shared.messages import CoinMeta

LOOP_PAUSE_MS = 1000
TID_RANGE = 2**50


class Timeline:
    """What the settings say is played.

    Raises:
        DataError: the recording cannot be opened.
    """

    def __init__(self, config: VenueConfig) -> None:
        self._loop = config.loop
        path = config.recording
        self.recording: Recording | None = open_recording(path) if path is not None else None
        recorded = self.recording.coins if self.recording is not None else ()
        names = {meta.coin for meta in recorded}
        self._modelled: ModelledMarket | None = None
        if self.recording is None or config.fill_universe:
            self._modelled = ModelledMarket(
                MARKET,
                seed=config.seed,
                block_ms=config.block_ms,
                book_ms=config.fast_ms,
                names=tuple(coin.name for coin in MARKET.coins if coin.name not in names),
            )
        modelled = self._modelled.coins if self._modelled is not None else ()
        self.coins: tuple[CoinMeta, ...] = (*recorded, *modelled)
        self.recording_over = False

    @property
    def warnings(self) -> list[str]:
        return self.recording.warnings if self.recording is not None else []

    def blocks(self) -> Iterator[tuple[int, list[Raw]]]:
        """(milliseconds since the start, everything of that block)."""
        parts = []
        if self.recording is not None:
            parts.append(self._played(self.recording))
        if self._modelled is not None:
            parts.append(_from_start(self._modelled))
        merged = heapq.merge(*parts, key=lambda item: item[0])
        for time_ms, items in groupby(merged, key=lambda item: item[0]):
            yield time_ms, [raw for _, raw in items]

    def _played(self, recording: Recording) -> Iterator[tuple[int, Raw]]:
        """Once, or again and again; each round has trade ids of its own, since clients take an id only once."""
        begin_ms = 0
        for turn in count():
            last_ms = 0
            for time_ms, raw in _from_start(recording):
                last_ms = time_ms
                yield begin_ms + time_ms, _renumbered(raw, turn) if turn else raw
            if not self._loop:
                break
            begin_ms += last_ms + LOOP_PAUSE_MS
        self.recording_over = True


def _from_start(source: Source) -> Iterator[tuple[int, Raw]]:
    for time_ms, raw in source.raw():
        yield time_ms - source.start_ms, raw


def _renumbered(raw: Raw, turn: int) -> Raw:
    if not isinstance(raw, tuple):
        return raw
    return tuple(
        msgspec.structs.replace(trade, tid=(trade.tid + turn * 2_654_435_761) % TID_RANGE) for trade in raw
    )
