"""`market_maker convert`, `check-data`, `record`, `replay`, `screen`, `explain`, `list-dexs`: the market, and what
was recorded of it and of ourselves."""

from pathlib import Path
from typing import Annotated

import typer

from market_maker.arguments import AsJson, Config, Dex, TopN, absolute, day, listed, use
from shared.errors import ConfigError

app = typer.Typer(rich_markup_mode=None)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def convert(context: typer.Context) -> int:
    """Convert recorded CSV days to Parquet; same options as scripts/csv_to_parquet.py."""
    from services.converter.convert import main as convert_main

    return convert_main(context.args, "market_maker convert")


@app.command(
    "check-data",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def check_data(context: typer.Context) -> int:
    """Look for gaps and damage in the recorded data; --fix repairs. See check-data --help."""
    from market_maker.check_data import main as check_main

    return check_main(context.args)


@app.command()
def record(
    out: Annotated[Path, typer.Option(callback=absolute, help="New folder for the recording.")],
    coins: Annotated[
        str | None, typer.Option("--asset", "--coins", help="Coins, comma separated; default: the top ones.")
    ] = None,
    top_n: TopN = None,
    venue: Annotated[
        str | None,
        typer.Option(help="hyperliquid (default), testnet, or sim: a bundled venue that runs."),
    ] = None,
    dex: Dex = None,
    duration: Annotated[float | None, typer.Option(min=1, help="Seconds; default: until Ctrl+C.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """Record what the venue says, frame by frame, so that it can be replayed as it was. No key, no orders.

    The same subscriptions as the market maker's own; lost connections come back by themselves and are marked. What
    was received more than five seconds ago survives whatever kills the machine. The folder works with replay,
    ./start_mm_bot.sh --recording, venue --source, analyze --recording and import-recording.

    \b
    market_maker record --out rec --asset BTC,ETH         two coins until Ctrl+C
    market_maker record --out rec --duration 86400        a day of the 30 largest

    About 1 GB a day for 30 coins of the modelled market (sim); a busy real one writes more, the summary at the end
    says how much.
    market_maker replay --recording rec --out replayed
    """
    from market_maker.record import Wanted, run

    use(config)
    return run(Wanted(out, coins, top_n, venue, dex, duration, as_json))


@app.command()
def replay(
    recording: Annotated[
        Path, typer.Option(callback=absolute, help="Folder of a recording, or a data folder of one's own.")
    ],
    out: Annotated[Path, typer.Option(callback=absolute, help="Folder for what comes out.")],
    since: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Only from this UTC day on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Only to this UTC day.")] = None,
    asset: Annotated[str, typer.Option("--asset", "--coins", help="Only these coins, comma separated.")] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=V1,V2", help="Try these values of a setting; may be repeated."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --set: processes at once; default one a core.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:8786", help="With --set: a Dask scheduler that does the work."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """Run the same services over a recording in one process, without Redis, as fast as possible.

    Writes OUT/decisions.jsonl, OUT/fills.jsonl and OUT/summary.json; two runs give identical bytes.

    With --set each UTC day is replayed from a flat start under every combination of the values, in parallel. Any
    setting of the trading path (validate-config lists them) and of [assets.COIN], which then holds for all coins
    and wins over what the screener measures; lists are written 1:2.5:5. Writes OUT/sweep.csv, sweep.json and
    sweep.png, and names a best one only where the days can show it. Exit code 1 when a day failed.

    \b
    market_maker replay --recording data --out out --since 2026-02-01 --until 2026-02-03
    market_maker replay --recording data --out out --set base_spread_bps=1.5,3,4.5 --set max_inv_usd=100,200
    market_maker replay --recording /mnt/data --out out --set skew_gain=0.5,1 --cluster tcp://10.0.0.5:8786
    """
    from services.venue.market.feed import Part

    use(config)
    coins = tuple(listed(asset))
    part = Part(day("--since", since), day("--until", until), coins)
    if settings:
        from market_maker.sweep.command import Wanted
        from market_maker.sweep.command import run as sweep

        if workers and cluster:
            raise ConfigError("--workers and --cluster exclude each other: a cluster has the workers it has")
        return sweep(Wanted(recording, out, part, tuple(settings), workers, cluster, as_json))
    if workers or cluster:
        raise ConfigError("--workers and --cluster belong to a sweep: --set NAME=V1,V2")
    from market_maker.replay import render, run_replay, shown_progress

    with shown_progress(recording.name) as progress:
        summary = run_replay(recording, out, progress, part)
    print((out / "summary.json").read_text() if as_json else "\n".join(render(summary, out)))
    return 0


@app.command()
def screen(
    asset: Annotated[str, typer.Option("--asset", "--coins", help="Only these coins, comma separated.")] = "",
    data: Annotated[
        Path | None, typer.Option(callback=absolute, help="From the history in this data folder, whatever runs.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """Which coins are expected to earn, at which spread, how sure that is, and what it rests on.

    Of the running screener; when nothing runs, of the recorded history that `analyze` has measured. Exit code 2
    when no coin has a positive edge, 3 when there is neither a running screener nor history.

    \b
    market_maker screen                      all coins, best first
    market_maker screen --asset BTC --json   one, for a script
    market_maker screen --data DIR           what the history in another folder says
    """
    from market_maker.screen import show

    use(config)
    return show(as_json, listed(asset), data)


@app.command()
def explain(
    fill: Annotated[
        str, typer.Argument(metavar="[FILL]", help="Its id, COIN:NUMBER, or the id of its order or trade.")
    ] = "",
    last: Annotated[bool, typer.Option("--last", help="The newest fill.")] = False,
    asset: Annotated[str, typer.Option("--asset", help="Only fills of this coin.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """Why an order was there, what filled it, and what came after: book, estimates, target, lease, the order's
    life, the trades that hit it, markouts, and a verdict in words.

    From the streams while the bot runs, and from data/explain and the recorded market ever after; what is no
    longer recorded is said. Without a fill it lists the newest ones. Exit code 2 when no fill or more than one
    matches, 3 when nothing runs and none is recorded.

    \b
    market_maker explain                     the newest fills
    market_maker explain BTC:12              the twelfth of BTC
    market_maker explain --last --asset ETH  the newest of ETH
    market_maker explain 0x9f… --json        all numbers, for a script
    """
    from market_maker.explain.command import show

    use(config)
    return show(fill, last, asset, as_json)


@app.command("list-dexs")
def list_dexs(as_json: AsJson = False) -> int:
    """HIP-3 perp dexes that the venue offers."""
    from market_maker.dexs import show

    return show(as_json)
