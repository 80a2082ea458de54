"""The watchdog's hold on the account: it can take orders away, and nothing else can be said with it."""

from types import TracebackType
from typing import Self

from services.watchdog.config import WatchdogConfig
from shared.errors import InvariantError
from shared.hyperliquid.actions import CancelByCloid, ScheduleCancel
from shared.hyperliquid.exchange import ExchangeClient
from shared.hyperliquid.limits import IpLimits
from shared.hyperliquid.nonces import NonceCounter
from shared.hyperliquid.replies import Outcome
from shared.secrets import Credentials

CancelOnly = CancelByCloid | ScheduleCancel
LIFETIME_MS = 10_000
"""A setting of the switch that has not reached a block by then is dropped; by then the next one has."""


class CancelClient:
    """The only holder of the key. Whatever is not `CancelOnly` is neither signed nor sent."""

    def __init__(self, config: WatchdogConfig, credentials: Credentials, limits: IpLimits) -> None:
        self.__exchange = ExchangeClient(
            config.url,
            credentials.signer,
            NonceCounter(),
            limits,
            timeout_s=config.watchdog_timeout_s,
            lifetime_ms=LIFETIME_MS,
        )

    async def __aenter__(self) -> Self:
        await self.__exchange.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.__exchange.__aexit__(kind, error, trace)

    async def send(self, action: CancelOnly) -> Outcome:
        """
        Raises:
            InvariantError: something else than a cancel.
        """
        if type(action) not in (CancelByCloid, ScheduleCancel):
            raise InvariantError(f"the watchdog cancels and does nothing else: {type(action).__name__}")
        return await self.__exchange.send(action)
