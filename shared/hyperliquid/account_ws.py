"""A websocket that follows an account and carries its actions (reference page §4).

It is read in the background all the while, so that posts are answered whatever the listener does. There are no
sequence numbers: after a new connection everything but the snapshots must be asked for.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, NamedTuple

import msgspec

from shared.clock import monotonic_s
from shared.errors import VenueError
from shared.hyperliquid.account import AccountEvent, SocketError, account_event
from shared.hyperliquid.limits import IpLimits
from shared.hyperliquid.replies import NotSent, Unknown
from shared.hyperliquid.wire import FRAME_DECODER
from shared.hyperliquid.ws import PING_AFTER_S, VenueSocket, open_socket

EVENTS_WAITING = 4096
"""A listener that is further behind is no listener: the connection is given up."""
_TOO_MANY = re.compile(r"too many pending post requests id=(\d+)")
_STATUS = re.compile(r"(\d{3})\b[^:]*:? ?(.*)", re.DOTALL)


class PostAnswer(NamedTuple):
    """As over HTTP; `status` 0 where the venue's text has none."""

    status: int
    body: bytes


PostOutcome = PostAnswer | NotSent | Unknown


class _Response(msgspec.Struct):
    type: str
    payload: msgspec.Raw


class _Post(msgspec.Struct):
    id: int
    response: _Response


_POST = msgspec.json.Decoder(_Post)
_TEXT = msgspec.json.Decoder(str)


class AccountSocket:
    """An open connection, made by `open_account_socket`."""

    def __init__(self, socket: VenueSocket, limits: IpLimits) -> None:
        self._socket, self._limits = socket, limits
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[PostOutcome]] = {}
        self._events: asyncio.Queue[AccountEvent | None] = asyncio.Queue(EVENTS_WAITING)
        self._ended: VenueError | None = None

    @property
    def is_open(self) -> bool:
        return self._ended is None and self._socket.is_open

    async def subscribe(self, kind: str, user: str, **options: Any) -> None:
        """
        Raises:
            VenueError: the connection is gone.
        """
        self._limits.messages.charge(monotonic_s(), 1)
        wanted = {"type": kind, "user": user, **options}
        await self._socket.send(msgspec.json.encode({"method": "subscribe", "subscription": wanted}))

    async def events(self) -> AsyncIterator[AccountEvent]:
        """What the venue tells, in its order. One listener.

        Raises:
            VenueError: the connection is gone; this is how the iteration ends.
        """
        while True:
            if self._ended is not None and self._events.empty():
                raise self._ended
            event = await self._events.get()
            if event is not None:
                yield event

    async def post(self, body: bytes, timeout_s: float, *, urgent: bool) -> PostOutcome:
        """Send the body of an `/exchange` request. A post that is given up counts as in flight until the venue
        answers it or the connection ends, as it does for the venue."""
        if not self.is_open:
            return NotSent("the websocket is closed")
        if not self._limits.may_post(urgent=urgent):
            return NotSent("too many posts in flight")
        if wait_s := self._limits.messages.take(monotonic_s(), urgent=urgent):
            return NotSent("too many websocket messages", wait_s)
        post_id = next(self._ids)
        answer: asyncio.Future[PostOutcome] = asyncio.get_running_loop().create_future()
        self._waiting[post_id] = answer
        self._limits.posts += 1
        try:
            async with asyncio.timeout(timeout_s):
                await self._socket.send(
                    b'{"method":"post","id":%d,"request":{"type":"action","payload":%b}}' % (post_id, body)
                )
                return await answer
        except TimeoutError:
            return Unknown(f"no answer within {timeout_s:g} s")
        except VenueError as error:
            return Unknown(str(error))

    # ---- reading ---------------------------------------------------------------------------------------------

    async def read(self) -> None:
        """Take frames until the connection ends."""
        try:
            async for raw in self._socket.frames():
                self._take(raw)
        except VenueError as error:
            self.end(error)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.end(VenueError(f"a frame is not what it should be: {error}"))
        except asyncio.QueueFull:
            self.end(VenueError(f"{EVENTS_WAITING} events wait to be read"))

    def end(self, error: VenueError) -> None:
        """The connection is of no use any more; nobody knows what became of the posts on it."""
        if self._ended is not None:
            return
        self._ended = error
        self._socket.abort()
        for post_id in list(self._waiting):
            self._settle(post_id, Unknown(str(error)))
        if not self._events.full():
            self._events.put_nowait(None)

    def _take(self, raw: bytes) -> None:
        frame = FRAME_DECODER.decode(raw)
        if frame.channel == "post":
            post = _POST.decode(frame.data)
            self._settle(post.id, _answer(post.response))
            return
        event = account_event(frame)
        if isinstance(event, SocketError) and (refused := _TOO_MANY.search(event.text)):
            self._settle(int(refused[1]), NotSent(event.text))
        elif event is not None:
            self._events.put_nowait(event)

    def _settle(self, post_id: int, outcome: PostOutcome) -> None:
        answer = self._waiting.pop(post_id, None)
        if answer is None:
            return
        self._limits.posts -= 1
        if not answer.done():
            answer.set_result(outcome)


def _answer(response: _Response) -> PostAnswer:
    """Errors are texts such as `429 Too Many Requests: null`."""
    if response.type != "error":
        return PostAnswer(200, bytes(response.payload))
    text = _TEXT.decode(response.payload)
    found = _STATUS.match(text)
    return PostAnswer(int(found[1]), found[2].encode()) if found else PostAnswer(0, text.encode())


@asynccontextmanager
async def open_account_socket(
    base_url: str, timeout_s: float, limits: IpLimits, ping_after_s: float = PING_AFTER_S
) -> AsyncIterator[AccountSocket]:
    """Connect to the venue at `base_url`; closed on leaving. Accounts are often quiet: a shorter `ping_after_s`
    finds out sooner that the network is cut.

    Raises:
        VenueError: no connection, or too many of them.
    """
    if not limits.may_connect(monotonic_s()):
        raise VenueError(f"{base_url}: too many websocket connections")
    try:
        async with open_socket(base_url, timeout_s, ping_after_s) as socket:
            account_socket = AccountSocket(socket, limits)
            reading = asyncio.create_task(account_socket.read())
            reading.add_done_callback(lambda _: account_socket.end(VenueError("the websocket was closed")))
            try:
                yield account_socket
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading
    finally:
        limits.disconnected()
