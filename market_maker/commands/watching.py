"""`market_maker status`, `logs`, `top`, `first30`: look at what runs."""

from typing import Annotated

import typer

from market_maker.arguments import AsJson, Config, listed, use

app = typer.Typer(rich_markup_mode=None)


@app.command()
def status(
    as_json: AsJson = False,
    asset: Annotated[str, typer.Option("--asset", "--coins", help="Only these coins, comma separated.")] = "",
) -> int:
    """What is running, what it earns, why a side is not quoting, and what can be lost.

    Exit code 0, 2 for a coin that is not of this run, 3 when nothing runs.

    \b
    market_maker status --asset BTC,ETH   two coins
    market_maker status --json            everything, for programs
    """
    from market_maker.deployment import run_dir
    from market_maker.status import show

    return show(run_dir(), as_json, listed(asset))


@app.command()
def logs(
    coin: Annotated[
        str, typer.Option("--coin", "--asset", "--coins", help="Only these coins, comma separated.")
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    service: Annotated[str, typer.Option(help="Only these services, comma separated.")] = "",
    level: Annotated[str, typer.Option(help="Only from this level on: debug, info, warning, error.")] = "debug",
    tag: Annotated[str, typer.Option(help="Only lines whose [TAG] contains this.")] = "",
    since: Annotated[str, typer.Option(help="From then on: 90s, 10m, 2h, 7d, or a UTC time.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """What everybody said, by time: the last 200 lines, or all of them since then. What a line means: docs/logs.md

    With --coin also the errors that concern all coins. Of log files (local), containers (Docker) or the bus,
    whichever there is; goes on through restarts. Exit code 2 when no line is about a coin, 3 when nothing runs and
    there are no files.

    \b
    market_maker logs --follow                     everything, as it comes
    market_maker logs --coin BTC --follow          one coin
    market_maker logs --level warning --since 2h   what needed attention
    market_maker logs --tag FILL --since 1d --json fills of a day for jq
    """
    from market_maker.deployment import run_dir
    from market_maker.logs import show, wanted

    use(config)
    return show(wanted(coin, service, level, tag, since), run_dir(), follow, as_json)


@app.command()
def top(
    asset: Annotated[str, typer.Option("--asset", "--coins", help="Only these coins, comma separated.")] = "",
) -> int:
    """A live screen of the whole grid, for a terminal or SSH: mode, money and what can be lost on top, then a row
    for each coin with its quotes, position, PnL, fills, reason and age. ? shows the keys.

    It reads only; h halts everything after a typed reason and the word HALT, as `market_maker halt` does. Exit
    code 3 when nothing runs.
    """
    from market_maker.deployment import run_dir
    from market_maker.top.command import run as watch

    return watch(run_dir(), listed(asset))


@app.command()
def first30(
    shadow: Annotated[bool, typer.Option("--shadow", help="Also when it trades in shadow.")] = False,
    minutes: Annotated[float, typer.Option(min=0.01, help="How long to watch.")] = 30,
    as_json: AsJson = False,
) -> int:
    """Watch the first half hour of live trading: what must happen by which minute, and the red flags, each with
    value, threshold, verdict and the command to run.

    A session younger than --minutes is watched from its own beginning, an older one from now. Changes nothing;
    Ctrl+C ends it early, and so does stopping the bot. Writes logs/first30-TIME.md and .json. Exit code 2 when a
    red flag stood, 3 when nothing runs or the bot was stopped. mm_monitor tells the same by itself after a live
    start, in lines with [FIRST30].

    \b
    market_maker first30                        right after a live start
    market_maker first30 --shadow --minutes 5   in shadow, the first five minutes
    """
    from market_maker.deployment import run_dir
    from market_maker.first30.command import Wanted
    from market_maker.first30.command import run as watch

    return watch(run_dir(), Wanted(shadow, minutes, as_json))
