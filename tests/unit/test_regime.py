"""The edges that screener and quoter share."""

from shared.regime import regime_of


def test_the_lower_edge_belongs_to_the_worse_regime():
    regimes = [regime_of(atr) for atr in (0.0, 0.00149, 0.0015, 0.00499, 0.005)]
    assert regimes == ["calm", "calm", "uncertain", "uncertain", "halt"]
