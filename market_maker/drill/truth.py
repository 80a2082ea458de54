"""What really happened to one account, from the venue's truth log: orders, positions, money."""

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import msgspec

from services.venue.exchange.facts import (
    ActionTaken,
    AnyFact,
    BalanceChanged,
    Disturbed,
    Filled,
    FundingPaid,
    OrderChanged,
)
from shared.hyperliquid.cloids import is_own, own_prefix
from shared.messages import ZERO

RESTS = "open"
POST_ONLY_REFUSED = "badAloPxRejected"
_QUEUE = b'"fact":"queue"'
"""By far the most lines, and nothing that is asked here."""
_NAME_AT = 32
"""The fact's name stands within so many bytes of a line's beginning."""
_FACT: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)
_DISTURBANCES = 1000


@dataclass(slots=True)
class Sums:
    """What trading one coin brought, by the venue."""

    realized_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    funding_usd: Decimal = ZERO
    position_sz: Decimal = ZERO
    fills: int = 0


@dataclass
class Truth:
    """Facts of one account in their order."""

    account: str
    open: dict[int, OrderChanged] = field(default_factory=dict)
    """All orders that rest, by oid."""
    sums: dict[str, Sums] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)
    """Orders by their last status."""
    placed: int = 0
    """Own orders that came to rest or traded."""
    requests: int = 0
    """Taken from the request budget."""
    cash_usd: Decimal = ZERO
    volume_usd: Decimal = ZERO
    crossed: list[Filled] = field(default_factory=list)
    """Fills in which an own order was the taker."""
    doubled: list[str] = field(default_factory=list)
    """Cloids under which more than one order was placed."""
    disturbances: deque[Disturbed] = field(default_factory=lambda: deque(maxlen=_DISTURBANCES))
    _oids: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._prefix = own_prefix(self.account)

    def take(self, fact: AnyFact) -> None:
        if isinstance(fact, Disturbed):
            self.disturbances.append(fact)
        elif getattr(fact, "user", None) != self.account:
            return
        match fact:
            case OrderChanged():
                self._take_order(fact)
            case Filled():
                self._take_fill(fact)
            case FundingPaid():
                self.of(fact.coin).funding_usd += fact.usd
            case BalanceChanged(pool=""):
                self.cash_usd = fact.after_usd
            case ActionTaken():
                self.requests += fact.weight

    def of(self, coin: str) -> Sums:
        return self.sums.setdefault(coin, Sums())

    @property
    def own(self) -> dict[int, OrderChanged]:
        """Resting orders that the bot placed."""
        return {oid: order for oid, order in self.open.items() if is_own(order.cloid, self._prefix)}

    @property
    def foreign(self) -> dict[int, OrderChanged]:
        return {oid: order for oid, order in self.open.items() if not is_own(order.cloid, self._prefix)}

    @property
    def positions(self) -> dict[str, Decimal]:
        return {coin: sums.position_sz for coin, sums in self.sums.items()}

    def _take_order(self, fact: OrderChanged) -> None:
        if fact.status == RESTS:
            self.open[fact.oid] = fact
        else:
            self.open.pop(fact.oid, None)
            self.ended[fact.status] += 1
        if fact.cloid is not None and is_own(fact.cloid, self._prefix) and not fact.status.endswith("Rejected"):
            first = self._oids.setdefault(fact.cloid, fact.oid)
            if first != fact.oid and fact.status == RESTS:
                self.doubled.append(fact.cloid)
            elif fact.status == RESTS and not fact.resized:
                self.placed += 1

    def _take_fill(self, fact: Filled) -> None:
        sums = self.of(fact.coin)
        sums.realized_usd += fact.closed_pnl
        sums.fees_usd += fact.fee
        sums.position_sz = fact.start_position + (fact.sz if fact.side == "B" else -fact.sz)
        sums.fills += 1
        self.volume_usd += fact.px * fact.sz
        if fact.crossed and is_own(fact.cloid, self._prefix):
            self.crossed.append(fact)


class Tail:
    """Reads a truth log while it is written; a file that goes on under another name is read to its end first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def news(self) -> Iterator[AnyFact]:
        """Everything but queue positions, since the last time."""
        while True:
            if self._file is None:
                if not self._path.exists():
                    return
                self._file = self._path.open("rb")
            *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
            yield from decoded(lines)
            if self._path.exists() and self._path.stat().st_ino == _inode(self._file):
                return
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def decoded(lines: Iterable[bytes]) -> Iterator[AnyFact]:
    return (_FACT.decode(line) for line in lines if _QUEUE not in line[:_NAME_AT])


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino
