"""Does what the analysis states hold? Modelled days with a known truth, many seeds.

    python -m tests.bench.coverage                    200 seeds, about ten minutes
    python -m tests.bench.coverage --seeds 50 hours   only these experiments, fewer seeds

Each experiment makes a folder of days for a seed and answers with trials: was the truth inside the stated
interval, was a planted hour found, was a false one called? Their shares are printed with 95 % intervals (exact
binomial; over seeds where a seed asks the same several times) beside what is promised. Experiments stand in
`EXPERIMENTS`; a test runs them with fewer seeds.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

from analysis.bootstrap import Floats, intervals
from analysis.curves import curve, market
from analysis.edges import CoinEdges
from analysis.edges import measure as measure_edges
from analysis.estimates import Estimate
from analysis.gate1 import gate1
from analysis.gate2 import gate2
from analysis.gate3 import gate3, income
from analysis.gate4 import gate4
from analysis.hours import CHAOTIC
from analysis.intensity import sides
from analysis.minutes import measure
from analysis.orders import HORIZONS_S
from analysis.profiles import spread_section, volatility_section
from analysis.store import open_store
from shared.data_files import TICKS
from tests.fixtures.planted import PlantedCoin, write_days

MONDAY = date(2026, 1, 5)
LEVEL = 0.95
FEE_BPS = 1.5
SAMPLE_MS = 1250
"""Fewer rows, the same truth. Divides the five seconds of the returns: mids of mixed age look like jumps."""
NOISE: dict[str, Any] = {"clustering": 0.4, "clustering_s": 600, "spread_noise": 0.3, "orders_per_s": 0.001}
"""Calm and wild times by turns, without market orders that matter."""
Promise = Literal["at least", "at most"]


class Trial(NamedTuple):
    """One question in one seed; `held` is what is counted, `share` what is promised of it."""

    question: str
    held: bool
    promise: Promise = "at least"
    share: float = LEVEL


class Experiment(NamedTuple):
    name: str
    run: Callable[[int], Iterable[Trial]]


class Outcome(NamedTuple):
    """How often it held: by seed, times held and times asked."""

    question: str
    by_seed: tuple[tuple[int, int], ...]
    promise: Promise
    share: float

    @property
    def held(self) -> int:
        return sum(held for held, _ in self.by_seed)

    @property
    def of(self) -> int:
        return sum(asked for _, asked in self.by_seed)

    @property
    def interval(self) -> tuple[float, float]:
        held, of, seeds = self.held, self.of, len(self.by_seed)
        if of > seeds > 1:
            residual = [one - asked * held / of for one, asked in self.by_seed]
            reach = float(stats.t.ppf(0.975, seeds - 1) * np.std(residual, ddof=1) * np.sqrt(seeds) / of)
            return max(0.0, held / of - reach), min(1.0, held / of + reach)
        low = float(stats.beta.ppf(0.025, held, of - held + 1)) if held else 0.0
        return low, float(stats.beta.ppf(0.975, held + 1, of - held)) if held < of else 1.0

    def kept(self, tolerance: float = 0.0) -> bool:
        """Is the promise, less a tolerance, compatible with what was seen?"""
        low, high = self.interval
        return high >= self.share - tolerance if self.promise == "at least" else low <= self.share + tolerance

    def line(self) -> str:
        low, high = self.interval
        seen = f"{self.held / self.of:6.1%} [{low:6.1%}, {high:6.1%}]"
        remark = "" if self.kept() else "   NOT KEPT"
        return f"  {self.question:<58} {seen} of {self.of:>5}   {self.promise} {self.share:.0%}{remark}"


def covers(question: str, found: Estimate, truth: float, share: float = LEVEL) -> Iterable[Trial]:
    """Nothing where no interval was stated."""
    if found.low is not None and found.high is not None:
        yield Trial(question, found.low <= truth <= found.high, share=share)


# ---- experiments ---------------------------------------------------------------------------------------------


def series(seed: int) -> Iterable[Trial]:
    """The bootstrap alone: ratios of sums in one-minute windows whose level persists for five minutes. One hour
    and three are a dozen and three dozen turns of it: too few for 95 %, so less is promised."""

    def mean(sums: Floats) -> Floats:
        return sums[..., :1] / sums[..., 1:]

    for hours in (1, 3, 12):
        rng = np.random.default_rng([seed, hours])
        n = 60 * hours
        calm = rng.standard_normal(n)
        for i in range(1, n):
            calm[i] = np.exp(-0.2) * calm[i - 1] + np.sqrt(1 - np.exp(-0.4)) * calm[i]
        counts = rng.poisson(10, n).astype(float)
        for name, values in (
            ("steady", counts + 2 * np.sqrt(counts) * rng.standard_normal(n)),
            ("persistent", counts * (1 + 0.5 * calm) + 2 * np.sqrt(counts) * rng.standard_normal(n)),
        ):
            (found,) = intervals(
                np.stack([values, counts], axis=1), mean, [int(counts.sum())], seed=seed, reps=999
            )
            promised = {"persistent": {1: 0.75, 3: 0.85}}.get(name, {}).get(hours, LEVEL)
            yield from covers(f"mean, {name} series, {hours} h", found, 1.0, promised)


def hours(seed: int) -> Iterable[Trial]:
    """Four days of two coins: one with two wild hours, one with none."""
    wild = tuple({14: 2.5, 15: 2.0}.get(hour, 1.0) for hour in range(24))
    planted = [PlantedCoin("WILD", hours=wild, **NOISE), PlantedCoin("EVEN", **NOISE)]
    with tempfile.TemporaryDirectory() as folder:
        write_days(Path(folder), planted, MONDAY, 4, seed, (TICKS,), SAMPLE_MS)
        with open_store(Path(folder), threads=1) as store:
            found = gate2({coin: measure(store, coin) for coin in store.coins})
    for coin in planted:
        profile = found.profiles[coin.coin]
        for hour in range(24):
            truth = coin.hours[hour]
            for name, effects in (("volatility", profile.sigma), ("spread", profile.spread)):
                yield from covers(f"{name} of an hour over the usual", effects.ratio(hour), truth)
            if truth > CHAOTIC:
                yield Trial(f"hour {truth} times as wild called chaotic", hour in profile.chaotic, share=0.8)
    called = [hour for coin in planted for hour in found.profiles[coin.coin].chaotic if coin.hours[hour] == 1]
    yield Trial("any false chaotic hour", bool(called), "at most", 1 - LEVEL)
    widened = np.mean(
        [m > 1 for c in planted for m, h in zip(found.hours[c.coin], c.hours, strict=True) if h == 1]
    )
    yield Trial("more than a tenth of the usual hours widened", bool(widened > 0.1), "at most", 1 - LEVEL)


def weekends(seed: int) -> Iterable[Trial]:
    """Thursday to Tuesday, one coin whose weekend is half as wild again and one that knows no weekend."""
    planted = [PlantedCoin("LOUD", weekend=1.5, **NOISE), PlantedCoin("EVEN", **NOISE)]
    with tempfile.TemporaryDirectory() as folder:
        write_days(Path(folder), planted, date(2026, 1, 8), 6, seed, (TICKS,), SAMPLE_MS)
        with open_store(Path(folder), threads=1) as store:
            found = gate4({coin: measure(store, coin) for coin in store.coins})
    for coin in planted:
        one = found.contrasts[coin.coin]
        yield from covers("weekend over weekdays, volatility", one.sigma, coin.weekend)
        yield from covers("weekend over weekdays, spread", one.spread, coin.weekend)
    yield Trial("an even weekend widened", found.weekend["EVEN"] > 1, "at most", 1 - LEVEL)
    yield Trial("a loud weekend widened", found.weekend["LOUD"] > 1, share=0.8)


def levels(seed: int) -> Iterable[Trial]:
    """Half a day: spread and volatility in calm and wild times by turns."""
    coin = PlantedCoin(**NOISE, holes=((12, 24),))
    with tempfile.TemporaryDirectory() as folder:
        write_days(Path(folder), [coin], MONDAY, 1, seed, (TICKS,), SAMPLE_MS)
        with open_store(Path(folder), threads=1) as store:
            minutes = {coin.coin: measure(store, coin.coin)}
            (spread_row,) = spread_section(store, minutes).tables[0].rows
            (volatility_row,) = volatility_section(minutes).tables[0].rows
    spread, sigma, jumps = spread_row[2], volatility_row[1], volatility_row[4]
    assert isinstance(spread, Estimate) and isinstance(sigma, Estimate) and isinstance(jumps, Estimate)
    yield from covers("mean spread, 12 h", spread, coin.spread_bps)
    yield from covers("volatility, 12 h", sigma, 1e4 * coin.sigma_total)
    yield from covers("RV/BV, 12 h", jumps, 1.0)


def _quoted(coin: PlantedCoin, half_spread_bps: float) -> tuple[float, float]:
    """Fills per hour and edge of quotes on both sides, behind their queues. A quote stands on the next price step
    outwards, on average half a step farther, and is passed a step beyond."""
    passed = half_spread_bps + coin.tick_bps
    edge = half_spread_bps + coin.tick_bps / 2 - coin.adverse_bps(passed) - FEE_BPS
    return 2 * 3600 * coin.fills_per_s(passed), edge


def _with_edge(name: str, edge_bps: float) -> PlantedCoin:
    """A coin with the same edge at every half spread from its touch on: impact grows as fast as the reach."""
    coin = PlantedCoin(name, impact_slope=1.0, clustering=0.4, orders_per_s=0.1, tick_px=0.0011)
    free_bps = coin.half_spread_bps - coin.tick_bps - coin.beyond_bps - FEE_BPS
    return replace(coin, impact_bps=free_bps - edge_bps)


def _measured(coins: list[PlantedCoin], days: int, seed: int) -> dict[str, CoinEdges]:
    with tempfile.TemporaryDirectory() as folder:
        write_days(Path(folder), coins, MONDAY, days, seed, sample_ms=1000)
        with open_store(Path(folder), threads=1) as store:
            return {coin: measure_edges(store, coin) for coin in store.coins}


def fills(seed: int) -> Iterable[Trial]:
    """Half a day: adverse selection by horizon, what quotes earn, A and κ. The price of the second coin hardly
    moves, because κ in bps moves with it."""
    moving = PlantedCoin(
        "MOVE", impact_slope=0.3, clustering=0.4, orders_per_s=0.1, tick_px=0.0011, holes=((12, 24),)
    )
    still = replace(moving, coin="REST", impact_bps=0.2, impact_slope=0.1, sigma=2e-5)
    measured = _measured([moving, still], 1, seed)
    for horizon_s, found in zip(HORIZONS_S, market(measured["MOVE"]).adverse, strict=True):
        yield from covers(f"adverse selection at {horizon_s} s, 12 h", found, moving.adverse_bps())
    for point in curve(measured["MOVE"]):
        if point.half_spread_bps in (2.5, 4.0, 6.0, 8.0):
            truth = _quoted(moving, point.half_spread_bps)[1]
            yield from covers(f"edge at {point.half_spread_bps:g} bps, 12 h", point.edge, truth)
    for rate in income(measured["REST"]):
        if rate.half_spread_bps in (2.5, 4.0, 6.0, 8.0):
            per_hour, edge = _quoted(still, rate.half_spread_bps)
            yield from covers("fills per hour at 2.5 to 8 bps, 12 h", rate.fills_per_hour, per_hour)
            yield from covers("income at 2.5 to 8 bps, 12 h", rate.income_bps, per_hour * edge)
    for side in sides(measured["REST"]):
        yield from covers("κ of a side, 12 h", side.kappa_per_bps, still.kappa_per_bps)
        yield from covers("A of a side, 12 h", side.a_per_s, still.a_per_s)


def edge(seed: int) -> Iterable[Trial]:
    """Gate 1 on half a day of four coins: one that earns, two with no edge at any half spread, one that loses."""
    truth = {"EARN": 1.0, "NONE": 0.0, "NULL": 0.0, "LOSE": -1.0}
    coins = [replace(_with_edge(name, bps), holes=((12, 24),)) for name, bps in truth.items()]
    found = gate1(_measured(coins, 1, seed))
    verdicts = {name: judgement.verdict for name, judgement in found.section.by_coin.items()}
    yield Trial(
        "gate 1: any GO without an edge", "GO" in {verdicts[n] for n in truth if truth[n] <= 0}, "at most", 0.05
    )
    yield Trial("gate 1: NO-GO of a coin that earns", verdicts["EARN"] == "NO-GO", "at most", 0.05)
    yield Trial("gate 1: a coin that earns 1 bps is GO", verdicts["EARN"] == "GO", share=0.8)
    yield Trial("gate 1: a coin that loses 1 bps is NO-GO", verdicts["LOSE"] == "NO-GO", share=0.6)
    for name, bps in truth.items():
        yield from covers("gate 1: edge at the chosen half spread", found.coins[name].edge, bps)


def calibration(seed: int) -> Iterable[Trial]:
    """Gate 3 on two days: a coin whose best half spread is known, and one that loses a tenth of a bps at any: in
    two days the drift of the price moves an edge in bps by several hundredths, so a planted zero is none."""
    earns = PlantedCoin("EARN", clustering=0.4, orders_per_s=0.1, tick_px=0.0011, sigma=2e-5, impact_bps=0.3)
    found = gate3(_measured([earns, _with_edge("NONE", -0.1)], 2, seed))
    best = earns.beyond_bps + earns.impact_bps + FEE_BPS
    yield from covers("gate 3: range of the best half spread", found.coins["EARN"].half_spread_bps, best)
    yield from covers("gate 3: 1/κ + AS + fee", found.coins["EARN"].formula_bps, best)
    verdicts = {name: judgement.verdict for name, judgement in found.section.by_coin.items()}
    yield Trial("gate 3: a coin that earns is GO", verdicts["EARN"] == "GO", share=0.8)
    yield Trial("gate 3: GO without an edge", verdicts["NONE"] == "GO", "at most", 0.05)


EXPERIMENTS = (
    Experiment("fills", fills),
    Experiment("edge", edge),
    Experiment("calibration", calibration),
    Experiment("series", series),
    Experiment("levels", levels),
    Experiment("hours", hours),
    Experiment("weekends", weekends),
)


def _trials(task: tuple[str, int]) -> list[Trial]:
    name, seed = task
    (experiment,) = (one for one in EXPERIMENTS if one.name == name)
    return list(experiment.run(seed))


def outcomes(experiment: str, seeds: int, processes: int = 1) -> list[Outcome]:
    """All questions of an experiment, counted over seeds 0 … seeds − 1."""
    tasks = [(experiment, seed) for seed in range(seeds)]
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            answers = list(pool.map(_trials, tasks, chunksize=4))
    else:
        answers = [_trials(task) for task in tasks]
    counted: dict[tuple[str, Promise, float], list[tuple[int, int]]] = defaultdict(list)
    for trials in answers:
        held: dict[tuple[str, Promise, float], list[bool]] = defaultdict(list)
        for trial in trials:
            held[trial.question, trial.promise, trial.share].append(trial.held)
        for key, found in held.items():
            counted[key].append((sum(found), len(found)))
    return [
        Outcome(question, tuple(by_seed), promise, share)
        for (question, promise, share), by_seed in counted.items()
    ]


def main() -> None:
    names = [experiment.name for experiment in EXPERIMENTS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "experiments", nargs="*", metavar="EXPERIMENT", help=f"of {', '.join(names)} (default: all)"
    )
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    unknown = set(asked.experiments) - set(names)
    if unknown:
        parser.error(f"no experiment {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    for name in asked.experiments or names:
        print(f"{name} ({asked.seeds} seeds)")
        for outcome in outcomes(name, asked.seeds, asked.processes):
            print(outcome.line())


if __name__ == "__main__":
    main()
