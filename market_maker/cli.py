"""The command line: `market_maker …` (alias `mm`) and, through `launch`, `./start_mm_bot.sh`.

Exit codes: 0 ok, 1 error, 2 gate failed or not found, 3 not running, 4 configuration, 5 timeout, 130 interrupted.
Each command imports what it needs when it runs, so that `status` answers at once.
"""

import os
import sys

import typer

from market_maker.arguments import PROJECT
from market_maker.commands import analyze, data, live, notify, operator, running, settings, venue, watching
from shared.errors import ConfigError, MarketMakerError

CONFIGURATION = 4
INTERRUPTED = 130

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Market maker for Hyperliquid perpetuals. Shadow mode: real market data, simulated orders, no key.",
)
for kind in (running, watching, settings, live, data, operator, notify):
    app.add_typer(kind.app)
app.add_typer(venue.app, name="venue")
app.add_typer(analyze.app)


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
