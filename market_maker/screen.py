"""`market_maker screen`: what each coin is expected to earn per fill and per hour, and what that rests on."""

import asyncio
import json
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from market_maker.deployment import bus_url, data_dir, run_dir
from services.screener.config import ScreenerConfig
from services.screener.core import Screener
from services.screener.history import MAX_AGE_MS, MIN_HOURS, HistoryRead, day, objection
from services.screener.service import overrides
from shared import market_profile
from shared.clock import wall_ms
from shared.config import load
from shared.errors import BusError, DataError
from shared.messages import AssetConfig, CoinMeta, Universe
from shared.redis_bus import RedisBus
from shared.streams import ASSET_CONFIG, UNIVERSE
from shared.words import counted

NOTHING_EARNS = 2
NOT_FOUND = 2
NEITHER = 3
FRESH_MS = 180_000
"""The screener publishes every 30 s; older settings are of a stack that has ended."""
NOT_ENOUGH = "NOT ENOUGH DATA"
WIDE, PIPED = 126, 200
MEANING = (
    "bps of a fill: it captures the half spread; edge = half − AS − fee − funding, ± one standard error.\n"
    "AS: what the market moves against us in 5 s, measured on the n deepest public orders. fills: public orders\n"
    "beyond our price, which fill everybody in the queue there. Funding is always counted as paid.\n"
    "$/h: at the size of the first level; low: with an edge one standard error lower.\n"
    "rung, hour, w.end: what the spread of the formula was multiplied by."
)


class Screened(NamedTuple):
    """Coins, best first, and where they come from."""

    source: str
    about: str
    configs: tuple[AssetConfig, ...]


def show(as_json: bool, only: Collection[str], folder: Path | None) -> int:
    """Print the table of the running stack, else (or of a `folder`) of history alone; 0, 2 when no coin has a
    positive edge or one asked for is not there, 3 when there is neither."""
    now_ms = int(wall_ms())
    try:
        found = (asyncio.run(_running(now_ms)) if folder is None else None) or _of_history(
            folder or data_dir(), now_ms
        )
    except DataError as error:
        print(json.dumps({"source": None, "cause": str(error)}) if as_json else str(error),
              file=sys.stdout if as_json else sys.stderr)  # fmt: skip
        return NEITHER
    unknown = sorted(set(only) - {config.coin for config in found.configs})
    if unknown:
        print(f"not among the coins measured: {', '.join(unknown)}", file=sys.stderr)
        return NOT_FOUND
    shown = [fact(config) for config in found.configs if not only or config.coin in only]
    if as_json:
        print(json.dumps({"source": found.source, "about": found.about, "coins": shown}, indent=1))
    else:
        _print(found.about, shown)
    return 0 if any((coin["edge_bps"] or 0.0) > 0 for coin in shown) else NOTHING_EARNS


async def _running(now_ms: int) -> Screened | None:
    """What the screener has published in the last minutes."""
    bus = RedisBus(bus_url(run_dir()))
    try:
        universe = await bus.stored(UNIVERSE, (), last=1)
        coins = [meta.coin for message in universe if isinstance(message, Universe) for meta in message.coins]
        stored = await bus.stored(ASSET_CONFIG, coins, last=1) if coins else []
    except BusError:
        return None
    finally:
        await bus.close()
    configs = [one for one in stored if isinstance(one, AssetConfig) and now_ms - one.published_ms <= FRESH_MS]
    if not configs:
        return None
    age_s = max(0, now_ms - max(config.published_ms for config in configs)) / 1000
    configs.sort(key=lambda config: (config.rank is None, config.rank or 0, config.coin))
    return Screened("running", f"as the running screener published it {age_s:.0f} s ago", tuple(configs))


def _of_history(folder: Path, now_ms: int) -> Screened:
    """
    Raises:
        DataError: there is no profile, it is damaged, or no coin has enough history.
    """
    profile = market_profile.read(folder)
    if profile is None:
        text = f"nothing runs and {folder / market_profile.FILE} is not there: `market_maker run` measures now, "
        raise DataError(text + "`market_maker analyze --write-profile` measures what has been recorded")
    old = now_ms - profile.last_ms > MAX_AGE_MS
    as_of_ms = profile.last_ms if old else now_ms
    config = load(ScreenerConfig).model_copy(update={"venue": profile.venue})
    read = HistoryRead(profile)
    problem = objection(read, profile.venue, as_of_ms)
    short = [f"{c.coin} {c.hours_of_data:.1f} h" for c in profile.coins if c.hours_of_data < MIN_HOURS]
    if not problem and len(short) == len(profile.coins):
        problem = f"{NOT_ENOUGH}, a coin needs {MIN_HOURS:.0f} h of history ({', '.join(short) or 'none has any'})"
    if problem:
        raise DataError(f"{folder / market_profile.FILE}: {problem}")
    screener = Screener(config, overrides(config))
    screener.step(as_of_ms, Universe(coins=tuple(CoinMeta(c.coin, 0, 1) for c in profile.coins), time_ms=as_of_ms))
    screener.step(as_of_ms, read)
    about = f"from history alone: {profile.venue}, {day(profile.first_ms)} to {day(profile.last_ms)}"
    about += "; more than 7 days old, a running screener would not use it" if old else "; nothing runs now"
    about += f"; too short, {MIN_HOURS:.0f} h needed: {', '.join(short)}" if short else ""
    return Screened("history", about, tuple(verdict.config for verdict in screener.judged(as_of_ms)))


# ---- in words --------------------------------------------------------------------------------------------------


def fact(config: AssetConfig) -> dict[str, Any]:
    """JSON-ready."""
    parts = config.parts
    return {
        "rank": config.rank,
        "coin": config.coin,
        "state": _state(config),
        "enabled": config.enabled,
        "reason": config.reason,
        "half_spread_bps": config.base_spread_bps,
        "maker_fee_bps": config.maker_fee_bps,
        "edge_bps": config.edge_bps,
        "fill_usd": config.min_order_usd,
        **({name: getattr(parts, name) for name in parts.__struct_fields__} if parts else {}),
    }


def _state(config: AssetConfig) -> str:
    if config.enabled:
        return "quote" if config.edge_bps is not None else NOT_ENOUGH
    return "not quoted"


_COLUMNS = (
    ("#", "rank", "d"),
    ("coin", "coin", "s"),
    ("state", "state", "s"),
    ("half", "half_spread_bps", ".2f"),
    ("AS", "adverse_bps", ".2f"),
    ("of n", "adverse_n", ",d"),
    ("fee", "maker_fee_bps", ".2f"),
    ("funding", "funding_bps", ".2f"),
    ("edge", "edge_bps", "+.2f"),
    ("± se", "se_bps", ".2f"),
    ("fills/h", "fills_per_hour", ".1f"),
    ("from n", "fills_n", ",d"),
    ("$/h", "usd_per_hour", ".4f"),
    ("low", "usd_per_hour_low", ".4f"),
    ("rung", "rung", "g"),
    ("hour", "hour_multiplier", ".2f"),
    ("w.end", "weekend_multiplier", ".2f"),
    ("live m", "live_min", ".0f"),
    ("past h", "history_h", ".1f"),
)
_WORDS = ("coin", "state")
_LEFT_OUT = ("fee", "funding", "rung", "hour", "w.end")
"""On a terminal narrower than `WIDE`."""
_UNKNOWN_EDGE = ("edge_bps", "se_bps", "usd_per_hour", "usd_per_hour_low")
"""Not told before there is enough data."""


def _print(about: str, coins: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else PIPED, highlight=False)
    columns = [column for column in _COLUMNS if console.width >= WIDE or column[0] not in _LEFT_OUT]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for name, _, _ in columns:
        table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=True)
    for coin in coins:
        style = None if coin["state"] == "quote" else "yellow" if coin["enabled"] else "red"
        table.add_row(*(_cell(coin, name, form) for _, name, form in columns), style=style)
    console.print(f"{counted(len(coins), 'coin')}, {about}", markup=False, style="bold")
    console.print(table)
    for line in _remarks(coins):
        console.print(line, markup=False)
    console.print(MEANING, markup=False, style="dim")


def _remarks(coins: Sequence[dict[str, Any]]) -> Iterable[str]:
    """Why coins are left out, each in a line, and what is missing of those without an edge in one for all."""
    missing = [f"{coin['coin']} {_missing(coin)}" for coin in coins if coin["state"] == NOT_ENOUGH]
    for coin in coins:
        if coin["reason"] and coin["state"] != NOT_ENOUGH:
            yield f"{coin['coin']}: {coin['reason']}"
    if missing:
        yield f"{NOT_ENOUGH}, market orders still missing (at the present rate): {', '.join(missing)}"


def _missing(coin: dict[str, Any]) -> str:
    live_min, orders = coin.get("live_min"), coin.get("orders")
    if coin.get("history_h") or not live_min or not orders:
        return f"{coin.get('missing_orders', '?')}"
    return f"{coin['missing_orders']:,} (about {coin['missing_orders'] * live_min / orders:,.0f} min)"


def _cell(coin: dict[str, Any], name: str, form: str) -> str:
    value = coin.get(name)
    if value is None or (coin["edge_bps"] is None and name in _UNKNOWN_EDGE):
        return "-"
    return format(value, form) if isinstance(value, str) else format(round(value, 4) + 0, form)
