"""`make soak`: random sessions on the whole venue, audited after every block, for as long as one likes.

    python -m tests.bench.soak --minutes 5 --from 1

A failure names its market and seed: `played(market, seed, length)` of `tests.fixtures.venue_audit` plays it again.
"""

import argparse
from itertools import count

from shared.clock import monotonic_s
from tests.fixtures.venue_audit import played
from tests.fixtures.venue_session import MARKETS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--from", dest="first", type=int, default=1, help="seed of the first session")
    parser.add_argument("--steps", type=int, default=400, help="length of a session")
    asked = parser.parse_args()
    end_s = monotonic_s() + asked.minutes * 60
    facts = 0
    for seed in count(asked.first):
        for market in MARKETS:
            try:
                facts += len(played(market, seed, asked.steps).facts)
            except Exception as error:
                raise SystemExit(f"market {market} seed {seed} steps {asked.steps}: {error!r}") from error
        if monotonic_s() >= end_s:
            break
    print(f"seeds {asked.first} to {seed}: {facts:,} facts, all in order")


main()
