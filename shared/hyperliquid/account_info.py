"""Questions about an account, each with its typed answer (reference page §3.3 to §3.5).

Addresses are those of accounts, never of agents: an agent's address has an empty account. Every question raises
`VenueError` where `InfoClient.post_info` does, or when the answer is of another shape.
"""

from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec

from shared.errors import VenueError
from shared.hyperliquid.account import (
    ActiveAssetData,
    ClearinghouseState,
    ExchangeStatus,
    ExtraAgent,
    Fill,
    FrontendOrder,
    Funding,
    FundingEntry,
    OpenOrder,
    OrderState,
    RateLimit,
    UserFees,
    UserRole,
)
from shared.hyperliquid.rest import InfoClient

FULL_PAGE = 500
"""Answers about a stretch of time with fewer entries are complete (§3.5)."""

A = TypeVar("A")
Dated = TypeVar("Dated", Fill, FundingEntry)


class _OrderStatus(msgspec.Struct):
    status: str
    order: OrderState | None = None


class AccountInfo:
    """Asks about one account. `user` is its address."""

    def __init__(self, client: InfoClient, user: str) -> None:
        self._client, self.user = client, user

    # ---- orders ----------------------------------------------------------------------------------------------

    async def open_orders(self, dex: str = "") -> tuple[OpenOrder, ...]:
        return await self._ask(tuple[OpenOrder, ...], "openOrders", dex=dex)

    async def frontend_open_orders(self, dex: str = "") -> tuple[FrontendOrder, ...]:
        return await self._ask(tuple[FrontendOrder, ...], "frontendOpenOrders", dex=dex)

    async def order_status(self, oid: int | str) -> OrderState | None:
        """By oid or cloid; None: the venue does not know it, or no longer (it keeps about 2000 orders)."""
        answer = await self._ask(_OrderStatus, "orderStatus", oid=oid)
        if answer.order is None and answer.status != "unknownOid":
            raise VenueError(f"orderStatus: {answer.status} without an order")
        return answer.order

    # ---- fills and payments ----------------------------------------------------------------------------------

    async def fills(self) -> tuple[Fill, ...]:
        """The newest 2000, newest first."""
        return await self._ask(tuple[Fill, ...], "userFills", aggregateByTime=False)

    async def fills_since(self, start_ms: int) -> tuple[Fill, ...]:
        """Every fill from then on, oldest first, each once; the venue reaches back 10000 fills at most."""
        pages = self._pages(Fill, "userFillsByTime", start_ms, endTime=None, aggregateByTime=False)
        found = {(fill.time, fill.coin, fill.tid, fill.oid): fill async for fill in pages}
        return tuple(sorted(found.values(), key=lambda fill: fill.time))

    async def fundings_since(self, start_ms: int) -> tuple[Funding, ...]:
        """Every payment from then on, oldest first, each once."""
        pages = self._pages(FundingEntry, "userFunding", start_ms)
        found = {(entry.time, entry.delta.coin): entry.funding() async for entry in pages}
        return tuple(sorted(found.values(), key=lambda funding: funding.time))

    async def _pages(self, shape: type[Dated], kind: str, start_ms: int, **fields: Any) -> AsyncIterator[Dated]:
        """Entries from `start_ms` on. Each page starts at the last time of the one before, so some come twice."""
        while True:
            page: tuple[Dated, ...] = await self._ask(tuple[shape, ...], kind, startTime=start_ms, **fields)  # type: ignore[valid-type]
            for entry in page:
                yield entry
            if len(page) < FULL_PAGE:
                return
            last_ms = max(entry.time for entry in page)
            if last_ms == start_ms:
                raise VenueError(f"{kind}: there may be more than {len(page)} entries at {start_ms} ms")
            start_ms = last_ms

    # ---- margin ----------------------------------------------------------------------------------------------

    async def clearinghouse_state(self, dex: str = "") -> ClearinghouseState:
        return await self._ask(ClearinghouseState, "clearinghouseState", dex=dex)

    async def active_asset_data(self, coin: str) -> ActiveAssetData:
        return await self._ask(ActiveAssetData, "activeAssetData", coin=coin)

    # ---- permissions and limits ------------------------------------------------------------------------------

    async def rate_limit(self) -> RateLimit:
        return await self._ask(RateLimit, "userRateLimit")

    async def fees(self) -> UserFees:
        return await self._ask(UserFees, "userFees")

    async def role(self) -> UserRole:
        return await self._ask(UserRole, "userRole")

    async def extra_agents(self) -> tuple[ExtraAgent, ...]:
        """Named agents; the one without a name is not told."""
        return await self._ask(tuple[ExtraAgent, ...], "extraAgents")

    async def _ask(self, shape: type[A], kind: str, **fields: Any) -> A:
        return await self._client.ask(shape, {"type": kind, "user": self.user, **fields})


async def exchange_status(client: InfoClient) -> ExchangeStatus:
    """The venue's clock, and whether something is unusual."""
    return await client.ask(ExchangeStatus, {"type": "exchangeStatus"})
