"""What the settings say is played, as one market: a recording, modelled coins, or both side by side."""

from collections.abc import Iterator, Sequence
from itertools import count

from services.venue.config import VenueConfig
from services.venue.market.book import FIRST_FLOW_OID, Book, Fill, Sign
from services.venue.market.feed import Raw
from services.venue.market.frames import Frames
from services.venue.market.market import Market, Owners
from services.venue.market.modelled import ModelledMarket
from services.venue.market.replay import Recording, open_recording
from services.venue.market.replay_market import ReplayMarket
from services.venue.market.universe import BUILDER_COINS, MARKET, ListedCoin
from shared.hyperliquid.wire import L2Book
from shared.messages import CoinMeta


class Timeline:
    """A `Market` made of one or two. Coins of the first dex come first, the recorded ones before the modelled.

    Raises:
        DataError: the recording cannot be opened.
    """

    def __init__(self, config: VenueConfig) -> None:
        path = config.recording
        self.recording: Recording | Frames | None = open_recording(path) if path is not None else None
        oids = count(FIRST_FLOW_OID)
        self._replayed: ReplayMarket | None = None
        self._parts: list[Market] = []
        recorded: tuple[CoinMeta, ...] = ()
        if self.recording is not None:
            self._replayed = ReplayMarket(self.recording, loop=config.loop, book_ms=config.fast_ms, oids=oids)
            self._parts.append(self._replayed)
            recorded = self.recording.coins
        names = {meta.coin for meta in recorded}
        modelled = tuple(coin for coin in _wanted(config) if coin.name not in names)
        if modelled:
            self._parts.append(
                ModelledMarket(
                    modelled, seed=config.seed, block_ms=config.block_ms, book_ms=config.fast_ms, oids=oids
                )
            )
        coins = [meta for part in self._parts for meta in part.coins]
        self.coins: tuple[CoinMeta, ...] = tuple(sorted(coins, key=lambda meta: ":" in meta.coin))
        self._part_of = {meta.coin: part for part in self._parts for meta in part.coins}

    @property
    def warnings(self) -> list[str]:
        return self.recording.warnings if self.recording is not None else []

    @property
    def recording_over(self) -> bool:
        return self._replayed is not None and self._replayed.over

    def book(self, coin: str) -> Book:
        return self._part_of[coin].book(coin)

    def full_book(self, coin: str, now_ms: int) -> L2Book | None:
        return self._part_of[coin].full_book(coin, now_ms)

    def next_ms(self) -> int | None:
        return min((due for part in self._parts if (due := part.next_ms()) is not None), default=None)

    def advance(self, to_ms: int) -> None:
        for part in self._parts:
            part.advance(to_ms)

    def took(self, coin: str, sign: Sign, fills: Sequence[Fill]) -> None:
        self._part_of[coin].took(coin, sign, fills)

    def push(self, coin: str, log_move: float, takers: int) -> None:
        self._part_of[coin].push(coin, log_move, takers)

    def news(self, now_ms: int, owners: Owners) -> Iterator[Raw]:
        for part in self._parts:
            yield from part.news(now_ms, owners)


def _wanted(config: VenueConfig) -> tuple[ListedCoin, ...]:
    """Coins that are modelled unless they are recorded; a recording alone stays alone."""
    if config.recording is not None and not config.fill_universe:
        return ()
    return (*MARKET.coins, *BUILDER_COINS) if config.builder_dex else MARKET.coins
