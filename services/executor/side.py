"""The one place where shadow and live part: where orders go, and what else speaks against placing them."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from services.executor.bookkeeper import Bookkeeper, Desks
from services.executor.config import ExecutorConfig
from services.executor.live.planner import Planner
from services.executor.reports import Exchange
from services.executor.sim import SimExchange
from shared.hyperliquid.account import Fill
from shared.messages import LiveStatus, Reason


class Side(Protocol):
    """What the core needs of the side it trades on."""

    @property
    def exchange(self) -> Exchange: ...

    @property
    def planner(self) -> Planner | None:
        """Paces requests; None where they cost nothing."""

    @property
    def quoted_for(self) -> bool:
        """Do targets lean against the positions of this side?"""

    @property
    def closed(self) -> bool:
        """At the end: is everything known and said?"""

    def begin(self, now_ms: int) -> list[Any]:
        """The books are restored and open."""

    def step(self, now_ms: int, msg: Any, unclaimed: Sequence[Fill]) -> list[Any]:
        """After the trader has taken what `exchange` reported of the same input."""

    def effects(self, now_ms: int, decided: int) -> list[Any]:
        """What is to be done outside, after everything was decided. `decided` requests are known to `planner`."""

    def fault(self, now_ms: int) -> Reason | None:
        """Why nothing may be placed."""

    def lists(self, coin: str) -> bool:
        """Can orders of this coin be sent?"""

    def resume(self, now_ms: int) -> list[Any]: ...

    def close(self, now_ms: int) -> list[Any]:
        """The process ends; cancels of everything are decided."""

    def status(self, now_ms: int) -> LiveStatus | None: ...


SideOf = Callable[[Desks, Bookkeeper], Side]


class ShadowSide:
    """Simulated orders: nothing leaves, and nothing of a previous life rests."""

    closed = quoted_for = True

    def __init__(self, config: ExecutorConfig, desks: Desks, bookkeeper: Bookkeeper) -> None:
        self.exchange = SimExchange(config, lambda coin: desks[coin].ledger.position_sz)
        self.planner: Planner | None = None
        self._bookkeeper = bookkeeper

    def begin(self, now_ms: int) -> list[Any]:
        """What remains to be done is to prove the positions."""
        return self._bookkeeper.reconcile()

    def step(self, now_ms: int, msg: Any, unclaimed: Sequence[Fill]) -> list[Any]:
        return []

    def effects(self, now_ms: int, decided: int) -> list[Any]:
        return []

    def fault(self, now_ms: int) -> Reason | None:
        return None

    def lists(self, coin: str) -> bool:
        return True

    def resume(self, now_ms: int) -> list[Any]:
        return []

    def close(self, now_ms: int) -> list[Any]:
        return []

    def status(self, now_ms: int) -> LiveStatus | None:
        return None
