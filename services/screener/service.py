"""Declaration of the screener."""

from typing import Any

from services.screener.config import ScreenerConfig
from services.screener.core import Screener
from shared.config import load_assets, read_file
from shared.service import Service
from shared.streams import ASSET_CONFIG, ASSET_CONFIG_LIST, BOOK, CTX, EVENTS, TRADES


def overrides() -> dict[str, dict[str, Any]]:
    """Exactly the fields a person wrote into `[assets.COIN]`, validated; fields left out stay measured."""
    written = read_file().get("assets", {})
    return {
        coin: {name: getattr(config, name) for name in written[coin]} for coin, config in load_assets().items()
    }


SERVICE = Service(
    name="screener",
    config=ScreenerConfig,
    core=lambda config: Screener(config, overrides()),
    reads=(BOOK.unconflated(), TRADES, CTX),
    writes=(ASSET_CONFIG, ASSET_CONFIG_LIST, EVENTS),
    restores=(ASSET_CONFIG,),
    tick_ms=1000,
    metrics_port=9103,
    background=True,
)
