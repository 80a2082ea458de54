"""Which coins this run trades."""

from difflib import get_close_matches

from shared.errors import ConfigError
from shared.hyperliquid.rest import Asset

MAX_COINS = 200
"""Five subscriptions a coin, 1000 allowed per address."""


def choose(assets: tuple[Asset, ...], coins: tuple[str, ...], top_n: int) -> tuple[Asset, ...]:
    """The named `coins` in their order, or the `top_n` living ones by 24 h volume in dollars.

    Raises:
        ConfigError: a named coin does not exist or is delisted, or there are too many.
    """
    living = {meta.name: (meta, ctx) for meta, ctx in assets if not meta.isDelisted}
    if not coins:
        return tuple(sorted(living.values(), key=lambda asset: -asset[1].dayNtlVlm)[:top_n])
    wanted = tuple(dict.fromkeys(coins))
    if len(wanted) > MAX_COINS:
        raise ConfigError(f"MM_COINS names {len(wanted)} coins; the venue allows subscriptions for {MAX_COINS}")
    delisted = {meta.name for meta, _ in assets if meta.isDelisted}
    for coin in wanted:
        if coin in delisted:
            raise ConfigError(f"MM_COINS: {coin} is delisted on this venue; remove it")
        if coin not in living:
            raise ConfigError(f"MM_COINS: no coin {coin} on this venue{_suggest(coin, list(living))}")
    return tuple(living[coin] for coin in wanted)


def _suggest(coin: str, names: list[str]) -> str:
    """Coins that look like `coin`; names are case-sensitive (kPEPE), typing often is not."""
    folded = {name.upper(): name for name in names}
    close = [folded[match] for match in get_close_matches(coin.upper(), list(folded), n=3)]
    return f"; did you mean {', '.join(close)}?" if close else f"; there are {len(names)}"
