"""The account's stream: one websocket at a time, opened when the core asks for it, told of from beginning to end.
It carries actions too, as long as it stands.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from services.executor.live.transport import Transport
from services.executor.live.wiring import Input, Listed, OrderUpdates, StreamDown, StreamUp
from shared.clock import monotonic_s
from shared.errors import VenueError
from shared.hyperliquid.account import AccountEvent, SocketError, Subscribed, UserFills, UserFundings
from shared.hyperliquid.account_ws import AccountSocket, open_account_socket

SUBSCRIPTIONS = frozenset(("userFills", "orderUpdates", "userFundings"))
PING_AFTER_S = 5.0
"""A cut network is noticed after twice this."""
STEADY_S = 60.0
"""After a connection that lasted so long the next is opened at once."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 4.0
"""The venue allows 30 new connections a minute from one address."""


class AccountStream:
    """`tell` takes each input for the core; `told` returns when the core has had all of them."""

    def __init__(
        self,
        url: str,
        user: str,
        timeout_s: float,
        transport: Transport,
        tell: Callable[[Input], None],
        told: Callable[[], Awaitable[None]],
    ) -> None:
        self._url, self._user, self._timeout_s, self._transport = url, user, timeout_s, transport
        self._tell, self._told = tell, told
        self._wanted = asyncio.Event()
        self._opening = False

    def reconnect(self, reason: str) -> None:
        """Asked for while one is being opened it changes nothing: that one is the new one."""
        if self._opening:
            return
        self._wanted.set()
        if self._transport.socket is not None:
            self._transport.socket.end(VenueError(reason))

    async def keep(self) -> None:
        """Until cancelled."""
        number, failures = 0, 0
        while True:
            await self._wanted.wait()
            await asyncio.sleep(min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S) if failures else 0)
            number += 1
            begun_s, reason = monotonic_s(), ""
            self._wanted.clear()
            self._opening = True
            try:
                await self._follow(number)
            except VenueError as error:
                reason = str(error)
            finally:
                self._opening = False
                self._transport.socket = None
            failures = 0 if monotonic_s() - begun_s > STEADY_S else failures + 1
            self._tell(StreamDown(number, reason))
            await self._told()  # what the core answers to this is not a wish to end the next one

    async def _follow(self, number: int) -> None:
        """One connection.

        Raises:
            VenueError: it could not be opened, or is gone; this is how it ends.
        """
        limits = self._transport.limits
        async with open_account_socket(self._url, self._timeout_s, limits, PING_AFTER_S) as socket:
            events = socket.events()
            held = await self._subscribe(socket, events)
            listed = Listed(await self._transport.ask_assets())
            self._transport.socket, self._opening = socket, False
            for told in (listed, StreamUp(number), *held):
                self._tell(told)
            async for event in events:
                if (news := _input_of(event)) is not None:
                    self._tell(news)

    async def _subscribe(self, socket: AccountSocket, events: AsyncIterator[AccountEvent]) -> list[Input]:
        """Returns when the venue has confirmed everything; with what came before that."""
        held: list[Input] = []
        missing = set(SUBSCRIPTIONS)
        try:
            async with asyncio.timeout(self._timeout_s):
                for kind in sorted(SUBSCRIPTIONS):
                    await socket.subscribe(kind, self._user)
                while missing:
                    event = await anext(events)
                    if isinstance(event, Subscribed):
                        missing.discard(event.subscription.type)
                    elif (early := _input_of(event)) is not None:
                        held.append(early)
        except TimeoutError as error:
            raise VenueError(f"no confirmation of {', '.join(sorted(missing))}") from error
        return held


def _input_of(event: AccountEvent) -> Input | None:
    """
    Raises:
        VenueError: the venue objects to something that we sent; what it would have been is not known.
    """
    match event:
        case UserFills() | UserFundings():
            return event
        case tuple():
            return OrderUpdates(event)
        case SocketError():
            raise VenueError(f"the venue objects: {event.text}")
    return None
