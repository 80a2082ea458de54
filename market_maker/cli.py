"""The command line: `market_maker …` (alias `mm`) and, through `launch`, `./start_mm_bot.sh`.

Exit codes: 0 ok, 1 error, 2 gate failed or not found, 3 not running, 4 configuration, 5 timeout, 130 interrupted.
Each command imports what it needs when it runs, so that `status` answers at once.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from market_maker.analyze_cli import app as analyze_app
from market_maker.arguments import AsJson, absolute
from market_maker.notify_cli import app as notify_app
from market_maker.operate_cli import app as operate_app
from market_maker.venue_cli import app as venue_app
from shared.errors import ConfigError, MarketMakerError

if TYPE_CHECKING:
    from shared.config import EngineConfig

PROJECT = Path(__file__).resolve().parents[1]
CONFIGURATION = 4
INTERRUPTED = 130

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Market maker for Hyperliquid perpetuals. Shadow mode: real market data, simulated orders, no key.",
)


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
Demo = Annotated[bool, typer.Option("--demo", help="Short for --venue sim: no network, no key, no Docker needed.")]
Recording = Annotated[
    Path | None, typer.Option(callback=absolute, help="Folder of a recording to replay; implies --venue replay.")
]
Speed = Annotated[str | None, typer.Option(help="Speed of the bundled venue: 1, 10, … or max.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the modelled market.")]
Loop = Annotated[bool, typer.Option("--loop", help="Start the recording again when it ends.")]
FillUniverse = Annotated[
    bool, typer.Option("--fill-universe", help="Add modelled coins to the recorded ones, up to 30.")
]
Coins = Annotated[
    str | None, typer.Option("--coins", "--asset", help="Coins to quote, comma separated; default: the top ones.")
]
Dex = Annotated[str | None, typer.Option(help="HIP-3 perp dex; default: the main one.")]
TopN = Annotated[int | None, typer.Option(help="How many of the coins with most 24 h volume (default 30).")]
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


@app.command()
def status(
    as_json: AsJson = False,
    asset: Annotated[str, typer.Option("--asset", help="Only these coins, comma separated.")] = "",
) -> int:
    """What is running, what it earns, and why a side is not quoting."""
    from market_maker.deployment import run_dir
    from market_maker.status import show

    return show(run_dir(), as_json, [coin.strip() for coin in asset.split(",") if coin.strip()])


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
    whichever there is; goes on through restarts. Exit code 3 when nothing runs and there are no files.

    \b
    market_maker logs --follow                     everything, as it comes
    market_maker logs --coin BTC --follow          one coin
    market_maker logs --level warning --since 2h   what needed attention
    market_maker logs --tag FILL --since 1d --json fills of a day for jq
    """
    from market_maker.deployment import run_dir
    from market_maker.logs import show, wanted

    if config:
        os.environ["MM_CONFIG"] = str(config)
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

    return watch(run_dir(), [coin.strip() for coin in asset.split(",") if coin.strip()])


@app.command()
def first30(
    shadow: Annotated[bool, typer.Option("--shadow", help="Also when it trades in shadow.")] = False,
    minutes: Annotated[float, typer.Option(min=0.01, help="How long to watch.")] = 30,
    as_json: AsJson = False,
) -> int:
    """Watch the first half hour of live trading: what must happen by which minute, and the red flags, each with
    value, threshold, verdict and the command to run.

    A session younger than --minutes is watched from its own beginning, an older one from now. Changes nothing;
    Ctrl+C ends it early. Writes logs/first30-TIME.md and .json. Exit code 2 when a red flag stood, 3 when nothing
    runs. mm_monitor tells the same by itself after a live start, in lines with [FIRST30].

    \b
    market_maker first30                        right after a live start
    market_maker first30 --shadow --minutes 5   in shadow, the first five minutes
    """
    from market_maker.deployment import run_dir
    from market_maker.first30.command import Wanted
    from market_maker.first30.command import run as watch

    return watch(run_dir(), Wanted(shadow, minutes, as_json))


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


app.add_typer(operate_app)
app.add_typer(notify_app)


@app.command("generate-config")
def generate_config(
    output: Annotated[Path, typer.Option("--output", "-o", callback=absolute)] = PROJECT / "market_maker.toml",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> int:
    """Write a settings file with every setting, its unit and its default."""
    from market_maker import settings_file

    settings_file.write(output, _models(), force)
    print(f"written: {output}")
    return 0


@app.command("validate-config")
def validate_config(config: Config = None) -> int:
    """Check all settings of all services; print each value and where it comes from, then sizes and stops."""
    from market_maker import settings_file, sizes
    from shared.config import check_environment, load

    if config:
        os.environ["MM_CONFIG"] = str(config)
    check_environment(_models())
    for table, name, value, source in list(settings_file.effective(_models())):
        print(f"{table + '.' + name:<42} {value:<32} {source}")
    print()
    for line in sizes.lines({model.section: load(model) for model in _models()}):
        print(line)
    return 0


@app.command()
def doctor(config: Config = None) -> int:
    """Check this machine: Python, packages, Docker, ports, Redis, disk, venue, clock; with MM_SHADOW_MODE=false
    also account, keys, margin, request budget, gates, and what can be lost."""
    from market_maker.doctor import examine

    if config:
        os.environ["MM_CONFIG"] = str(config)
    return examine()


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


@venue_app.callback(invoke_without_command=True)
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


app.add_typer(venue_app, name="venue")


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
        )
    )  # fmt: skip


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

    if config:
        os.environ["MM_CONFIG"] = str(config)
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
    from market_maker.arguments import day
    from services.venue.market.feed import Part

    if config:
        os.environ["MM_CONFIG"] = str(config)
    coins = tuple(coin.strip() for coin in asset.split(",") if coin.strip())
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

    if config:
        os.environ["MM_CONFIG"] = str(config)
    return show(as_json, [coin.strip() for coin in asset.split(",") if coin.strip()], data)


app.add_typer(analyze_app)


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

    if config:
        os.environ["MM_CONFIG"] = str(config)
    return show(fill, last, asset, as_json)


@app.command("list-dexs")
def list_dexs(as_json: AsJson = False) -> int:
    """HIP-3 perp dexes that the venue offers."""
    from market_maker.dexs import show

    return show(as_json)


def _models() -> "list[type[EngineConfig]]":
    from market_maker.config import LauncherConfig
    from services import SERVICES, load

    return [LauncherConfig, *(load(name).config for name in SERVICES)]


def main(only: str = "", prog: str = "market_maker") -> int:
    """Everything that can go wrong on purpose ends in one line and its exit code. `only`: one command, for a
    program of its own."""
    command = typer.main.get_command(app)
    if only:
        command = command.commands[only]  # type: ignore[attr-defined]
    os.chdir(PROJECT)
    try:
        with command.make_context(prog, sys.argv[1:] or ([] if only else ["--help"])) as context:
            code = int(command.invoke(context) or 0)
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except typer.Exit as ending:
        return ending.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except typer.TyperException as error:
        print(f"error: {error.format_message().rstrip('.')}; see --help", file=sys.stderr)
        return CONFIGURATION
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return CONFIGURATION
    except MarketMakerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
