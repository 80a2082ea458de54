"""`market_maker explain`: find, gather, tell, show."""

import json
import sys
from collections.abc import Sequence

from rich.console import Console

from market_maker.deployment import bus_url, data_dir, run_dir
from market_maker.explain import find, render
from market_maker.explain.evidence import gather
from market_maker.explain.story import tell
from shared.clock import wall_ms
from shared.errors import ConfigError
from shared.messages import Fill

OK, NOT_FOUND, NOT_RUNNING = 0, 2, 3


def show(wanted: str, last: bool, asset: str, as_json: bool) -> int:
    """Explain the fill that is named, or the last one, or list the newest; 0, 2 not found or ambiguous, 3 when
    nothing runs and nothing was recorded.

    Raises:
        ConfigError: both the last one and another are asked for.
    """
    if wanted and last:
        raise ConfigError(
            f"--last is the newest fill and {wanted} names one: leave one of them out;"
            " the newest of a coin is --last --asset COIN"
        )
    url, folder = bus_url(run_dir()), data_dir()
    if wanted:
        known = find.matching(url, folder, asset, wanted)
    else:
        known = find.latest(url, folder, asset, 1 if last else find.NEAREST)
    if len(known.fills) == 1 and (wanted or last):
        return _explain(url, known.fills[0], as_json)
    if not wanted and not last and known.fills:
        return _list(known.fills, "", as_json, OK)
    if known.fills:
        return _list(known.fills[: find.NEAREST], f"{len(known.fills)} fills match {wanted}", as_json, NOT_FOUND)
    newest = find.latest(url, folder, asset, find.NEAREST) if wanted else known
    if newest.fills:
        return _list(newest.fills, f"no fill matches {wanted}; the newest ones are", as_json, NOT_FOUND)
    of = f" of {asset}" if asset else ""
    if newest.running:
        return _nothing(f"no fill{of} yet", as_json, NOT_FOUND)
    return _nothing(f"not running, and no fill{of} is recorded in {folder}", as_json, NOT_RUNNING)


def _explain(url: str, fill: Fill, as_json: bool) -> int:
    evidence = gather(url, data_dir(), fill)
    story = tell(evidence, wall_ms())
    if as_json:
        print(json.dumps(render.facts(evidence, story), indent=1))
        return OK
    console = Console(highlight=False, width=None if sys.stdout.isatty() else render.WIDTH)
    for line in render.lines(evidence, story):
        console.print(line)
    return OK


def _list(fills: Sequence[Fill], why: str, as_json: bool, code: int) -> int:
    if as_json:
        said = [{"coin": fill.coin, "seq": fill.seq, "mode": fill.mode, "fill_id": fill.fill_id} for fill in fills]
        print(json.dumps({"error": why or None, "fills": said}, indent=1))
        return code
    if why:
        print(f"{why}:", file=sys.stderr)
    for fill in fills:
        print(*render.entry(fill), sep="\n")
    print("market_maker explain COIN:NUMBER tells the story of one", file=sys.stderr)
    return code


def _nothing(text: str, as_json: bool, code: int) -> int:
    print(
        json.dumps({"error": text, "fills": []}) if as_json else text, file=sys.stdout if as_json else sys.stderr
    )
    return code
