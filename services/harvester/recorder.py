"""The flight recorder: keeps the last seconds of each coin, so that with each fill goes what led to it.

Streams are read side by side, so a book, a target or an order may come after the fill that it explains: a flight
is given out `SETTLE_MS` after its fill. All that is kept is bounded.
"""

from collections import deque
from dataclasses import dataclass, field

from shared.flights import Flight, Step
from shared.messages import AssetConfig, Book, Fill, OrderUpdate, RiskLease, TargetQuotes, Trade, Trades

SETTLE_MS = 5000
MAX_PENDING = 1000
MAX_LIVES, MAX_ENDED, MAX_STEPS = 256, 64, 64
"""Orders of a coin, those of them that are over, and steps of one."""
MAX_RESTED = 12
"""Orders for which a book may still come late: two ladders."""
COUNTED_MS = 60_000
OVER = ("filled", "canceled", "rejected")
Heard = Book | Trades | TargetQuotes | RiskLease | AssetConfig | OrderUpdate | Fill


@dataclass(slots=True)
class Grounds:
    """The newest settings, target and lease of a moment (our clock)."""

    at_ms: int
    source_ms: float | None
    """Of the book that the target came from; None: any."""
    until_ms: int
    """Nothing of before the moment is expected any more."""
    config: AssetConfig | None = None
    target: TargetQuotes | None = None
    lease: RiskLease | None = None

    def consider(self, msg: AssetConfig | TargetQuotes | RiskLease) -> None:
        if isinstance(msg, TargetQuotes):
            fits = msg.computed_ms <= self.at_ms and self.source_ms in (None, msg.source_ms)
            if fits and (self.target is None or msg.computed_ms >= self.target.computed_ms):
                self.target = msg
        elif isinstance(msg, RiskLease):
            if msg.issued_ms <= self.at_ms and (self.lease is None or msg.issued_ms >= self.lease.issued_ms):
                self.lease = msg
        elif msg.published_ms <= self.at_ms and (
            self.config is None or msg.published_ms >= self.config.published_ms
        ):
            self.config = msg


@dataclass(slots=True)
class Life:
    """An order as the bus told it."""

    first: OrderUpdate
    grounds: Grounds
    placed_1m: int
    steps: list[Step] = field(default_factory=list)
    rest_ms: int | None = None
    """When it came to rest. It may do that while its cancel is on the way; it is then told without a reason."""
    book_at_rest: Book | None = None

    def see(self, book: Book) -> None:
        fits = self.rest_ms is not None and book.received_ms <= self.rest_ms
        if fits and (self.book_at_rest is None or book.received_ms >= self.book_at_rest.received_ms):
            self.book_at_rest = book

    def meet(self, update: OrderUpdate) -> None:
        step = Step(update.time_ms, update.status, update.filled_sz, update.reason)
        if step not in self.steps:
            self.steps.append(step)
        if len(self.steps) > MAX_STEPS:
            del self.steps[MAX_STEPS // 2]


@dataclass(slots=True)
class Pending:
    """A fill whose flight is still being put together."""

    fill: Fill
    heard_ms: int
    grounds: Grounds
    before: Book | None = None
    after: Book | None = None
    prints: dict[int, Trade] = field(default_factory=dict)

    def see(self, book: Book) -> None:
        at_ms = self.fill.time_ms
        if book.time_ms < at_ms:
            if self.before is None or book.time_ms >= self.before.time_ms:
                self.before = book
        elif self.after is None or book.time_ms < self.after.time_ms:
            self.after = book

    def hear(self, trade: Trade) -> None:
        if trade.time_ms == self.fill.time_ms:
            self.prints[trade.tid] = trade


@dataclass(slots=True)
class Coin:
    """The last seconds of a coin."""

    books: deque[Book] = field(default_factory=lambda: deque(maxlen=64))
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=256))
    grounds: deque[AssetConfig | TargetQuotes | RiskLease] = field(default_factory=lambda: deque(maxlen=64))
    configs: deque[AssetConfig] = field(default_factory=lambda: deque(maxlen=4))
    lives: dict[str, Life] = field(default_factory=dict)
    ended: deque[str] = field(default_factory=deque)
    rested: deque[Life] = field(default_factory=lambda: deque(maxlen=MAX_RESTED))
    """The orders that came to rest last."""
    young: deque[Grounds] = field(default_factory=lambda: deque(maxlen=MAX_LIVES))
    placed: dict[tuple[str, int], deque[int]] = field(default_factory=dict)
    """Times of orders by side and level."""
    pending: list[Pending] = field(default_factory=list)


class Recorder:
    """Pure: messages in, flights out."""

    def __init__(self) -> None:
        self._coins: dict[str, Coin] = {}
        self._pending = 0

    def take(self, now_ms: int, msg: Heard) -> None:
        coin = self._coins.get(msg.coin)
        if coin is None:
            coin = self._coins[msg.coin] = Coin()
        match msg:
            case Book():
                coin.books.append(msg)
                for life in coin.rested:
                    life.see(msg)
                for pending in coin.pending:
                    pending.see(msg)
            case Trades():
                coin.trades.extend(msg.trades)
                for pending in coin.pending:
                    for trade in msg.trades:
                        pending.hear(trade)
            case OrderUpdate():
                self._on_order(now_ms, coin, msg)
            case Fill():
                self._on_fill(now_ms, coin, msg)
            case _:
                self._on_grounds(now_ms, coin, msg)

    def due(self, now_ms: int) -> list[Flight]:
        """Flights of fills that were heard of long enough ago; beyond `MAX_PENDING`, of all."""
        if not self._pending:
            return []
        heard_ms = now_ms if self._pending > MAX_PENDING else now_ms - SETTLE_MS
        return self._closed(heard_ms)

    def rest(self) -> list[Flight]:
        """All that is left, as far as it is known."""
        return self._closed(None)

    def _closed(self, heard_ms: int | None) -> list[Flight]:
        flights = []
        for coin in self._coins.values():
            waiting = []
            for pending in coin.pending:
                if heard_ms is None or pending.heard_ms <= heard_ms:
                    flights.append(_flight(coin, pending))
                else:
                    waiting.append(pending)
            coin.pending = waiting
        self._pending = sum(len(coin.pending) for coin in self._coins.values())
        return [flight for flight in flights if flight.steps or flight.book_before or flight.prints]

    # ---- what is heard ----

    def _on_grounds(self, now_ms: int, coin: Coin, msg: AssetConfig | TargetQuotes | RiskLease) -> None:
        while coin.young and coin.young[0].until_ms < now_ms:
            coin.young.popleft()
        for grounds in coin.young:
            grounds.consider(msg)
        if isinstance(msg, AssetConfig):
            coin.configs.append(msg)
        else:
            coin.grounds.append(msg)

    def _grounds(self, now_ms: int, coin: Coin, at_ms: int, source_ms: float | None) -> Grounds:
        grounds = Grounds(at_ms, source_ms, now_ms + SETTLE_MS)
        for msg in (*coin.configs, *coin.grounds):
            grounds.consider(msg)
        coin.young.append(grounds)
        return grounds

    def _on_order(self, now_ms: int, coin: Coin, update: OrderUpdate) -> None:
        life = coin.lives.get(update.cloid)
        if life is None:
            placed = coin.placed.setdefault((update.side, update.level), deque(maxlen=999))
            while placed and placed[0] < update.time_ms - COUNTED_MS:
                placed.popleft()
            grounds = self._grounds(now_ms, coin, update.time_ms, update.source_ms)
            life = coin.lives[update.cloid] = Life(update, grounds, len(placed))
            placed.append(update.time_ms)
            if len(coin.lives) > MAX_LIVES:
                del coin.lives[next(iter(coin.lives))]
        life.meet(update)
        rests = update.status == "open" or (update.status == "cancelling" and not update.reason)
        if rests and life.rest_ms is None:
            life.rest_ms = update.time_ms
            coin.rested.append(life)
            for book in coin.books:
                life.see(book)
        if update.status in OVER:
            coin.ended.append(update.cloid)
            if len(coin.ended) > MAX_ENDED:
                coin.lives.pop(coin.ended.popleft(), None)

    def _on_fill(self, now_ms: int, coin: Coin, fill: Fill) -> None:
        pending = Pending(fill, now_ms, self._grounds(now_ms, coin, fill.time_ms, None))
        for book in coin.books:
            pending.see(book)
        for trade in coin.trades:
            pending.hear(trade)
        coin.pending.append(pending)
        self._pending += 1


def _flight(coin: Coin, pending: Pending) -> Flight:
    life = coin.lives.get(pending.fill.cloid)
    then = pending.grounds
    grounds = then if life is None else life.grounds
    return Flight(
        fill=pending.fill,
        order=life.first if life else None,
        steps=tuple(life.steps) if life else (),
        placed_1m=life.placed_1m if life else 0,
        config=grounds.config,
        target=grounds.target,
        lease=grounds.lease,
        target_at_fill=then.target if then.target != grounds.target else None,
        lease_at_fill=then.lease if then.lease != grounds.lease else None,
        book_at_rest=life.book_at_rest if life else None,
        book_before=pending.before,
        book_after=pending.after,
        prints=tuple(pending.prints.values()),
    )
