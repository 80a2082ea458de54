"""Declaration of the screener."""

from typing import Any

from services.screener.config import ScreenerConfig
from services.screener.core import Screener
from services.screener.door import ProfileDoor
from shared.config import load_assets, read_file
from shared.service import Service
from shared.streams import ASSET_CONFIG, ASSET_CONFIG_LIST, BOOK, CTX, EVENTS, TRADES


def overrides(config: ScreenerConfig) -> dict[str, dict[str, Any]]:
    """Exactly the fields a person wrote into `[assets.COIN]`, validated, and the sizes that follow from them and
    the capital; fields left out stay measured."""
    written = read_file().get("assets", {})
    return {
        coin: {name: getattr(asset, name) for name in (*written[coin], *config.sizes_that_follow)}
        for coin, asset in load_assets(config).items()
    }


SERVICE = Service(
    name="screener",
    config=ScreenerConfig,
    core=lambda config: Screener(config, overrides(config)),
    door=ProfileDoor,
    reads=(BOOK.unconflated(), TRADES, CTX),
    writes=(ASSET_CONFIG, ASSET_CONFIG_LIST, EVENTS),
    restores=(ASSET_CONFIG,),
    tick_ms=1000,
    metrics_port=9103,
    background=True,
)
