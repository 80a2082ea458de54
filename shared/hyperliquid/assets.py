"""Numbers that requests call coins by (reference page §2)."""

import msgspec

from shared.errors import VenueError
from shared.hyperliquid.rest import InfoClient
from shared.hyperliquid.wire import Meta

_BUILDER_DEXS_FROM = 100_000
_ASSETS_A_DEX = 10_000


class _Dex(msgspec.Struct, frozen=True):
    name: str


async def asset_ids(client: InfoClient, dex: str = "") -> dict[str, int]:
    """Asset by coin, delisted ones too; `dex` is a builder-deployed one, or empty for the first.

    Raises:
        VenueError: no answer, or the venue has no such dex.
    """
    first = await _first_id(client, dex) if dex else 0
    meta = await client.ask(Meta, {"type": "meta", "dex": dex})
    return {asset.name: first + index for index, asset in enumerate(meta.universe)}


async def _first_id(client: InfoClient, dex: str) -> int:
    """A dex counts by its place in `perpDexs`, where the first one stands as null."""
    dexs = await client.ask(tuple[_Dex | None, ...], {"type": "perpDexs"})
    for place, entry in enumerate(dexs):
        if entry is not None and entry.name == dex:
            return _BUILDER_DEXS_FROM + _ASSETS_A_DEX * place
    raise VenueError(f"the venue has no perp dex named {dex!r}")
