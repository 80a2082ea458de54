"""The watchdog's way to the venue: one request after another, each with an answer, whatever happens to it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.watchdog.client import CancelClient
from services.watchdog.config import WatchdogConfig
from services.watchdog.wiring import (
    Answer,
    AssetsLoaded,
    Cancelled,
    CancelOrders,
    CheckKey,
    Effect,
    GiveUp,
    KeyChecked,
    LoadAssets,
    Look,
    Looked,
    Question,
    Schedule,
    Scheduled,
    Unanswered,
)
from shared.errors import ConfigError, VenueError
from shared.hyperliquid.account_info import AccountInfo
from shared.hyperliquid.actions import ScheduleCancel
from shared.hyperliquid.assets import asset_ids
from shared.hyperliquid.limits import IpLimits
from shared.hyperliquid.rest import InfoClient
from shared.secrets import Credentials
from shared.service import Port


@dataclass(frozen=True, slots=True)
class _Venue:
    """Open connections."""

    info: InfoClient
    cancels: CancelClient


class WatchdogDoor:
    """Requests wait for `run`; after its end, when the service stops, they are carried out at once."""

    def __init__(self, config: WatchdogConfig, credentials: Credentials) -> None:
        self._config, self._credentials = config, credentials
        self._limits = IpLimits(config.watchdog_weight)
        self._waiting: asyncio.Queue[Effect] = asyncio.Queue()
        self._over = False

    async def run(self, port: Port) -> None:
        try:
            async with self._venue() as venue:
                while True:
                    effect = await self._waiting.get()
                    if isinstance(effect, GiveUp):
                        port.stop(ConfigError(effect.reason))
                    else:
                        await port.handle(await self._carry_out(venue, effect))
        finally:
            self._over = True

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        if self._over:
            async with self._venue() as venue:
                return [await self._carry_out(venue, effect) for effect in effects]
        for effect in effects:
            self._waiting.put_nowait(effect)
        return ()

    @asynccontextmanager
    async def _venue(self) -> AsyncIterator[_Venue]:
        config = self._config
        info = InfoClient(config.url, config.watchdog_timeout_s, self._limits)
        async with info, CancelClient(config, self._credentials, self._limits) as cancels:
            yield _Venue(info, cancels)

    async def _carry_out(self, venue: _Venue, effect: Effect) -> Answer:
        match effect:
            case CancelOrders(requests):
                return Cancelled(tuple(await asyncio.gather(*map(venue.cancels.send, requests))))
            case Schedule(time_ms):
                return Scheduled(time_ms, await venue.cancels.send(ScheduleCancel(time_ms)))
            case CheckKey() | LoadAssets() | Look():
                return await self._ask(venue.info, effect)
            case GiveUp():
                raise AssertionError("nothing to be asked of the venue")

    async def _ask(self, info: InfoClient, question: Question) -> Answer:
        try:
            match question:
                case CheckKey():
                    return KeyChecked(await AccountInfo(info, self._credentials.agent).role())
                case LoadAssets():
                    return AssetsLoaded(await asset_ids(info, self._config.dex))
                case Look():
                    account = AccountInfo(info, self._credentials.address)
                    return Looked(await account.open_orders(self._config.dex))
        except VenueError as error:
            return Unanswered(question, str(error))
