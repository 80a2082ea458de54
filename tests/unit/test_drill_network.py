"""The way to the venue that a drill can cut, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from market_maker.drill.network import Link

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that says back what it hears."""

    def __init__(self) -> None:
        self.heard = b""
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(100):
            self.heard += chunk
            writer.write(chunk)
        self.gone.set()
        writer.close()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Echo, Link, int]]:
    """The server, a link to it, and the server's own port."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(10), Link(port) as link:
            yield echo, link, port
    finally:
        server.close()


async def connect(link: Link) -> Ends:
    url = urlsplit(link.url)
    return await asyncio.open_connection(url.hostname, url.port)


async def echoed(ends: Ends, said: bytes) -> None:
    reader, writer = ends
    writer.write(said)
    assert await reader.readexactly(len(said)) == said


async def test_a_whole_link_carries_both_ways_and_ends_with_either_end() -> None:
    async with linked() as (echo, link, _):
        ends = await connect(link)
        await echoed(ends, b"hello")
        ends[1].close()
        await echo.gone.wait()


async def test_what_is_sent_into_a_cut_link_arrives_when_it_is_mended() -> None:
    async with linked() as (echo, link, port):
        ends, direct = await connect(link), await asyncio.open_connection("127.0.0.1", port)
        await echoed(ends, b"1")
        link.cut()
        ends[1].write(b"2")
        await echoed(direct, b"3")
        assert echo.heard == b"13", "nothing comes through while it is cut"
        link.mend()
        assert await ends[0].readexactly(1) == b"2"
        ends[1].close()
        direct[1].close()


async def test_what_was_sent_arrives_even_if_its_sender_has_given_up() -> None:
    async with linked() as (echo, link, _):
        ends = await connect(link)
        await echoed(ends, b"1")
        link.cut()
        ends[1].write(b"2")
        ends[1].close()
        link.mend()
        await echo.gone.wait()
        assert echo.heard == b"12"


async def test_a_connection_made_while_cut_is_neither_refused_nor_answered() -> None:
    async with linked() as (echo, link, _):
        link.cut()
        ends = await connect(link)
        ends[1].write(b"1")
        await ends[1].drain()
        assert echo.heard == b""
        link.mend()
        assert await ends[0].readexactly(1) == b"1"
        ends[1].close()


async def test_a_venue_that_is_not_there_shows_as_a_closed_connection() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with asyncio.timeout(10), Link(port) as link:
        reader, writer = await connect(link)
        assert await reader.read() == b""
        writer.close()
