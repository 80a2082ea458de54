"""The venue as the drill holds it: its operator's door and the accounts on it, past all faults of the network."""

from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import aiohttp

from shared.errors import VenueError

TIMEOUT_S = 10.0
WITHDRAWN_FRAC = Decimal("0.998")
"""Prices move between the question and the withdrawal."""


class World:
    """An async context manager around one HTTP session."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    # ---- faults ----

    async def start_fault(self, **fields: Any) -> int:
        """Switch a fault on; its number."""
        answer = await self._ask("POST", "/admin/faults", fields)
        return int(answer["number"])

    async def end_fault(self, number: int) -> None:
        await self._ask("DELETE", f"/admin/faults/{number}")

    async def end_faults(self) -> None:
        await self._ask("DELETE", "/admin/faults")

    # ---- accounts ----

    async def fund(self, address: str, usd: str, volume: str) -> None:
        """Open an account. `volume`: USDC it counts as traded; each is one request of its budget."""
        await self._ask("POST", f"/admin/accounts/{address}", {"deposit": usd, "volume": volume})

    async def withdraw_all(self, address: str) -> None:
        """As much money as the venue lets go beside the account's positions and orders.

        Raises:
            VenueError: the venue refuses it.
        """
        account = await self.account(address)
        usd = str(int(Decimal(account["dexs"][""]["withdrawable"]) * WITHDRAWN_FRAC))
        self._done((await self._ask("POST", f"/admin/accounts/{address}", {"withdraw": usd}))["reply"])

    async def approve(self, address: str, agent: str, name: str) -> None:
        """Make a key an agent of an account, by its address."""
        self._done(await self._ask("POST", "/admin/agents", {"user": address, "agent": agent, "name": name}))

    async def account(self, address: str) -> dict[str, Any]:
        """Positions and open orders, with the size ahead of each."""
        found: dict[str, Any] = await self._ask("GET", f"/admin/accounts/{address}")
        return found

    async def order(self, address: str, coin: str, side: str, sz: str, **terms: Any) -> Any:
        """Trade on an account without its key; the status of the order.

        Raises:
            VenueError: the venue refuses it.
        """
        body = {"user": address, "coin": coin, "side": side, "sz": sz, **terms}
        return self._done(await self._ask("POST", "/admin/orders", body))["data"]["statuses"][0]

    async def cancel(self, address: str, oid: int) -> None:
        await self._ask("POST", "/admin/cancels", {"user": address, "oid": oid})

    async def coins(self) -> dict[str, dict[str, Any]]:
        return {each["coin"]: each for each in (await self._ask("GET", "/admin/coins"))["coins"]}

    async def book(self, coin: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Bids and asks, best first."""
        bids, asks = (await self._ask("POST", "/info", {"type": "l2Book", "coin": coin}))["levels"]
        return bids, asks

    @staticmethod
    def _done(answer: Any) -> Any:
        if answer["status"] != "ok":
            raise VenueError(f"the bundled venue refuses: {answer['response']}")
        return answer["response"]

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        assert self._session is not None, "use `async with`"
        try:
            async with self._session.request(method, self.url + path, json=body) as response:
                if response.status != 200:
                    raise VenueError(f"{method} {path}: {response.status} {await response.text()}")
                return await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise VenueError(f"{method} {path}: the bundled venue does not answer: {error!r}") from error
