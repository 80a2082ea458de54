"""`market_maker gates`, `drill`: what is asked of the bot before money."""

from pathlib import Path
from typing import Annotated

import typer

from market_maker.arguments import AsJson, Coins, Config, Dex, TopN, Venue, absolute

app = typer.Typer(rich_markup_mode=None)


@app.command()
def gates(
    data: Annotated[
        Path | None,
        typer.Option(callback=absolute, help="Data folder; default MM_DATA_DIR, data/ in the project."),
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask what only a person can answer, at this terminal.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(callback=absolute, help="Also write the checklist with its charts to this .html file."),
    ] = None,
    venue: Venue = None,
    coins: Coins = None,
    top_n: TopN = None,
    dex: Dex = None,
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """The checklist before money: the five gates, from what was recorded and what shadow trading earned.

    Each item says what is asked, what was found with its interval, GO, NO-GO or NOT ENOUGH DATA, and how much more
    is needed. Only shadow minutes under the present settings count, so give the flags that the live start will
    have. The result stays in data/state as sealed evidence that a live start reads; it holds for 7 days, for these
    settings and this code. Exit code 2 unless every gate is GO. Every item: docs/gates.md

    \b
    market_maker gates                     look, say what is missing, leave the evidence
    market_maker gates --ask               and answer what only a person can
    market_maker gates --report gates.html a page to keep, with all tables and charts
    market_maker gates --coins BTC,ETH     for a start with these coins
    """
    from market_maker.gates.command import Wanted
    from market_maker.gates.command import run as look
    from market_maker.options import Options

    options = Options(venue=venue, coins=coins, top_n=top_n, dex=dex, config=config)
    return look(Wanted(options, data, ask, as_json, report))


@app.command()
def drill(
    fault: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME", help="Only this fault; may be repeated.")
    ] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each fault is committed.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Decides market, moments and order of the faults.")] = 1,
    calm: Annotated[bool, typer.Option("--calm", help="No faults: a long run on all coins instead.")] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="Instead: each rule of the guard must fire in its case. Seconds.")
    ] = False,
    minutes: Annotated[float, typer.Option(min=1, help="Length of the long run in the market's time.")] = 60,
    speed: Annotated[
        float | None, typer.Option(min=0.1, max=100, help="Of the market; default 1, long run 4.")
    ] = None,
    coins: Annotated[int | None, typer.Option(min=1, max=30, help="Default 4, long run 30.")] = None,
    keep: Annotated[
        Path | None, typer.Option(callback=absolute, help="New folder for logs and truth log, by a short path.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(callback=absolute, help="Also write the results to this .html or .md file.")
    ] = None,
    join: Annotated[
        list[Path] | None,
        typer.Option("--join", metavar="FILE", help="Commit nothing: join what --json printed elsewhere; repeat."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Prove live trading on the bundled venue: real processes, real Redis, made-up account, money and keys.

    Starts the whole bot live on ports and in a folder of its own, commits one fault after the other, and looks
    each time: is every resting order known or none left, is the position the venue's, was no order sent twice, and
    how long did it take? All faults take about an hour and a half. Exit code 2 when anything differed; then the
    logs are kept.

    \b
    market_maker drill                                   all faults, 20 times each
    market_maker drill --fault kill_executor --fault lost_ack --repetitions 3
    market_maker drill --calm --minutes 60 --speed 4     30 coins for an hour of the market, then the books
    market_maker drill --join a.json --join b.json --report drill.html   groups of faults that ran side by side
    market_maker drill --rules                           every rule of the guard, in seconds, nothing started
    """
    if rules:
        from market_maker.rules_drill.command import run as prove

        return prove(as_json)
    from market_maker.drill.command import Wanted, run

    return run(
        Wanted(
            faults=tuple(fault or ()), repetitions=repetitions, seed=seed, calm=calm, minutes=minutes, speed=speed,
            coins=coins, keep=keep, report=report, as_json=as_json,
            join=tuple(path for file in join or () if (path := absolute(file))),
        )
    )  # fmt: skip
