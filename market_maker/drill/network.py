"""A way to the venue that can be cut: a TCP relay on this machine."""

import asyncio
from contextlib import suppress
from typing import Self

CHUNK = 1 << 16


class Link:
    """While it is cut, nothing is refused and nothing arrives; what was sent meanwhile arrives late, as TCP sends
    it again, even after its sender has given up."""

    def __init__(self, port: int) -> None:
        """`port` of the venue on 127.0.0.1."""
        self._target = port
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None
        self._relays: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for relay in list(self._relays):
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None, "use `async with`"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = asyncio.create_task(self._relay(reader, writer))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both ends are closed when either is."""
        there: asyncio.StreamWriter | None = None
        try:
            await self._whole.wait()
            back, there = await asyncio.open_connection("127.0.0.1", self._target)
            ways = {
                asyncio.create_task(self._carry(reader, there)),
                asyncio.create_task(self._carry(back, writer)),
            }
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass  # the venue is not there: its caller sees a closed connection
        finally:
            for end in (writer, there):
                if end is not None:
                    end.close()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await source.read(CHUNK):
                await self._whole.wait()
                target.write(chunk)
                await target.drain()
