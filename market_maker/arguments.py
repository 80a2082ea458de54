"""What several commands take: settings file, market, venue, `--json`, and paths from where the user stands."""

import os
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import ConfigError

STARTED_IN = Path.cwd()
PROJECT = Path(__file__).resolve().parents[1]


def absolute(path: Path | None) -> Path | None:
    """Paths are relative to where the user stands; everything else runs in the project's folder."""
    return None if path is None else (STARTED_IN / path).resolve()


AsJson = Annotated[
    bool, typer.Option("--json", help="JSON on standard output, everything else on standard error.")
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", callback=absolute, help="Settings file; default market_maker.toml in the project."
    ),
]
Venue = Annotated[
    str | None,
    typer.Option(help="hyperliquid (default), testnet, sim (bundled, modelled) or replay (bundled, recorded)."),
]
Coins = Annotated[
    str | None, typer.Option("--coins", "--asset", help="Coins to quote, comma separated; default: the top ones.")
]
Dex = Annotated[str | None, typer.Option(help="HIP-3 perp dex; default: the main one.")]
TopN = Annotated[int | None, typer.Option(help="How many of the coins with most 24 h volume (default 30).")]
Speed = Annotated[str | None, typer.Option(help="Speed of the bundled venue: 1, 10, … or max.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the modelled market.")]
Loop = Annotated[bool, typer.Option("--loop", help="Start the recording again when it ends.")]
FillUniverse = Annotated[
    bool, typer.Option("--fill-universe", help="Add modelled coins to the recorded ones, up to 30.")
]


def use(config: Path | None) -> None:
    """Settings are read from this file from now on."""
    if config:
        os.environ["MM_CONFIG"] = str(config)


def listed(text: str) -> list[str]:
    """`BTC, ETH` as names."""
    return [part.strip() for part in text.split(",") if part.strip()]


def day(option: str, text: str | None) -> date | None:
    """
    Raises:
        ConfigError: no day.
    """
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text}: not a day such as 2026-01-31") from None
