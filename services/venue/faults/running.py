"""A fault that is on: how long, for whom, and what it has done."""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from services.venue.faults.kinds import AnyFault, Chance, Drop, OnAccount, OnConnections


class Connection(Protocol):
    """A websocket, as far as faults care."""

    @property
    def number(self) -> int:
        """Counts up from 1 over all connections of the venue's life."""
        ...

    @property
    def users(self) -> Collection[str]:
        """Lower-case addresses that it follows."""
        ...


@dataclass(slots=True)
class Running:
    """`number` counts faults from 1; chance is its own, so that no other fault changes what this one does."""

    number: int
    fault: AnyFault
    since_ms: float
    random: Random
    effects: int = 0
    swept: bool = False
    """A `drop` without an end has broken off all connections there were."""
    decided: dict[Hashable, bool] = field(default_factory=dict)
    """Occasions that are asked about more than once."""
    told: set[str] = field(default_factory=set)
    """Effects that are mentioned once only."""

    @property
    def until_ms(self) -> float | None:
        return None if self.fault.for_s is None else self.since_ms + self.fault.for_s * 1000

    def expired(self, now_ms: float) -> bool:
        until_ms = self.until_ms
        return until_ms is not None and until_ms <= now_ms

    def over(self, now_ms: float) -> bool:
        return self.swept or self.used_up or self.expired(now_ms)

    @property
    def used_up(self) -> bool:
        if not isinstance(self.fault, Chance):
            return False
        count = self.fault.count or (1 if isinstance(self.fault, OnAccount) else None)
        return count is not None and self.effects >= count

    @property
    def one_sweep(self) -> bool:
        return isinstance(self.fault, Drop) and self.fault.for_s is None and self.fault.count is None

    def strikes(self) -> bool:
        """Chance, for one occasion."""
        return not isinstance(self.fault, Chance) or self.random.random() < self.fault.share

    def strikes_at(self, occasion: Hashable) -> bool:
        """The same, but always the same answer for one occasion."""
        if occasion not in self.decided:
            self.decided[occasion] = self.strikes()
        return self.decided[occasion]

    def reaches(self, connection: Connection) -> bool:
        fault = self.fault
        return isinstance(fault, OnConnections) and (
            (fault.user is None or fault.user in connection.users)
            and (fault.connection is None or fault.connection == connection.number)
        )
