"""What goes to the venue and comes back: actions by websocket or REST, questions by REST.

One request weight, one nonce counter and one key for all of it. Nothing that has left is sent again.
"""

from contextlib import AsyncExitStack

from services.executor.config import ExecutorConfig
from services.executor.live.wiring import (
    AskOrder,
    AskState,
    OrderFound,
    OrderUnfound,
    Outcome,
    Send,
    StateRead,
    StateUnread,
    name_of,
)
from shared.clock import monotonic_s, wall_ms
from shared.errors import VenueError
from shared.hyperliquid import replies
from shared.hyperliquid.account import RateLimit
from shared.hyperliquid.account_info import AccountInfo
from shared.hyperliquid.account_ws import AccountSocket
from shared.hyperliquid.assets import asset_ids
from shared.hyperliquid.exchange import ExchangeClient
from shared.hyperliquid.limits import IpLimits
from shared.hyperliquid.nonces import NonceCounter
from shared.hyperliquid.replies import Answered, NotSent, Refused, Throttled
from shared.hyperliquid.rest import InfoClient
from shared.metrics import ServiceMetrics
from shared.secrets import Credentials

SLOW_S = 1.0
"""An answer by websocket that takes longer makes us look how long one by REST takes."""
REMEMBERED_S = 30.0
BUDGET_EVERY_S, ASSETS_EVERY_S = 50.0, 3_600.0
_NEWEST_WEIGHT = 0.5


class Pace:
    """How long answers of one way take of late (seconds, exponentially smoothed)."""

    def __init__(self) -> None:
        self._mean_s: float | None = None
        self._noted_s = 0.0

    def note(self, now_s: float, took_s: float) -> None:
        before_s = self.expected_s(now_s)
        self._mean_s = took_s if before_s is None else before_s + _NEWEST_WEIGHT * (took_s - before_s)
        self._noted_s = now_s

    def expected_s(self, now_s: float) -> float | None:
        """None: nothing was sent this way for a while."""
        return self._mean_s if now_s - self._noted_s <= REMEMBERED_S else None


class Ways:
    """Websocket or REST? The websocket while it is quick; when it was slow, the quicker one of both, until that is
    forgotten."""

    def __init__(self) -> None:
        self.socket, self.rest = Pace(), Pace()

    def prefer_socket(self, now_s: float) -> bool:
        socket_s, rest_s = self.socket.expected_s(now_s), self.rest.expected_s(now_s)
        return socket_s is None or socket_s <= (SLOW_S if rest_s is None else max(rest_s, SLOW_S))


class Transport:
    """`socket` is set while there is one that follows the account."""

    def __init__(self, config: ExecutorConfig, credentials: Credentials) -> None:
        url, self._dex = config.url, config.dex
        self.limits = IpLimits(config.request_weight)
        self.socket: AccountSocket | None = None
        self.metrics: ServiceMetrics | None = None
        self._assets: dict[str, int] | None = None
        self._assets_read_s = 0.0
        self._budget_read_s = float("-inf")
        self._ways = Ways()
        self._info = InfoClient(url, config.request_timeout_s, self.limits)
        self._account = AccountInfo(self._info, credentials.address)
        self._exchange = ExchangeClient(
            url,
            credentials.signer,
            NonceCounter(),
            self.limits,
            timeout_s=config.request_timeout_s,
            lifetime_ms=config.action_lifetime_ms,
        )
        self._sessions = AsyncExitStack()

    @property
    def listed(self) -> bool:
        """Have the numbers of the coins been asked for?"""
        return self._assets is not None

    async def open(self) -> None:
        await self._sessions.enter_async_context(self._exchange)
        await self._sessions.enter_async_context(self._info)

    async def close(self) -> None:
        await self._sessions.aclose()

    async def send(self, request: Send) -> Outcome:
        """By the better way; by the other one if nothing has left by that."""
        socket = self.socket
        if socket is None or not socket.is_open:
            return Outcome(request.number, await self._send_by(request, None))
        first, second = (socket, None) if self._ways.prefer_socket(monotonic_s()) else (None, socket)
        result = await self._send_by(request, first)
        if isinstance(result, NotSent):
            result = await self._send_by(request, second)
        return Outcome(request.number, result)

    async def _send_by(self, request: Send, socket: AccountSocket | None) -> replies.Outcome:
        begun_s = monotonic_s()
        result = await self._exchange.send(request.action, socket)
        took_s = monotonic_s() - begun_s
        if not isinstance(result, NotSent | Throttled):
            pace = self._ways.rest if socket is None else self._ways.socket
            pace.note(monotonic_s(), took_s)
        if self.metrics is not None and isinstance(result, Answered | Refused):
            self.metrics.exchange_request_seconds.observe(took_s, name_of(request.action))
        return result

    async def ask_order(self, question: AskOrder) -> OrderFound | OrderUnfound:
        asked_ms = int(wall_ms())
        try:
            return OrderFound(question.cloid, await self._account.order_status(question.cloid), asked_ms)
        except VenueError as error:
            return OrderUnfound(question.cloid, str(error))

    async def ask_state(self, question: AskState) -> StateRead | StateUnread:
        """One question after the other: their order is part of the answer's meaning."""
        account, asked_ms = self._account, int(wall_ms())
        try:
            return StateRead(
                asked_ms=asked_ms,
                open_orders=await account.frontend_open_orders(self._dex),
                fills=await account.fills_since(question.since_ms),
                fundings=await account.fundings_since(question.since_ms),
                clearinghouse=await account.clearinghouse_state(self._dex),
                rate_limit=await self._rate_limit(),
                since_ms=question.since_ms,
            )
        except VenueError as error:
            return StateUnread(str(error))

    async def _rate_limit(self) -> RateLimit | None:
        """Its weight is a quarter of a reading: once a minute is enough."""
        if monotonic_s() - self._budget_read_s < BUDGET_EVERY_S:
            return None
        rate_limit = await self._account.rate_limit()
        self._budget_read_s = monotonic_s()
        return rate_limit

    async def ask_assets(self) -> dict[str, int]:
        """Number of each coin; they do not change, and new ones are seen within the hour.

        Raises:
            VenueError: no answer.
        """
        if self._assets is None or monotonic_s() - self._assets_read_s > ASSETS_EVERY_S:
            self._assets = await asset_ids(self._info, self._dex)
            self._assets_read_s = monotonic_s()
        return self._assets
