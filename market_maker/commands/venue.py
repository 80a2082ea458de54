"""`market_maker venue`: the bundled venue alone, and what is said to one that runs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from market_maker.arguments import FillUniverse, Loop, Seed, Speed, absolute
from market_maker.commands.venue_accounts import app as accounts
from market_maker.commands.venue_faults import app as faults
from market_maker.commands.venue_market import app as market

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def venue(
    context: typer.Context,
    source: Annotated[str, typer.Option(help="`modelled`, or the folder of a recording.")] = "modelled",
    port: Annotated[int | None, typer.Option(help="Port on 127.0.0.1 (default MM_VENUE_PORT, 3001).")] = None,
    seed: Seed = None,
    speed: Speed = None,
    loop: Loop = False,
    fill_universe: FillUniverse = False,
    fund: Annotated[
        str | None, typer.Option(help="USDC for an address first seen (default 10000); 0: it does not exist.")
    ] = None,
    truth_log: Annotated[
        Path | None, typer.Option(callback=absolute, help="File for everything that happens, as JSON lines.")
    ] = None,
    fault_script: Annotated[
        Path | None, typer.Option(callback=absolute, help="Scenario of faults to play from the start.")
    ] = None,
) -> int:
    """Run the bundled Hyperliquid-compatible venue alone, in the foreground; with a command, look into one
    that runs, disturb it, fund accounts.

    \b
    market_maker venue                             run it, modelled market
    market_maker venue --source DIR --speed 10     run it over a recording
    market_maker venue fault drop                  break every websocket off
    market_maker venue fault http_429 --for 5s     refuse REST requests for five seconds
    market_maker venue scenario FILE               a list of faults by time
    market_maker venue limits                      who has used how much of which limit
    """
    if context.invoked_subcommand is not None:
        if port is not None:
            os.environ["MM_VENUE_PORT"] = str(port)
        return 0
    from services.__main__ import main as serve

    given = {
        "MM_SOURCE": source if source == "modelled" else absolute(Path(source)),
        "MM_VENUE_PORT": port,
        "MM_SEED": seed,
        "MM_SPEED": speed,
        "MM_LOOP": "true" if loop else None,
        "MM_FILL_UNIVERSE": "true" if fill_universe else None,
        "MM_FUND": fund,
        "MM_TRUTH_LOG": truth_log,
        "MM_FAULT_SCRIPT": fault_script,
        "MM_METRICS_PORT": 0,
    }
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})
    return serve(["venue"])


for commands in (faults, accounts, market):
    app.add_typer(commands)
