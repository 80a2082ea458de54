"""When is the account in a safe state, and how long did it take to get there? Pure, on what was observed.

Safe is: none of our orders rests at the venue; or every one that rests is known to the executor that lives now,
which has found the account in order since the fault began. And in both cases its ledger is the venue's position.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from services.venue.exchange.facts import OrderChanged
from shared.messages import ZERO, AccountStatus, Event, Heartbeat, Message, OrderUpdate, PositionState
from shared.units import Side

LAG_MS = 1_000
"""A fill may take so long from the venue into the ledger; a ledger further behind differs."""
WORD_MS = 2_500
"""The executor speaks once a second; one that has not for so long is silent."""
_OVER = ("filled", "canceled", "rejected")
_LEAVING = ("cancelling", "replacing")
_SURE = ("open", "unknown", *_LEAVING)
"""What it says of an order that rests. Before and after, the venue's answer may be on its way for `LAG_MS`."""


@dataclass(slots=True)
class Known:
    """An order as the executor's messages tell it."""

    coin: str
    side: Side
    level: int
    first_ms: int
    status: str
    time_ms: int


@dataclass
class Words:
    """What the executor says of itself and of its orders."""

    status: AccountStatus | None = None
    started_ms: int = 0
    """Of the process that lives now."""
    orders: dict[str, Known] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    doubted_ms: int = 0
    """When it spoke last of proving the account; what it is sure of was said later."""

    def take(self, message: Message) -> None:
        match message:
            case OrderUpdate():
                self._take_order(message)
            case AccountStatus(mode="live"):
                self.status = message
            case Heartbeat(service="executor"):
                self.started_ms = message.started_ms
            case PositionState(mode="live"):
                self.positions[message.coin] = message.position_sz
            case Event(service="executor", tag="RECONCILE"):
                self.doubted_ms = message.time_ms

    def _take_order(self, update: OrderUpdate) -> None:
        known = self.orders.get(update.cloid)
        if known is None:
            self.orders[update.cloid] = Known(
                update.coin, update.side, update.level, update.time_ms, update.status, update.time_ms
            )
        elif known.status not in _OVER:
            known.status, known.time_ms = update.status, update.time_ms

    @property
    def unknown(self) -> int:
        """Orders whose fate the executor is asking for."""
        said = self.status.live.unknown_orders if self.status is not None and self.status.live is not None else 0
        return max(said, sum(known.status == "unknown" for known in self._current()))

    @property
    def phase(self) -> str:
        """Of the recovery; empty while the executor has not said it."""
        if self.status is None or self.status.live is None or self.status.time_ms < self.doubted_ms:
            return ""
        return self.status.live.phase

    def knows(self, cloid: str | None, at_ms: float) -> bool:
        """Does the process that lives now know an order that rested at `at_ms`?"""
        known = self.orders.get(cloid or "")
        if known is None or known.first_ms < self.started_ms:
            return False
        return known.status in _SURE or known.time_ms >= at_ms - LAG_MS

    def _current(self) -> Iterable[Known]:
        return (known for known in self.orders.values() if known.first_ms >= self.started_ms)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. The venue was looked at before the executor's words were read."""

    at_ms: float
    resting: int
    strange: tuple[str, ...]
    """Cloids of resting orders that the executor does not know."""
    unknown: int
    phase: str
    word_ms: int
    """When the executor spoke last."""
    apart: tuple[str, ...]
    """Coins whose ledger is not the venue's position, and has not been of late."""
    heard: bool
    """Did the bus answer? Without it the executor cannot say that it knows anything."""


class Lag:
    """Compares ledgers with positions that are a moment older."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, dict[str, Decimal]]] = deque()

    def apart(self, at_ms: float, venue: Mapping[str, Decimal], ledger: Mapping[str, Decimal]) -> tuple[str, ...]:
        """Coins in which the ledger equals no position that the venue had within `LAG_MS`."""
        self._past.append((at_ms, dict(venue)))
        while len(self._past) > 1 and self._past[1][0] <= at_ms - LAG_MS:
            self._past.popleft()
        return tuple(
            coin
            for coin in sorted({*venue, *ledger})
            if all(past.get(coin, ZERO) != ledger.get(coin, ZERO) for _, past in self._past)
        )


def sample(
    at_ms: float, own: Mapping[int, OrderChanged], words: Words, apart: tuple[str, ...], *, heard: bool
) -> Sample:
    return Sample(
        at_ms=at_ms,
        resting=len(own),
        strange=tuple(order.cloid or "" for order in own.values() if not words.knows(order.cloid, at_ms)),
        unknown=words.unknown,
        phase=words.phase,
        word_ms=words.status.time_ms if words.status is not None else 0,
        apart=apart,
        heard=heard,
    )


def danger(seen: Sample, spoken_ms: float) -> str:
    """What is not safe about it; empty when it is. What the executor said before `spoken_ms` does not count."""
    if seen.apart:
        return f"the ledger differs from the venue: {', '.join(seen.apart)}"
    if not seen.resting:
        return ""
    if not seen.heard:
        return f"{seen.resting} orders rest and the bus is away"
    if seen.strange:
        return f"{len(seen.strange)} of {seen.resting} resting orders are not known: {seen.strange[0]}"
    if seen.unknown:
        return f"the fate of {seen.unknown} orders is open"
    if seen.word_ms < spoken_ms or seen.at_ms - seen.word_ms > WORD_MS:
        return f"{seen.resting} orders rest and the executor is silent"
    if seen.phase != "ready":
        return f"{seen.resting} orders rest while recovery is {seen.phase or 'not told'}"
    return ""


def safe_since(samples: Sequence[Sample], spoken_ms: float) -> float | None:
    """The beginning of the last uninterrupted stretch of safe looks; None: the newest one is not safe."""
    since_ms = None
    for seen in samples:
        if danger(seen, spoken_ms):
            since_ms = None
        elif since_ms is None:
            since_ms = seen.at_ms
    return since_ms


def gone_after(samples: Iterable[Sample], began_ms: float) -> float | None:
    """Seconds until none of our orders rested for the first time; None: some always did."""
    return next(((seen.at_ms - began_ms) / 1000 for seen in samples if not seen.resting), None)


def doubled_levels(own: Iterable[OrderChanged], words: Words) -> list[str]:
    """Levels on which two orders rest and neither is being taken away: one intent, two orders."""
    staying = [words.orders[order.cloid] for order in own if order.cloid in words.orders]
    places = Counter(
        f"{known.coin} {known.side} L{known.level}" for known in staying if known.status not in _LEAVING
    )
    return [place for place, count in sorted(places.items()) if count > 1]
