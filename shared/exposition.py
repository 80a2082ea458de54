"""The metrics endpoint of a service: prometheus_client's HTTP server in a thread of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from shared.errors import ConfigError


class InLoop(Collector):
    """Lets the scrape thread read a core's state only while the event loop is not changing it."""

    def __init__(self, collector: Collector, loop: asyncio.AbstractEventLoop) -> None:
        self._collector, self._loop = collector, loop

    async def _collect(self) -> list[Metric]:
        return list(self._collector.collect())

    def collect(self) -> Iterable[Metric]:
        return asyncio.run_coroutine_threadsafe(self._collect(), self._loop).result(timeout=5)

    def describe(self) -> Iterable[Metric]:
        return ()


@asynccontextmanager
async def exposed(registry: CollectorRegistry, host: str, port: int) -> AsyncIterator[None]:
    """Serves `/metrics` while the context lasts; port 0: nowhere.

    Raises:
        ConfigError: the port is taken.
    """
    if port == 0:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        text = f"port {port} for metrics is taken ({error}); set MM_METRICS_PORT or free it"
        raise ConfigError(text) from error
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)
