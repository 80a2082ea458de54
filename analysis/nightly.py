"""`python -m analysis.nightly --data DIR`: bring market profile and verdicts up to date after the conversion.

Looks at the last days, with low priority and bounded memory; writes `data/state/market_profile.json` for the
screener and `data/state/analysis.json` for status and dashboards. The last line on standard output is JSON:
`{"coins": 30, "seconds": 41.2}`. Exit code 0: done, 1: an error, 2: there was nothing to analyse.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import msgspec

from analysis.estimates import Verdict
from analysis.profile import build
from analysis.run import Asked, Found, find
from analysis.store import Store, open_store
from shared import market_profile
from shared.clock import monotonic_s, utc_day, wall_ms
from shared.config import EngineConfig, load
from shared.errors import DataError, MarketMakerError

FILE = Path("state") / "analysis.json"
"""In the data folder."""
DAYS = 14
"""Markets change, and two weekends fit."""
MEMORY_MB = 96
"""Of DuckDB; the rest goes to `data/state/tmp`."""
NICENESS = 10
OK, ERROR, NOTHING = 0, 1, 2


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One gate; `coins` by verdict."""

    verdict: Verdict
    reason: str
    needs: str
    coins: Mapping[str, Verdict]


class Nightly(msgspec.Struct, frozen=True, kw_only=True):
    """What the gates said, when, of which data."""

    made_ms: int
    venue: str
    first_ms: int
    last_ms: int
    code: str
    gates: Mapping[str, Judged]


def verdicts(found: Found) -> Nightly:
    about = found.answer.about
    return Nightly(
        made_ms=about.made_ms,
        venue=about.venue,
        first_ms=about.first_ms,
        last_ms=about.last_ms,
        code=about.code,
        gates={
            gate.name: Judged(
                verdict=gate.judgement.verdict,
                reason=gate.judgement.reason,
                needs=gate.judgement.needs,
                coins={coin: judgement.verdict for coin, judgement in gate.by_coin.items()},
            )
            for gate in found.answer.gates
            if gate.judgement is not None
        },
    )


def read(data_dir: Path) -> Nightly | None:
    """The newest verdicts; None when there are none yet.

    Raises:
        DataError: there is a file, but it is none.
    """
    file = data_dir / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Nightly)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
        raise DataError(f"{file}: no verdicts of an analysis ({error}); remove it") from error


def bring_up_to_date(store: Store) -> None:
    """Profile and verdicts, each replaced at once."""
    found = find(store, Asked(everything=False, queues=False))
    market_profile.write(store.data_dir, build(found))
    file = store.data_dir / FILE
    fresh = file.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(verdicts(found)), indent=1) + b"\n")
    fresh.replace(file)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m analysis.nightly", description=__doc__)
    parser.add_argument("--data", type=Path, help="data folder (default: that of the settings)")
    parser.add_argument("--days", type=int, default=DAYS, help=f"UTC days, today included (default {DAYS})")
    options = parser.parse_args(arguments)
    os.nice(NICENESS)
    begun_s = monotonic_s()
    try:
        data_dir = options.data or load(EngineConfig).data_dir
        store = _open(data_dir, utc_day(wall_ms()) - timedelta(days=options.days - 1))
        if store is None:
            return NOTHING
        with store:
            bring_up_to_date(store)
    except (MarketMakerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return ERROR
    done = {"coins": len(store.coins), "seconds": round(monotonic_s() - begun_s, 1)}
    print(msgspec.json.encode(done).decode())
    return OK


def _open(data_dir: Path, since: date) -> Store | None:
    """None, and a line, when nothing was recorded since then."""
    try:
        return open_store(data_dir, since=since, memory_mb=MEMORY_MB, threads=1)
    except DataError as error:
        print(error, file=sys.stderr)
        return None


if __name__ == "__main__":
    sys.exit(main())
