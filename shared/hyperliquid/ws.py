"""One websocket connection to the venue as an iterator of raw frames.

The venue closes a connection on which it has sent nothing for 60 s; only its own frames count, so after a quiet
while a ping is sent for the sake of its pong. A ping that nothing answers for as long again is the end of the
connection: a cut network says nothing. Reconnecting is the caller's decision.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.protocol import State

from shared.errors import VenueError

PING_AFTER_S = 50.0
MAX_FRAME_BYTES = 4 * 1024 * 1024
"""The largest real market-data frames are some 100 kB; more is a fault, not data."""
_PING = b'{"method":"ping"}'
_BUFFERED_FRAMES = 256
_CLOSE_TIMEOUT_S = 1.0


def socket_url(base_url: str) -> str:
    """`https://host` -> `wss://host/ws`."""
    return "ws" + base_url.removeprefix("http") + "/ws"


def subscription(kind: str, coin: str, **options: bool) -> bytes:
    """The frame that subscribes to a channel of a coin."""
    return msgspec.json.encode(
        {"method": "subscribe", "subscription": {"type": kind, "coin": coin, **options}},
    )


class VenueSocket:
    """An open connection."""

    def __init__(self, connection: ClientConnection, ping_after_s: float) -> None:
        self._connection, self._ping_after_s = connection, ping_after_s

    @property
    def is_open(self) -> bool:
        """False: whatever is sent now does not leave."""
        return self._connection.state is State.OPEN

    async def send(self, frame: bytes) -> None:
        """Send one text frame.

        Raises:
            VenueError: the connection is gone.
        """
        try:
            await self._connection.send(frame, text=True)
        except ConnectionClosed as error:
            raise _lost(error) from error

    async def frames(self) -> AsyncIterator[bytes]:
        """Frames as they come, until the connection ends.

        Raises:
            VenueError: the connection is gone, for whatever reason; this is how the iteration ends.
        """
        pinged = False
        while True:
            try:
                async with asyncio.timeout(self._ping_after_s):
                    frame = await self._connection.recv(decode=False)
            except TimeoutError as error:
                if pinged:
                    raise VenueError(f"connection lost: silent for {2 * self._ping_after_s:g} s") from error
                pinged = True
                await self.send(_PING)
                continue
            except ConnectionClosed as error:
                raise _lost(error) from error
            pinged = False
            yield frame

    def abort(self) -> None:
        """Drop the connection at once, without asking a peer that may be dead."""
        self._connection.transport.abort()


@asynccontextmanager
async def open_socket(
    base_url: str, timeout_s: float, ping_after_s: float = PING_AFTER_S
) -> AsyncIterator[VenueSocket]:
    """Connect to the venue at `base_url`; closed on leaving.

    Raises:
        VenueError: no connection within `timeout_s`, or the venue refused the upgrade.
    """
    url = socket_url(base_url)
    try:
        connection = await connect(
            url,
            open_timeout=timeout_s,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_interval=None,
            max_size=MAX_FRAME_BYTES,
            max_queue=_BUFFERED_FRAMES,
            compression=None,
            proxy=None,
        )
    except TimeoutError as error:
        raise VenueError(f"{url}: no connection within {timeout_s:g} s") from error
    except (OSError, WebSocketException) as error:
        raise VenueError(f"{url}: no connection: {error}") from error
    try:
        yield VenueSocket(connection, ping_after_s)
    finally:
        await connection.close()


def _lost(error: ConnectionClosed) -> VenueError:
    return VenueError(f"connection lost: {error}")
