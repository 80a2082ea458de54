"""`market_maker venue halt-coin`, `resume-coin`, `coins`, `truth`: its market and what really happened."""

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from market_maker import venue_lines
from market_maker.arguments import AsJson
from market_maker.commands.venue_talk import For, Port, given_only, seconds, show
from market_maker.venue_door import ask

POLL_S = 0.5

app = typer.Typer(rich_markup_mode=None)


@app.command("halt-coin")
def halt_coin(
    coin: Annotated[str, typer.Argument()], duration: For = None, port: Port = None, as_json: AsJson = False
) -> int:
    """Refuse orders of a coin; cancels go through."""
    halted = given_only({"fault": "halt", "coin": coin, "for_s": seconds(duration)})
    return show(ask(port, "POST", "faults", halted), as_json, [f"{coin} is halted"])


@app.command("resume-coin")
def resume_coin(coin: Annotated[str, typer.Argument()], port: Port = None, as_json: AsJson = False) -> int:
    """Take orders of a coin again."""
    return show(ask(port, "PATCH", f"coins/{coin}", {"halted": False}), as_json, [f"{coin} trades"])


@app.command()
def coins(port: Port = None, as_json: AsJson = False) -> int:
    """Coins with their prices, funding, caps and halts."""
    answer = ask(port, "GET", "coins")
    return show(answer, as_json, venue_lines.coins(answer))


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
