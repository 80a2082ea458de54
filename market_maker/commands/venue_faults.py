"""`market_maker venue fault`, `faults`, `clear`, `scenario`, `limits`: disturb it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from market_maker import venue_lines
from market_maker.arguments import AsJson, absolute
from market_maker.commands.venue_talk import For, OnlyCoin, Port, given_only, seconds, show
from market_maker.venue_door import ask

app = typer.Typer(rich_markup_mode=None)

OnlyUser = Annotated[str | None, typer.Option("--user", help="Only this account, or connections that follow it.")]

FAULTS = """\
\b
connections  drop stall refuse_connections
frames       duplicate reorder stale_book crossed_book dark_fill
requests     http_429 http_5xx delay_answer lose_answer reject
exchange     post_only halt clock_skew slow_block
market       crash
"""


@app.command(epilog=FAULTS)
def fault(
    kind: Annotated[str, typer.Argument(help="One of those below.")],
    duration: For = None,
    count: Annotated[int | None, typer.Option(help="Over after so many effects.")] = None,
    share: Annotated[float | None, typer.Option(help="Part of the occasions that are hit, 0 to 1.")] = None,
    user: OnlyUser = None,
    coin: OnlyCoin = None,
    channel: Annotated[str | None, typer.Option(help="Only frames of this channel, such as l2Book.")] = None,
    connection: Annotated[int | None, typer.Option(help="Only this one; `limits` shows numbers.")] = None,
    action: Annotated[str | None, typer.Option(help="Only answers to this action, such as cancel.")] = None,
    path: Annotated[str | None, typer.Option(help="Only requests to /info or /exchange.")] = None,
    status: Annotated[int | None, typer.Option(help="HTTP status of http_5xx and refuse_connections.")] = None,
    ms: Annotated[int | None, typer.Option(help="Milliseconds of delay, skew, reorder or slow block.")] = None,
    then: Annotated[str | None, typer.Option(help="What a stall held: deliver or drop.")] = None,
    how: Annotated[str | None, typer.Option(help="A stale book: repeat or silent.")] = None,
    text: Annotated[str | None, typer.Option(help="Error text of reject.")] = None,
    frac: Annotated[float | None, typer.Option(help="Move of a crash, such as -0.08.")] = None,
    takers_per_s: Annotated[int | None, typer.Option(help="Market orders a second in a crash.")] = None,
    port: Port = None,
    as_json: AsJson = False,
) -> int:
    """Disturb the venue on purpose. A kind takes only the options that mean something to it, and says which.

    \b
    market_maker venue fault drop --user 0x…              break off what follows an account
    market_maker venue fault stall --for 5s --then drop   nothing arrives, connections stay up
    market_maker venue fault lose_answer --action order --count 1
    market_maker venue fault reject --share 0.3 --for 10s
    market_maker venue fault stale_book --coin BTC --how silent
    market_maker venue fault clock_skew --ms 3000 --for 1m
    market_maker venue fault crash --frac -0.08 --for 20s
    """
    given = {
        "fault": kind, "for_s": seconds(duration), "count": count, "share": share, "user": user, "coin": coin,
        "channel": channel, "connection": connection, "action": action, "path": path, "status": status, "ms": ms,
        "then": then, "how": how, "text": text, "frac": frac, "takers_per_s": takers_per_s,
    }  # fmt: skip
    answer = ask(port, "POST", "faults", given_only(given))
    return show(answer, as_json, [f"{kind} is on as number {answer['number']}"])


@app.command()
def faults(port: Port = None, as_json: AsJson = False) -> int:
    """Which faults are on, and which a scenario has in store."""
    answer = ask(port, "GET", "faults")
    return show(answer, as_json, venue_lines.faults(answer))


@app.command()
def clear(
    number: Annotated[int | None, typer.Argument(help="Only the fault of this number.")] = None,
    port: Port = None,
    as_json: AsJson = False,
) -> int:
    """End all faults and scenarios, or one fault."""
    answer = ask(port, "DELETE", "faults" if number is None else f"faults/{number}")
    return show(answer, as_json, [f"ended: {answer['ended']}"])


@app.command()
def scenario(
    file: Annotated[
        Path, typer.Argument(callback=absolute, help="TOML, such as config/scenarios/reconnect.toml.")
    ],
    step: Annotated[
        bool, typer.Option("--step", help="One fault at each press of Enter, whatever its time.")
    ] = False,
    port: Port = None,
    as_json: AsJson = False,
) -> int:
    """Play a list of faults, each at its time from now on.

    \b
    [[at]]
    s = 5.0              # seconds after the start
    fault = "stall"
    for_s = 3            # the other fields are those of the kind
    coin = "BTC"
    """
    import msgspec

    from services.venue.faults.scenario import load

    steps = [{"s": at.s, **msgspec.to_builtins(at.fault)} for at in load(file)]
    if step:
        return _by_hand(port, steps)
    answer = ask(port, "POST", "scenario", {"at": steps})
    return show(answer, as_json, [f"{answer['steps']} steps, the last after {answer['last_s']:g} s"])


@app.command()
def limits(
    off: Annotated[list[str] | None, typer.Option(help="Switch a limit off; may be repeated.")] = None,
    on: Annotated[list[str] | None, typer.Option(help="Switch a limit on; may be repeated.")] = None,
    port: Port = None,
    as_json: AsJson = False,
) -> int:
    """How much of which limit is used, per address of the internet and per account; or switch limits.

    \b
    market_maker venue limits
    market_maker venue limits --off weight --off address
    """
    wanted = {name: False for name in off or ()} | {name: True for name in on or ()}
    if wanted:
        ask(port, "PATCH", "limits", wanted)
    answer = ask(port, "GET", "limits")
    return show(answer, as_json, venue_lines.limits(answer))


def _by_hand(port: int | None, steps: list[dict[str, Any]]) -> int:
    for step in steps:
        fields = {name: value for name, value in step.items() if name != "s"}
        typer.prompt(f"Enter starts {json.dumps(fields)}", default="", show_default=False, prompt_suffix=" ")
        ask(port, "POST", "faults", fields)
    return 0
