"""`market_maker venue account`, `agent`, `order`, `cancel`: act as the owner of an account, without its key."""

import json
from typing import Annotated

import typer

from market_maker import venue_lines
from market_maker.arguments import AsJson
from market_maker.commands.venue_talk import OnlyCoin, Port, done, given_only, replied, show
from market_maker.venue_door import ask
from shared.errors import ConfigError

app = typer.Typer(rich_markup_mode=None)

Address = Annotated[str, typer.Argument(help="Account, 0x and 40 hex digits.")]


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
    change = given_only({"deposit": deposit, "withdraw": withdraw, "volume": volume})
    if address is None:
        if change:
            raise ConfigError("whose? name the ADDRESS")
        answer = ask(port, "GET", "accounts")
        return show(answer, as_json, [line for each in answer["accounts"] for line in venue_lines.account(each)])
    reply = ask(port, "POST", f"accounts/{address}", change).get("reply") if change else None
    answer = ask(port, "GET", f"accounts/{address}")
    if reply is not None:
        answer["reply"] = reply
    show(answer, as_json, venue_lines.account(answer))
    return 0 if reply is None or done(reply) else 1


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
    reply = ask(port, "POST", "agents", given_only({"user": address, "agent": key, "name": name, "days": days}))
    if as_json:
        print(json.dumps(reply, indent=1))
    else:
        print(f"{key} signs for {address} as {name!r}" if done(reply) else f"refused: {reply['response']}")
    return 0 if done(reply) else 1


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
    return replied(ask(port, "POST", "orders", given_only(given)), as_json)


@app.command()
def cancel(
    address: Address,
    coin: OnlyCoin = None,
    oid: Annotated[int | None, typer.Option(help="Only this order.")] = None,
    port: Port = None,
    as_json: AsJson = False,
) -> int:
    """Cancel orders of an account without its key: all, those of a coin, or one."""
    return replied(ask(port, "POST", "cancels", given_only({"user": address, "coin": coin, "oid": oid})), as_json)
