"""Gate 1: verdicts on markets whose edge is known, and what it says when it cannot know."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from analysis.choice import choose
from analysis.edges import GRID_BPS, CoinEdges, measure
from analysis.gate1 import MIN_HOURS, MIN_ORDERS, gate1, judge
from analysis.store import open_store
from shared.data_files import DEPTH, TICKS, TRADES
from tests.bench.coverage import MONDAY, _measured, _with_edge
from tests.bench.csvs import write_csvs
from tests.fixtures.gate_files import write_ticks, write_trades
from tests.fixtures.planted import PlantedCoin, write_days

SEEDS = 50
RECORDING = Path(__file__).resolve().parents[3] / "shared" / "market-data" / "hl-20250903-4coins"
TRUTH = {"EARN": 1.0, "NONE": 0.0, "LOSE": -1.0}
MANY = {**TRUTH, "LOSE": -2.0}


def only(hours: float, coin: PlantedCoin) -> PlantedCoin:
    return replace(coin, holes=((hours, 24),))


@pytest.fixture(scope="module")
def half_day() -> dict[str, CoinEdges]:
    return _measured([only(12, _with_edge(name, bps)) for name, bps in TRUTH.items()], 1, seed=1)


def seen(share: float, of: int, promise: Literal["at most", "at least"]) -> int:
    """Counts beyond this contradict the promised share, with 99.9 %."""
    return int(stats.binom.ppf(0.999 if promise == "at most" else 0.001, of, share))


def test_over_many_seeds_verdicts_are_right_as_often_as_promised() -> None:
    false_go, verdicts = 0, {name: Counter[str]() for name in MANY}
    covered = []
    for seed in range(SEEDS):
        coins = [only(12, _with_edge(name, bps)) for name, bps in MANY.items()]
        judged = judge(_measured(coins, 1, seed))
        false_go += any(judged[name].judgement.verdict == "GO" for name in ("NONE", "LOSE"))
        for name, one in judged.items():
            verdicts[name][one.judgement.verdict] += 1
            covered.append(one.edge.low <= MANY[name] <= one.edge.high)  # type: ignore[operator]
    assert false_go <= seen(0.05, SEEDS, "at most")
    assert sum(covered) >= seen(0.95, len(covered), "at least")
    assert verdicts["EARN"]["GO"] >= 0.8 * SEEDS and not verdicts["EARN"]["NO-GO"]
    assert verdicts["LOSE"]["NO-GO"] >= 0.8 * SEEDS


def test_the_answer_is_the_same_each_time_and_names_coins(half_day: dict[str, CoinEdges]) -> None:
    found = gate1(half_day)
    assert repr(gate1(half_day).section) == repr(found.section)
    verdicts = {name: one.verdict for name, one in found.section.by_coin.items()}
    assert verdicts["EARN"] == "GO" and verdicts["LOSE"] == "NO-GO"
    assert found.section.judgement is not None and found.section.judgement.verdict == "GO"
    assert "EARN" in found.section.judgement.reason and "remove: LOSE" in found.section.judgement.reason
    assert all(len(table.columns) == len(row) for table in found.section.tables for row in table.rows)


def test_many_coins_ask_for_more_certainty(half_day: dict[str, CoinEdges]) -> None:
    alone = judge({"EARN": half_day["EARN"]})["EARN"].bound
    crowd = {
        "EARN": half_day["EARN"],
        **{f"NONE{i}": half_day["NONE"]._replace(coin=f"NONE{i}") for i in range(29)},
    }
    among = judge(crowd)["EARN"].bound
    assert alone is not None and among is not None and among < alone


def test_without_the_least_data_there_is_no_verdict_whatever_the_numbers_say(
    half_day: dict[str, CoinEdges],
) -> None:
    short = _measured([only(MIN_HOURS - 0.5, _with_edge("EARN", 5.0))], 1, seed=2)
    judgement = judge(short)["EARN"].judgement
    assert judgement.verdict == "NOT ENOUGH DATA" and f"2.5 of {MIN_HOURS:.0f} h" in judgement.reason
    assert judgement.needs == "about 0.5 h more data"
    few = half_day["EARN"]._replace(orders=MIN_ORDERS - 1)
    assert f"{MIN_ORDERS - 1} of {MIN_ORDERS} market orders" in judge({"EARN": few})["EARN"].judgement.reason
    quiet = judge(_measured([only(12, replace(_with_edge("QUIET", 5.0), orders_per_s=0.0009))], 1, seed=3))[
        "QUIET"
    ]
    assert quiet.judgement.verdict == "NOT ENOUGH DATA"


def test_an_order_after_the_last_tick_counts_whatever_window_it_falls_into(tmp_path: Path) -> None:
    write_ticks(tmp_path, "AAA", 0, 60)
    write_trades(tmp_path, "AAA", 0, 61)
    with open_store(tmp_path) as store:
        edges = measure(store, "AAA")
    assert edges.orders == 61 and edges.side_orders.sum() == 61 and edges.seconds.sum() == 59.5


def test_what_never_happened_is_not_said_to_take_for_ever(tmp_path: Path) -> None:
    write_ticks(tmp_path, "AAA", 0, 60)
    with open_store(tmp_path) as store:
        needs = judge({"AAA": measure(store, "AAA")})["AAA"].judgement.needs
    assert needs == "about 3.3 h more data"


def test_the_half_spread_is_chosen_by_one_half_and_valued_by_the_other(half_day: dict[str, CoinEdges]) -> None:
    edges = half_day["EARN"]
    choice = choose(edges)
    assert choice is not None and choice.best_bps in GRID_BPS
    odd = np.arange(len(edges.seconds)) * 20 // len(edges.seconds) % 2 == 1
    for half, chosen in ((odd, choice.fold_bps[0]), (~odd, choice.fold_bps[1])):
        assert choice.known[half].sum() == edges.through.known[half][:, GRID_BPS.index(chosen)].sum()
        seen = edges.through.known[~half].sum(axis=0)[1:8]
        gain = (edges.through.capture - edges.through.adverse)[~half].sum(axis=0)[1:8]
        income = edges.through.fills[~half].sum(axis=0)[1:8] * (gain / seen - edges.fee_bps)
        assert chosen in GRID_BPS[1:8] and GRID_BPS.index(chosen) - 1 == int(np.argmax(income))


def test_depth_tells_the_queue_ahead(tmp_path: Path) -> None:
    coin = only(4, PlantedCoin(level_usd=500.0))
    write_days(tmp_path, [coin], MONDAY, 1, seed=5, families=(TICKS, TRADES, DEPTH), sample_ms=1000)
    with open_store(tmp_path) as store:
        queues = measure(store, coin.coin, depth=True).queues
    assert queues is not None
    assert queues.known[0] > 100 and queues.ahead_usd[0] == pytest.approx(500 * np.log(2), rel=0.3)
    assert queues.ahead_usd[0] < queues.ahead_usd[2] and 0 < queues.cleared_frac[0] < 1


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, CoinEdges]]:
    if not RECORDING.is_dir():
        pytest.skip(f"no recordings at {RECORDING.parent}")
    folder = tmp_path_factory.mktemp("recorded")
    write_csvs(RECORDING, folder)
    with open_store(folder) as store:
        yield {coin: measure(store, coin, depth=True) for coin in store.coins}


def test_minutes_of_a_real_market_are_not_enough(recorded: dict[str, CoinEdges]) -> None:
    found = gate1(recorded)
    assert {one.verdict for one in found.section.by_coin.values()} == {"NOT ENOUGH DATA"}
    assert found.section.judgement is not None and found.section.judgement.verdict == "NOT ENOUGH DATA"
    spread = found.coins["BTC"].market.spread.value
    assert spread is not None and 0.08 < spread < 0.5
    assert not found.coins["BTC"].market.rules.strict_pass
