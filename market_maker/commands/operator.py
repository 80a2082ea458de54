"""`market_maker halt`, `resume`, `reduce-only`, `cancel-all`, `flatten`: the operator's commands to what runs."""

from pathlib import Path
from typing import Annotated

import typer

from market_maker.arguments import AsJson, listed

app = typer.Typer(rich_markup_mode=None)

Reason = Annotated[str, typer.Argument(help="Why; `resume` asks for it.")]
SomeCoins = Annotated[
    str, typer.Option("--asset", "--coins", help="Only these coins, comma separated; default: all.")
]


def _here() -> Path:
    from market_maker.deployment import run_dir

    return run_dir()


@app.command()
def halt(
    reason: Reason,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would happen; nothing is sent.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Stop quoting and cancel everything, until `resume`; survives restarts. Positions stay.

    Exit code 0 when no order rests any more, 3 when nothing runs, 5 when that cannot be seen.

    \b
    market_maker halt --dry-run "why"   which orders would go, which positions stay, what `resume` would ask
    """
    from market_maker import operate

    return operate.halt(_here(), reason, as_json, dry_run)


@app.command()
def resume(as_json: AsJson = False) -> int:
    """End halt, reduce-only and flatten, after typing their reasons at a terminal.

    After a halt the daily loss budget begins anew with it. Exit code 0 when quoting is allowed again, 1 not
    confirmed at a terminal, 3 when nothing runs, 5 when something still stands against it: it says what.
    """
    from market_maker import operate

    return operate.resume(_here(), as_json)


@app.command("reduce-only")
def reduce_only(reason: Reason, asset: SomeCoins = "", as_json: AsJson = False) -> int:
    """Quote only towards flat, until `resume`; survives restarts.

    Exit code 0 when the executor holds to it, 2 no such coin, 3 when nothing runs, 5 when that cannot be seen.

    \b
    market_maker reduce-only "news tonight"               every coin
    market_maker reduce-only --asset DOGE,SUI "too wild"  these two
    """
    from market_maker import operate

    return operate.reduce_only(_here(), tuple(listed(asset)), reason, as_json)


@app.command("cancel-all")
def cancel_all(
    reason: Annotated[str, typer.Argument(help="Why; for the log.")] = "operator", as_json: AsJson = False
) -> int:
    """Cancel every resting order once; quoting goes on with the next quotes. `halt` makes it last.

    Exit code 0 when all that rested are known to be over, 3 when nothing runs, 5 when that cannot be seen.
    """
    from market_maker import operate

    return operate.cancel_all(_here(), reason, as_json)


@app.command()
def flatten(
    asset: SomeCoins = "",
    now: Annotated[
        bool, typer.Option("--now", help="Take what the book shows, in slices, instead of resting at the touch.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only the preview; nothing is asked or sent.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait and watch.")] = 60,
    as_json: AsJson = False,
) -> int:
    """Close positions: shows what that costs at this book, asks for FLATTEN to be typed, and watches.

    The coins stay reduce-only until `resume`. Ctrl+C ends the watching, not the flattening. Exit code 0 flat,
    1 not confirmed at a terminal, 2 no such coin, 3 nothing runs, 5 not flat yet: it says what is left and why.

    \b
    market_maker flatten --dry-run           what would it cost, resting as a maker
    market_maker flatten --now --dry-run     and at once
    market_maker flatten --asset BTC --now   BTC, at once
    """
    from market_maker.flatten import Wish
    from market_maker.flatten import flatten as close

    return close(_here(), Wish(tuple(listed(asset)), now), dry_run=dry_run, timeout_s=timeout, as_json=as_json)
