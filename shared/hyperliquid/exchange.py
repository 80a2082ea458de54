"""Actions signed and sent: one key, one account, REST or websocket, every outcome a value.

Nothing is ever sent twice. What came back as `Unknown` is the caller's to look up.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from eth_account.signers.local import LocalAccount

from shared.clock import monotonic_s, wall_ms
from shared.config import VENUE_URLS
from shared.hyperliquid.account_ws import AccountSocket, PostAnswer, PostOutcome
from shared.hyperliquid.actions import (
    BatchModify,
    Cancel,
    CancelByCloid,
    Modify,
    Noop,
    PlaceOrders,
    ScheduleCancel,
    UpdateLeverage,
)
from shared.hyperliquid.limits import IpLimits, weight_of_action
from shared.hyperliquid.nonces import NonceCounter
from shared.hyperliquid.replies import NotSent, Outcome, Reason, Refused, Unknown, outcome_of_http, size_of
from shared.hyperliquid.signing import sign_l1_action

MakerAction = PlaceOrders | Cancel | CancelByCloid | Modify | BatchModify | ScheduleCancel | UpdateLeverage | Noop
"""What a maker of perps does with its key."""
Urgent = Cancel | CancelByCloid | ScheduleCancel | Noop
"""What takes risk away; part of every limit is kept for it."""
CANCEL_LIFETIME_MS = 600_000
"""A cancel that comes late does no harm, as no order has the client id of another. One that a slow clock of ours
has dated into the venue's past would leave the order there."""
_HEADERS = {"Content-Type": "application/json"}


class ExchangeClient:
    """An async context manager around one HTTP session.

    `account` signs; it may be an agent of the account acted for. `vault_address` names a sub-account or vault.
    An action that has not reached a block after `lifetime_ms` is dropped by the venue (`expiresAfter`; that costs
    five requests of the budget, so it is much longer than the venue's usual latency); a cancel after
    `CANCEL_LIFETIME_MS`.
    """

    def __init__(
        self,
        base_url: str,
        account: LocalAccount,
        nonces: NonceCounter,
        limits: IpLimits,
        *,
        timeout_s: float,
        lifetime_ms: int,
        vault_address: str | None = None,
        now_ms: Callable[[], float] = wall_ms,
    ) -> None:
        self._url = base_url + "/exchange"
        self._is_mainnet = base_url == VENUE_URLS["hyperliquid"]
        self._account, self._nonces, self._limits = account, nonces, limits
        self._vault_address = vault_address.lower() if vault_address is not None else None
        self._timeout_s, self._lifetime_ms, self._now_ms = timeout_s, lifetime_ms, now_ms
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def next_nonce(self) -> int:
        """For an action that a `Noop` with the same nonce may have to overtake."""
        return self._nonces.next(self._now_ms())

    async def send(
        self, action: MakerAction, socket: AccountSocket | None = None, *, nonce: int | None = None
    ) -> Outcome:
        """Sign an action and send it, by websocket if one is given."""
        size, urgent = size_of(action), isinstance(action, Urgent)
        wait_s = self._limits.weight.take(monotonic_s(), weight_of_action(size), urgent=urgent)
        if wait_s:
            return NotSent("request weight is used up", wait_s)
        expires_after = int(self._now_ms()) + self._lifetime_of(action)
        body = self._signed(action, self.next_nonce() if nonce is None else nonce, expires_after)
        if socket is not None:
            answer = await socket.post(body, self._timeout_s, urgent=urgent)
        else:
            answer = await self._post(body)
        outcome = outcome_of_http(action, *answer) if isinstance(answer, PostAnswer) else answer
        if isinstance(outcome, Refused) and outcome.reason is Reason.BAD_NONCE:
            self._nonces.refused(outcome.text)
        if isinstance(outcome, Unknown):
            return Unknown(outcome.why, expires_after)
        return outcome

    def _lifetime_of(self, action: MakerAction) -> int:
        return CANCEL_LIFETIME_MS if isinstance(action, Cancel | CancelByCloid) else self._lifetime_ms

    def _signed(self, action: MakerAction, nonce: int, expires_after: int) -> bytes:
        vault = self._vault_address
        signature = sign_l1_action(self._account, action, vault, nonce, expires_after, self._is_mainnet)
        return msgspec.json.encode(
            {
                "action": action,
                "nonce": nonce,
                "signature": signature,
                "vaultAddress": vault,
                "expiresAfter": expires_after,
            }
        )

    async def _post(self, body: bytes) -> PostOutcome:
        """Redirects are not followed and nothing is tried again: a second copy could be executed too."""
        assert self._session is not None, "use `async with ExchangeClient(...)`"
        try:
            async with self._session.post(
                self._url, data=body, headers=_HEADERS, allow_redirects=False
            ) as response:
                return PostAnswer(response.status, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return NotSent(f"no connection: {error}")
        except TimeoutError:
            return Unknown(f"no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Unknown(f"connection lost: {error}")
