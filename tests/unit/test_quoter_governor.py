"""The governor over time: rise at once, fall slowly, recover from a halt only after a calm minute."""

import pytest

from services.quoter.governor import Governor, Inputs, combined, v6

CALM = Inputs(0.001, "measured", "calm", 0, 0, 10.0, 0.0001)


def governor(recovery_s=60.0):
    return Governor(50.0, 0.003, fall_per_s=0.1, recovery_s=recovery_s)


def spike(atr_fraction):
    return CALM._replace(atr_fraction=atr_fraction)


def test_rises_at_once():
    g = governor()
    g.observe(spike(0.0015 + 0.0035 * 1.3 / 3))
    g.advance(1000)
    assert g.multiplier == pytest.approx(2.3)


def test_falls_a_tenth_per_second():
    g = governor()
    g.observe(spike(0.004))
    g.advance(0)
    high = g.multiplier
    g.observe(CALM)
    seen = []
    for now_ms in range(100, 5001, 100):
        g.advance(now_ms)
        seen.append(g.multiplier)
    assert seen[8] == high
    assert seen[9] == pytest.approx(high - 0.1)
    assert seen[-1] == pytest.approx(high - 0.5)


def test_a_long_calm_does_not_save_up_a_sudden_fall():
    g = governor()
    g.observe(spike(0.004))
    for now_ms in range(0, 600_001, 1000):
        g.advance(now_ms)
    high = g.multiplier
    g.observe(CALM)
    g.advance(600_500)
    assert g.multiplier == high


def test_falls_no_further_than_the_reading():
    g = governor()
    g.observe(spike(0.002))
    g.advance(0)
    g.observe(CALM)
    g.advance(3_600_000)
    assert g.multiplier == 1.0


def test_regime_halt_ends_after_a_minute_below_nine_tenths_of_the_edge():
    g = governor()
    g.observe(spike(0.006))
    g.advance(0)
    assert g.regime_halt and g.regime == "halt"
    g.observe(spike(0.0046))  # under the edge, but not under nine tenths of it
    g.advance(200_000)
    assert g.regime_halt
    g.observe(spike(0.0044))
    g.advance(300_000)
    g.advance(359_999)
    assert g.regime_halt
    g.advance(360_000)
    assert not g.regime_halt and g.regime == "uncertain"


def test_a_relapse_starts_the_calm_minute_again():
    g = governor()
    for now_ms, atr in ((0, 0.006), (10_000, 0.004), (60_000, 0.0049), (61_000, 0.004), (120_000, 0.004)):
        g.observe(spike(atr))
        g.advance(now_ms)
    assert g.regime_halt
    g.advance(121_000)
    assert not g.regime_halt


def test_label_halt_recovers_with_a_default_atr():
    g = governor()
    g.observe(Inputs(0.002, "default", "halt", 0, 0, 0.0, 0.0))
    g.advance(0)
    assert g.regime_halt
    g.observe(Inputs(0.002, "default", "calm", 0, 0, 0.0, 0.0))
    g.advance(1000)
    g.advance(61_000)
    assert not g.regime_halt


def test_funding_halt_is_its_own_latch():
    g = governor()
    g.observe(CALM._replace(funding_8h=-0.0031))
    g.advance(0)
    assert g.funding_halt and not g.regime_halt
    g.observe(CALM._replace(funding_8h=-0.0028))
    g.advance(500_000)
    assert g.funding_halt
    g.observe(CALM)
    g.advance(500_001)
    g.advance(560_001)
    assert not g.funding_halt


def test_the_limits_are_settings():
    assert v6(CALM._replace(cancels=100), ratio_limit=100).m_cf == 1.0
    assert v6(CALM._replace(funding_8h=0.002), funding_limit=0.001).reasons == ["funding"]


def test_stacked_guards_stay_within_four():
    assert combined(3.0, 2.0) == 4.0
    assert combined(1.0, 1.0) == 1.0
