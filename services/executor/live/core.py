"""The executor in live mode: real orders, and beside them a shadow twin on the same targets.

The twin tells what the simulation would have predicted: its fills carry `mode="shadow"`. It works under the same
leases and the same request budget, and is frozen whenever live is; what it holds is its own.
"""

from collections.abc import Sequence
from typing import Any

from services.executor.bookkeeper import Bookkeeper, Desks
from services.executor.config import ExecutorConfig
from services.executor.core import Executor
from services.executor.live.planner import Planner
from services.executor.live.side import LiveSide
from services.executor.live.wiring import StateRead
from services.executor.side import ShadowSide
from shared.hyperliquid.account import Fill as AccountFill
from shared.messages import AccountState, Event, Fill, Funding, Message, PositionState
from shared.service import BusBack, BusLost, Started, Stopping, Tick

_TWIN_HEARS = (Message, Tick, StateRead, Started, Stopping, BusLost, BusBack)
_TWIN_SAYS = (Fill, Funding, PositionState, AccountState)
_TWIN_LINE = "SHADOW SESSION"


class LiveExecutor:
    """Both, one after the other with each input."""

    def __init__(self, config: ExecutorConfig, account: str) -> None:
        self.live = Executor(config, lambda desks, books: LiveSide(config, account, desks, books), account)
        shadow = config.model_copy(update={"shadow_mode": True})
        self.twin = Executor(shadow, lambda desks, books: TwinSide(shadow, desks, books))

    def restore(self, now_ms: int, msg: Message) -> None:
        self.live.restore(now_ms, msg)
        self.twin.restore(now_ms, msg)

    def step(self, now_ms: int, msg: Any) -> list[Any]:
        out = self.live.step(now_ms, msg)
        if isinstance(msg, _TWIN_HEARS):
            self.twin.held = self.live.frozen
            out += [said for said in self.twin.step(now_ms, msg) if _told(said)]
        return out


class TwinSide(ShadowSide):
    """Simulated orders that spend a request budget like the real ones. Targets lean against real positions."""

    quoted_for = False

    def __init__(self, config: ExecutorConfig, desks: Desks, bookkeeper: Bookkeeper) -> None:
        super().__init__(config, desks, bookkeeper)
        self.planner: Planner = Planner(config)

    def step(self, now_ms: int, msg: Any, unclaimed: Sequence[AccountFill]) -> list[Any]:
        if isinstance(msg, StateRead) and msg.rate_limit is not None:
            self.planner.learn(msg.asked_ms, msg.rate_limit)
        return []


def _told(said: Any) -> bool:
    return isinstance(said, _TWIN_SAYS) or (isinstance(said, Event) and said.tag == _TWIN_LINE)
