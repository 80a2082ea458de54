"""The stored market parameters are what the script measures on the recordings, and what it derives is sane."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.venue.market.calibration import model_of
from services.venue.market.reference import premium_for
from services.venue.market.universe import MARKET, PARAMETERS
from shared.funding import hl_rate

ROOT = Path(__file__).resolve().parents[2]


def test_the_script_reproduces_the_stored_numbers(recordings: Path, tmp_path: Path) -> None:
    output = tmp_path / "parameters.json"
    command = [sys.executable, "-m", "scripts.measure_market", str(recordings), "--output", str(output)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    assert json.loads(output.read_text()) == json.loads(PARAMETERS.read_text())


def test_thirty_coins_by_volume_each_with_its_model() -> None:
    volumes = [coin.day_ntl_usd for coin in MARKET.coins]
    assert len(volumes) == 30
    assert volumes == sorted(volumes, reverse=True)
    built = {coin.name: model_of(coin, MARKET) for coin in MARKET.coins}
    assert built["BTC"].takers_per_s == next(flow for flow in MARKET.flows if flow.coin == "BTC").takers_per_s
    for model in built.values():
        assert 1 <= model.spread_ticks < 200
        assert 1e-5 < model.vol_frac < 1e-3
        assert 0.05 < model.takers_per_s < 5
        assert model.taker_usd_median > 1
        assert 0 <= model.hawkes_branching < 1
        assert model.level_usd >= model.touch_usd * 0.2


@pytest.mark.parametrize(
    ("premium", "hourly"),
    [
        (0.0, 0.0000125),
        (0.0004, 0.0000125),
        (-0.0004, 0.0000125),
        (0.001, 0.0000625),
        (-0.001, -0.0000625),
        (9, 0.04),
    ],
)
def test_funding_by_the_venues_formula(premium: float, hourly: float) -> None:
    """F = P + clamp(0.0001 - P, +-0.0005), an eighth of it an hour, at most 4 %."""
    assert hl_rate(premium).rate_1h_frac == pytest.approx(hourly)


@given(st.floats(-0.003, 0.003))
def test_the_premium_for_a_rate_gives_that_rate(rate: float) -> None:
    assert hl_rate(premium_for(rate)).rate_1h_frac == pytest.approx(rate, abs=1e-9)
