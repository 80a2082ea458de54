"""`market_maker venue COMMAND`: reach a running bundled venue through its operator's door."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from market_maker import venue_lines
from market_maker.arguments import AsJson, absolute
from market_maker.venue_door import ask
from shared.errors import ConfigError

POLL_S = 0.5
IN_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}

app = typer.Typer(rich_markup_mode=None)

Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=1, max=65535, help="Port of the venue on this machine (default MM_VENUE_PORT, 3001)."
    ),
]
Address = Annotated[str, typer.Argument(help="Account, 0x and 40 hex digits.")]
OnlyUser = Annotated[str | None, typer.Option("--user", help="Only this account, or connections that follow it.")]
OnlyCoin = Annotated[str | None, typer.Option("--coin", help="Only this coin.")]
For = Annotated[str | None, typer.Option("--for", help="How long: 500ms, 5s, 2m. Default: until it is cleared.")]

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
        "fault": kind, "for_s": _seconds(duration), "count": count, "share": share, "user": user, "coin": coin,
        "channel": channel, "connection": connection, "action": action, "path": path, "status": status, "ms": ms,
        "then": then, "how": how, "text": text, "frac": frac, "takers_per_s": takers_per_s,
    }  # fmt: skip
    answer = ask(port, "POST", "faults", _given(given))
    return _show(answer, as_json, [f"{kind} is on as number {answer['number']}"])


@app.command()
def faults(port: Port = None, as_json: AsJson = False) -> int:
    """Which faults are on, and which a scenario has in store."""
    answer = ask(port, "GET", "faults")
    return _show(answer, as_json, venue_lines.faults(answer))


@app.command()
def clear(
    number: Annotated[int | None, typer.Argument(help="Only the fault of this number.")] = None,
    port: Port = None,
    as_json: AsJson = False,
) -> int:
    """End all faults and scenarios, or one fault."""
    answer = ask(port, "DELETE", "faults" if number is None else f"faults/{number}")
    return _show(answer, as_json, [f"ended: {answer['ended']}"])


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
    return _show(answer, as_json, [f"{answer['steps']} steps, the last after {answer['last_s']:g} s"])


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
    return _show(answer, as_json, venue_lines.limits(answer))


@app.command()
def account(
    address: Annotated[str | None, typer.Argument(help="0x and 40 hex digits; without it all are listed.")] = None,
    deposit: Annotated[str | None, typer.Option(help="USDC to pay in; opens the account.")] = None,
    withdraw: Annotated[str | None, typer.Option(help="USDC to take out, the venue's fee included.")] = None,
    volume: Annotated[str | None, typer.Option(help="USDC it is made to have traded yesterday.")] = None,
    port: Port = None,
    as_json: AsJson = False,
) -> int:
    """Balances, positions and orders; or money and volume for tests of fee tiers, budgets and scheduleCancel.

    \b
    market_maker venue account
    market_maker venue account 0x… --deposit 5000 --volume 6000000
    """
    change = _given({"deposit": deposit, "withdraw": withdraw, "volume": volume})
    if address is None:
        if change:
            raise ConfigError("whose? name the ADDRESS")
        answer = ask(port, "GET", "accounts")
        return _show(answer, as_json, [line for each in answer["accounts"] for line in venue_lines.account(each)])
    reply = ask(port, "POST", f"accounts/{address}", change).get("reply") if change else None
    answer = ask(port, "GET", f"accounts/{address}")
    if reply is not None:
        answer["reply"] = reply
    _show(answer, as_json, venue_lines.account(answer))
    return 0 if reply is None or _done(reply) else 1


@app.command()
def agent(
    address: Address,
    key: Annotated[str, typer.Argument(metavar="AGENT", help="Address of the key that may sign for it.")],
    name: Annotated[str, typer.Option(help="The venue lists agents with a name only.")] = "agent",
    days: Annotated[float | None, typer.Option(help="How long (default 90, at most 180).")] = None,
    port: Port = None,
    as_json: AsJson = False,
) -> int:
    """Approve an agent (API wallet) of an account without its key, as if its owner had: its key trades for the
    account and cannot withdraw. Each agent has a key never used before; a new one takes the place of its name.

    \b
    market_maker venue agent 0xACCOUNT… 0xAGENT… --name executor
    market_maker venue agent 0xACCOUNT… 0xAGENT… --name short --days 0.5
    """
    reply = ask(port, "POST", "agents", _given({"user": address, "agent": key, "name": name, "days": days}))
    if as_json:
        print(json.dumps(reply, indent=1))
    else:
        print(f"{key} signs for {address} as {name!r}" if _done(reply) else f"refused: {reply['response']}")
    return 0 if _done(reply) else 1


@app.command()
def order(
    address: Address,
    coin: Annotated[str, typer.Argument()],
    side: Annotated[str, typer.Argument(help="buy or sell.")],
    sz: Annotated[str, typer.Argument(help="Size in coins.")],
    px: Annotated[str | None, typer.Option(help="Limit price.")] = None,
    bps: Annotated[float | None, typer.Option(help="Limit so far behind the mark price.")] = None,
    tif: Annotated[str | None, typer.Option(help="Gtc (default), Alo or Ioc.")] = None,
    reduce_only: Annotated[bool, typer.Option("--reduce-only")] = False,
    cloid: Annotated[str | None, typer.Option(help="0x and 32 hex digits.")] = None,
    port: Port = None,
    as_json: AsJson = False,
) -> int:
    """An order on an account without its key, as if its owner had traded elsewhere.

    \b
    market_maker venue order 0x… BTC buy 0.01              at the market
    market_maker venue order 0x… BTC sell 0.01 --bps 20    resting 20 bps above the mark
    """
    given = {
        "user": address, "coin": coin, "side": side, "sz": sz, "px": px, "bps": bps, "tif": tif,
        "reduce_only": reduce_only or None, "cloid": cloid,
    }  # fmt: skip
    return _replied(ask(port, "POST", "orders", _given(given)), as_json)


@app.command()
def cancel(
    address: Address,
    coin: OnlyCoin = None,
    oid: Annotated[int | None, typer.Option(help="Only this order.")] = None,
    port: Port = None,
    as_json: AsJson = False,
) -> int:
    """Cancel orders of an account without its key: all, those of a coin, or one."""
    return _replied(ask(port, "POST", "cancels", _given({"user": address, "coin": coin, "oid": oid})), as_json)


@app.command("halt-coin")
def halt_coin(
    coin: Annotated[str, typer.Argument()], duration: For = None, port: Port = None, as_json: AsJson = False
) -> int:
    """Refuse orders of a coin; cancels go through."""
    halted = _given({"fault": "halt", "coin": coin, "for_s": _seconds(duration)})
    return _show(ask(port, "POST", "faults", halted), as_json, [f"{coin} is halted"])


@app.command("resume-coin")
def resume_coin(coin: Annotated[str, typer.Argument()], port: Port = None, as_json: AsJson = False) -> int:
    """Take orders of a coin again."""
    return _show(ask(port, "PATCH", f"coins/{coin}", {"halted": False}), as_json, [f"{coin} trades"])


@app.command()
def coins(port: Port = None, as_json: AsJson = False) -> int:
    """Coins with their prices, funding, caps and halts."""
    answer = ask(port, "GET", "coins")
    return _show(answer, as_json, venue_lines.coins(answer))


@app.command()
def truth(
    last: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest entries.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    port: Port = None,
) -> int:
    """What really happened, one fact a line of JSON: orders, matches, fills, balances, faults.

    \b
    market_maker venue truth --follow
    market_maker venue truth --last 10000 > session.jsonl
    """
    for fact in _facts(port, last, follow):
        print(json.dumps(fact, separators=(",", ":")), flush=follow)
    return 0


def _facts(port: int | None, last: int, follow: bool) -> Iterator[Any]:
    """The newest, and then whatever comes; the venue remembers 10000."""
    answer = ask(port, "GET", f"truth?after={-last}&limit={last}")
    yield from answer["facts"]
    try:
        while follow:
            time.sleep(POLL_S)
            answer = ask(port, "GET", f"truth?after={answer['last']}&limit=10000")
            yield from answer["facts"]
    except KeyboardInterrupt:
        return


def _by_hand(port: int | None, steps: list[dict[str, Any]]) -> int:
    for step in steps:
        fields = {name: value for name, value in step.items() if name != "s"}
        typer.prompt(f"Enter starts {json.dumps(fields)}", default="", show_default=False, prompt_suffix=" ")
        ask(port, "POST", "faults", fields)
    return 0


def _replied(reply: Any, as_json: bool) -> int:
    """The venue's own answer to an action; 1 when it refused."""
    if as_json:
        print(json.dumps(reply, indent=1))
    else:
        print(json.dumps(reply["response"] if reply["status"] == "err" else reply["response"]["data"]["statuses"]))
    return 0 if _done(reply) else 1


def _done(reply: Any) -> bool:
    """Has the venue refused nothing of an action?"""
    return reply["status"] == "ok" and '"error"' not in json.dumps(reply)


def _show(answer: Any, as_json: bool, lines: list[str]) -> int:
    print(json.dumps(answer, indent=1) if as_json else "\n".join(lines))
    return 0


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|)", text)
    if found is None:
        raise ConfigError(f"--for is {text!r}; it is a duration such as 500ms, 5s or 2m")
    return float(found[1]) * IN_SECONDS[found[2]]
