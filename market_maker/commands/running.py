"""`market_maker run`, `paper`: start the bot, watch it come up, stop it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from market_maker.arguments import (
    AsJson,
    Coins,
    Config,
    Dex,
    FillUniverse,
    Loop,
    Seed,
    Speed,
    TopN,
    Venue,
    absolute,
)
from market_maker.commands.watching import status
from shared.errors import ConfigError

app = typer.Typer(rich_markup_mode=None)

Demo = Annotated[bool, typer.Option("--demo", help="Short for --venue sim: no network, no key, no Docker needed.")]
Recording = Annotated[
    Path | None, typer.Option(callback=absolute, help="Folder of a recording to replay; implies --venue replay.")
]
Local = Annotated[bool, typer.Option("--local", help="Run as processes even where Docker answers.")]
Docker = Annotated[bool, typer.Option("--docker", help="Insist on Docker Compose.")]
Duration = Annotated[
    float | None,
    typer.Option(min=1, help="Stay in the foreground for so many seconds, then stop and print the summary."),
]
AcceptMissing = Annotated[
    list[str] | None,
    typer.Option(metavar="GATE", help="Live only: go on without the evidence of this gate. Once per gate."),
]


@app.command("run")
@app.command("launch", hidden=True)
def run(
    demo: Demo = False,
    venue: Venue = None,
    recording: Recording = None,
    speed: Speed = None,
    seed: Seed = None,
    loop: Loop = False,
    fill_universe: FillUniverse = False,
    coins: Coins = None,
    top_n: TopN = None,
    dex: Dex = None,
    config: Config = None,
    local: Local = False,
    docker: Docker = False,
    duration: Duration = None,
    as_json: AsJson = False,
    accept_missing: AcceptMissing = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop everything, orders first, Redis last.")] = False,
    show: Annotated[bool, typer.Option("--status", help="Show what is running, and exit.")] = False,
) -> int:
    """Start the market maker in shadow mode: real market data, simulated orders, no key.

    Without flags it runs on live Hyperliquid data; --demo needs no network. It uses Docker Compose where an engine
    answers and local processes elsewhere, returns when quotes appear, and says where to look and how to stop.

    \b
    ./start_mm_bot.sh                            shadow on live Hyperliquid data
    ./start_mm_bot.sh --demo                     shadow on a simulated venue
    ./start_mm_bot.sh --demo --duration 60       one minute in the foreground, then a summary
    ./start_mm_bot.sh --recording DIR --speed 10 a recording, ten times as fast
    ./start_mm_bot.sh --status | --stop          look at it, stop it
    MM_SHADOW_MODE=false ./start_mm_bot.sh       live, after words typed at a terminal: docs/live.md

    Settings: flags win over MM_* variables (and .env), those over market_maker.toml, which
    `market_maker generate-config` writes with all of them.
    """
    if show:
        return status(as_json)
    if stop:
        return _stop()
    from market_maker.launch import launch as start
    from market_maker.options import Options

    if demo and venue not in (None, "sim"):
        raise ConfigError(f"--demo means --venue sim, not {venue}")
    if local and docker:
        raise ConfigError("--local and --docker exclude each other")
    return start(
        Options(
            venue="sim" if demo else venue,
            recording=recording,
            speed=speed,
            seed=seed,
            loop=loop,
            fill_universe=fill_universe,
            coins=coins,
            top_n=top_n,
            dex=dex,
            config=config,
            deployment="local" if local else "docker" if docker else None,
            duration_s=duration,
            as_json=as_json,
            accept_missing=tuple(accept_missing or ()),
        )
    )


@app.command()
def paper(
    duration: Annotated[float, typer.Option(min=1, help="Length of the session in seconds.")] = 1800,
    demo: Demo = False,
    venue: Venue = None,
    coins: Coins = None,
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """A shadow session of given length in the foreground, with its summary at the end."""
    return run(demo=demo, venue=venue, coins=coins, config=config, duration=duration, as_json=as_json)


def _stop() -> int:
    from market_maker.deployment import run_dir
    from market_maker.launch import stop

    lines = 0
    for lines, line in enumerate(stop(run_dir()), 1):  # noqa: B007
        print(line, flush=True)
    if not lines:
        print("not running", file=sys.stderr)
        return 3
    return 0
