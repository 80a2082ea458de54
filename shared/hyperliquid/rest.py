"""The venue's `/info` endpoint: typed answers or one `VenueError` that says in a line what went wrong."""

import asyncio
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from shared.clock import monotonic_s
from shared.errors import VenueError
from shared.hyperliquid.limits import IpLimits, weight_of_info, weight_of_items
from shared.hyperliquid.wire import AssetMeta, Ctx, Meta, shown

Asset = tuple[AssetMeta, Ctx]
A = TypeVar("A")


class InfoClient:
    """Asks questions that need no signature; an async context manager around one HTTP session. With `limits` it
    waits for its turn."""

    def __init__(self, base_url: str, timeout_s: float, limits: IpLimits | None = None) -> None:
        self._url = base_url + "/info"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post_info(self, body: dict[str, Any]) -> bytes:
        """The JSON text of the answer.

        Raises:
            VenueError: unreachable, too slow, rate limited or any status but 200.
        """
        assert self._session is not None, "use `async with InfoClient(...)`"
        await self._turn(body["type"])
        try:
            async with self._session.post(self._url, json=body) as response:
                answer = await response.read()
                status = response.status
        except TimeoutError as error:
            raise VenueError(f"{self._url}: no answer within {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise VenueError(f"{self._url}: unreachable: {error}") from error
        if status == 429:
            raise VenueError(f"{self._url}: rate limited (HTTP 429)")
        if status != 200:
            raise VenueError(f"{self._url}: HTTP {status}: {shown(answer)}")
        return answer

    async def ask(self, shape: type[A], body: dict[str, Any]) -> A:
        """The answer, decoded.

        Raises:
            VenueError: as `post_info`, or an answer of another shape.
        """
        kind, text = body["type"], await self.post_info(body)
        try:
            answer = msgspec.json.decode(text, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise VenueError(f"{self._url}: {kind} is not what it should be: {error}") from error
        if self._limits is not None and isinstance(answer, tuple):
            self._limits.weight.charge(monotonic_s(), weight_of_items(kind, len(answer)))
        return answer

    async def _turn(self, kind: str) -> None:
        """Spend the weight of a request as soon as the limits allow."""
        if self._limits is None:
            return
        amount, window = weight_of_info(kind), self._limits.weight
        deadline_s = monotonic_s() + (self._timeout.total or 0.0)
        while wait_s := window.take(monotonic_s(), amount):
            if monotonic_s() + wait_s > deadline_s:
                raise VenueError(f"{self._url}: request weight is used up for {wait_s:.0f} s ({kind})")
            await asyncio.sleep(wait_s)

    async def meta_and_ctxs(self, dex: str = "") -> tuple[Asset, ...]:
        """Every perp with its context; the venue sends two lists that belong together by position.

        Raises:
            VenueError: as `post_info`, or an answer of another shape.
        """
        body = {"type": "metaAndAssetCtxs", **({"dex": dex} if dex else {})}
        meta, ctxs = await self.ask(tuple[Meta, tuple[Ctx, ...]], body)
        if len(meta.universe) != len(ctxs):
            text = f"metaAndAssetCtxs names {len(meta.universe)} coins but has {len(ctxs)} contexts"
            raise VenueError(f"{self._url}: {text}")
        return tuple(zip(meta.universe, ctxs, strict=True))
