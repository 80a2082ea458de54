"""The venue's `/info` endpoint: typed answers or one `VenueError` that says in a line what went wrong."""

from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from shared.errors import VenueError
from shared.hyperliquid.wire import AssetMeta, Ctx, Meta

Asset = tuple[AssetMeta, Ctx]
_META_AND_CTXS = msgspec.json.Decoder(tuple[Meta, tuple[Ctx, ...]])
_SHOWN_CHARS = 120


class InfoClient:
    """Asks questions that need no signature; an async context manager around one HTTP session."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        self._url = base_url + "/info"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
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
            raise VenueError(f"{self._url}: HTTP {status}: {_shown(answer)}")
        return answer

    async def meta_and_ctxs(self, dex: str = "") -> tuple[Asset, ...]:
        """Every perp with its context; the venue sends two lists that belong together by position.

        Raises:
            VenueError: as `post_info`, or an answer of another shape.
        """
        answer = await self.post_info({"type": "metaAndAssetCtxs", **({"dex": dex} if dex else {})})
        try:
            meta, ctxs = _META_AND_CTXS.decode(answer)
        except msgspec.DecodeError as error:
            raise VenueError(f"{self._url}: metaAndAssetCtxs is not what it should be: {error}") from error
        if len(meta.universe) != len(ctxs):
            text = f"metaAndAssetCtxs names {len(meta.universe)} coins but has {len(ctxs)} contexts"
            raise VenueError(f"{self._url}: {text}")
        return tuple(zip(meta.universe, ctxs, strict=True))


def _shown(answer: bytes) -> str:
    text = " ".join(answer.decode(errors="replace").split())
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
