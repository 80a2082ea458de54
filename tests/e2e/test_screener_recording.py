"""The screener over a whole recording with a history that has become wrong: the live market must win."""

from itertools import pairwise

import pytest

from services.screener.config import ScreenerConfig
from services.screener.core import Screener
from services.screener.history import HistoryRead
from services.screener.lines import TOLD_AT_ONCE
from shared.messages import AssetConfig, CoinMeta, Event, Universe
from shared.service import Tick
from tests.fixtures.screener_history import past, profile
from tests.fixtures.screener_recording import messages

DECIMALS = {"BTC": 5, "ETH": 4, "SOL": 2, "WLFI": 0}


def screened(folder, *history):
    """(time, what was said) of one session."""
    core, said, next_ms = Screener(ScreenerConfig(), {}), [], None
    for time_ms, message in messages(folder, DECIMALS, 21):
        if next_ms is None:
            next_ms = time_ms
            universe = Universe(
                coins=tuple(CoinMeta(coin, n, 10) for coin, n in DECIMALS.items()), time_ms=time_ms
            )
            core.step(time_ms, universe)
            if history:
                said += [
                    (time_ms, out) for out in core.step(time_ms, HistoryRead(profile(*history, last_ms=time_ms)))
                ]
        while next_ms <= time_ms:
            said += [(next_ms, out) for out in core.step(next_ms, Tick())]
            next_ms += 1000
        core.step(time_ms, message)
    return said


@pytest.fixture(scope="module")
def folder(recordings):
    return recordings / "hl-20250904-4coins-a"


def configs(said, coin):
    return [out for _, out in said if isinstance(out, AssetConfig) and out.coin == coin]


def test_the_live_window_outvotes_a_history_that_has_become_wrong(folder):
    wrong = [past(coin, adverse=6.0, hours_of_data=300.0, market_orders=10**6) for coin in DECIMALS]
    alone, misled = screened(folder), screened(folder, *wrong)
    for coin in ("BTC", "ETH", "SOL"):
        now, was = configs(alone, coin)[-1].parts, configs(misled, coin)
        far = was[0].parts.break_even_bps - now.break_even_bps
        assert far > 3 and was[-1].parts.break_even_bps - now.break_even_bps < 0.6 * far
        assert abs(was[-1].parts.touch_bps - now.touch_bps) < 0.15


def test_every_step_is_bounded_every_number_has_its_sample_and_lines_stay_few(folder):
    said = screened(folder)
    for coin in DECIMALS:
        series = configs(said, coin)
        assert len(series) > 38
        for before, after in pairwise(series):
            floor = after.parts.break_even_bps
            assert after.base_spread_bps <= max(1.5 * before.base_spread_bps, floor) + 1e-3
            assert after.base_spread_bps >= 0.5 * before.base_spread_bps - 1e-3
        last = series[-1]
        assert last.edge_bps is not None and last.parts.orders >= 200 and last.parts.adverse_n >= 50
        assert last.parts.se_bps > 0 and last.parts.live_min == 20.0
    moved = [time_ms for time_ms, out in said if isinstance(out, Event) and "half spread" in out.text]
    assert moved and max(moved.count(time_ms) for time_ms in moved) <= TOLD_AT_ONCE
