"""What the executor sees of an exchange, and the one place where shadow and live part."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from services.executor.approve import Approved
from services.executor.config import ExecutorConfig
from shared.errors import ConfigError
from shared.messages import Reason


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order rests."""

    cloid: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The exchange refused the order."""

    cloid: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Filled:
    """A fill; `fill_id` is unique and names its cause."""

    cloid: str
    fill_id: str
    px: Decimal
    sz: Decimal
    fee_usd: Decimal
    time_ms: int
    """Venue time of what filled us."""


@dataclass(frozen=True, slots=True)
class Canceled:
    """The rest of the order is gone."""

    cloid: str


Report = Accepted | Rejected | Filled | Canceled


class Exchange(Protocol):
    """Orders in, reports out. Calls only hand over a wish; what became of it comes out of `step`."""

    def place(self, now_ms: int, approved: Approved) -> None: ...

    def cancel(self, now_ms: int, cloid: str) -> None: ...

    def step(self, now_ms: int, msg: Any) -> Iterable[Report]:
        """Market data and time in. Books, depths, trades and the universe matter; anything else is time."""

    def close(self, now_ms: int) -> Iterable[Report]:
        """The end of this process: what happens to everything that still rests."""


def build_exchange(config: ExecutorConfig) -> Exchange:
    """The simulated exchange in shadow mode.

    Raises:
        ConfigError: live trading was asked for.
    """
    if not config.shadow_mode:
        raise ConfigError(
            "shadow_mode (MM_SHADOW_MODE) is false, but live execution is not part of this version;"
            " set MM_SHADOW_MODE=true"
        )
    from services.executor.sim import SimExchange

    return SimExchange(config)
