"""`market_maker top`: asks whether anything runs, then hands the terminal to the screen."""

import asyncio
import sys
from collections.abc import Collection
from pathlib import Path

from market_maker.access import PEOPLE
from market_maker.deployment import bus_url, read_record
from market_maker.operator_bus import NOT_FOUND, NOT_RUNNING
from market_maker.top.watcher import Watcher
from shared.errors import BusError, ConfigError
from shared.redis_bus import RedisBus


def run(run_dir: Path, only: Collection[str] = ()) -> int:
    """0 when it was left by q, 2 for a coin that is not there, 3 when nothing runs.

    Raises:
        ConfigError: no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("top needs a terminal; `market_maker status` prints one look anywhere")
    return asyncio.run(_run(run_dir, only))


async def _run(run_dir: Path, only: Collection[str]) -> int:
    from market_maker.top.app import Top

    bus = RedisBus(bus_url(run_dir, PEOPLE))
    watcher = Watcher(bus, run_dir, read_record(run_dir), only)
    try:
        if not await watcher.first():
            print("not running: no service has been heard of lately", file=sys.stderr)
            return NOT_RUNNING
        unknown = sorted(set(only) - set(watcher.seen.snapshot.listed if watcher.seen else ()))
        if unknown:
            print(f"not among the coins of this run: {', '.join(unknown)}", file=sys.stderr)
            return NOT_FOUND
        await Top(watcher).run_async()
    except BusError as error:
        print(f"not running ({error})", file=sys.stderr)
        return NOT_RUNNING
    finally:
        await bus.close()
    return 0
