"""The screener as a pure function of messages and time."""

from decimal import Decimal as D

import pytest

from services.screener.config import ScreenerConfig
from services.screener.core import Screener
from shared.messages import (
    AssetConfig,
    AssetConfigList,
    AssetCtx,
    Book,
    CoinMeta,
    Event,
    Level,
    Trade,
    Trades,
    Universe,
)
from shared.service import Tick

T0 = 1_700_000_040_000


def book(now_ms, mid, coin="BTC", half=0.005):
    bid, ask = (Level(D(repr(round(mid + sign * half, 6))), D(1)) for sign in (-1, 1))
    return Book(coin=coin, time_ms=now_ms, received_ms=float(now_ms), epoch=1, bids=(bid,), asks=(ask,))


def prints(now_ms, px, side="B", coin="BTC", tid=0):
    one = Trade(px=D(repr(round(px, 6))), sz=D(1), side=side, time_ms=now_ms, tid=tid)
    return Trades(coin=coin, received_ms=float(now_ms), epoch=1, trades=(one,))


class Run:
    def __init__(self, *coins, overrides=None, restored=(), **settings):
        self.core = Screener(ScreenerConfig(**settings), overrides or {})
        self.said = []
        self.coins = coins or ("BTC",)
        metas = tuple(CoinMeta(coin, 2, 10) for coin in self.coins)
        list(self.core.step(T0, Universe(coins=metas, time_ms=T0)))
        for message in restored:
            self.core.restore(T0, message)
        self.now_ms = T0

    def __call__(self, *messages):
        self.said += [output for message in messages for output in self.core.step(self.now_ms, message)]

    def market(self, seconds, coin="BTC", drift_bps=0.0, trade_every_s=2, sweep_bps=0.0):
        """Mid 100, spread 1 bp; buyers every `trade_every_s`, after each of which the mid moves by `drift_bps`."""
        for _ in range(seconds):
            second = (self.now_ms - T0) // 1000
            mid = 100.0 * (1 + drift_bps * 1e-4) ** (second // trade_every_s)
            self(book(self.now_ms, mid, coin))
            if trade_every_s and second % trade_every_s == 1:
                self.now_ms += 500
                self(prints(self.now_ms, mid + 0.005 + mid * sweep_bps * 1e-4, coin=coin, tid=self.now_ms))
                self.now_ms -= 500
            self.now_ms += 1000
            self(Tick())

    def configs(self, coin="BTC"):
        return [output for output in self.said if isinstance(output, AssetConfig) and output.coin == coin]

    def lines(self):
        return [output.text for output in self.said if isinstance(output, Event)]


def test_the_first_word_comes_with_the_first_books():
    run = Run()
    run.market(2)
    (config,) = run.configs()
    assert config.published_ms == T0 + 1000 and config.base_spread_bps > config.maker_fee_bps


def test_the_first_word_waits_a_moment_for_coins_without_a_book():
    run = Run("BTC", "ETH")
    run.market(3)
    assert run.configs() == []
    run.market(1)
    assert len(run.configs()) == 1


def test_publishes_every_thirty_seconds_what_is_known():
    run = Run("BTC", "ETH")
    run.market(65)
    assert [c.version for c in run.configs()] == [1, 2, 3]
    assert run.configs("ETH") == []
    lists = [output for output in run.said if isinstance(output, AssetConfigList)]
    assert [len(one.configs) for one in lists] == [1, 1, 1]
    summaries = [line for line in run.lines() if "Best:" in line]
    assert len(summaries) == 3 and summaries[0].endswith(
        "0 with a measured edge. Best: none yet, a coin needs 200 market orders."
    )


def test_says_nothing_without_a_market():
    run = Run()
    for _ in range(100):
        run.now_ms += 1000
        run(Tick())
    assert run.said == []


def test_before_there_is_enough_data_a_coin_stays_on_without_an_edge():
    run = Run()
    run.market(60)
    config = run.configs()[-1]
    assert (config.enabled, config.edge_bps, config.rank) == (True, None, None)
    assert (config.atr_measured, config.atr_fraction, config.regime) == (False, 0.002, "calm")
    assert 1.5 + 0.5 < config.base_spread_bps < 1.5 + 1.5 + 1.0


def test_a_quiet_market_is_priced_by_fee_and_reach():
    run = Run()
    run.market(600)
    config = run.configs()[-1]
    assert config.base_spread_bps == pytest.approx(2.0, abs=0.3)
    assert config.edge_bps == pytest.approx(0.5, abs=0.3)
    assert config.rank == 1 and config.enabled and config.maker_fee_bps == 1.5
    assert config.atr_measured and config.atr_fraction < 0.0001


def test_a_coin_that_always_loses_is_left_out_and_comes_back():
    """Every buyer is followed by a rise of 40 bps within five seconds: no spread worth quoting pays for that."""
    run = Run()
    run.market(600, drift_bps=16.0, sweep_bps=60.0)
    config = run.configs()[-1]
    assert not config.enabled and config.edge_bps < 0 and config.base_spread_bps == 25.0
    assert any(line.startswith("BTC not quoted: edge -") for line in run.lines())
    assert "Not quoted: BTC" in run.lines()[-1]
    run.market(1500)
    assert run.configs()[-1].enabled and run.configs()[-1].base_spread_bps < 3
    assert any(line.startswith("BTC quoted again") for line in run.lines())


def test_spreads_change_by_half_at_most():
    run = Run()
    run.market(1200)
    spreads = [config.base_spread_bps for config in run.configs()]
    assert spreads[0] == pytest.approx(1.5 + 1.5 + 1.0) and spreads[0] > 1.5 * spreads[-1]
    assert all(0.499 <= new / old <= 1.501 for old, new in zip(spreads, spreads[1:], strict=False))


def test_ranks_by_income():
    run = Run("BTC", "ETH", adverse_selection_prior_bps=0.0)
    for second in range(600):
        now_ms = T0 + 1000 * second
        for coin, every in (("BTC", 2), ("ETH", 1)):
            run.now_ms = now_ms
            run(book(now_ms, 100.0, coin))
            if second % every == 0:
                run.now_ms = now_ms + 500
                px = 100.2 if second % 5 == 0 else 100.005
                run(prints(now_ms + 500, px, coin=coin, tid=now_ms))
        run.now_ms = now_ms + 1000
        run(Tick())
    assert (run.configs("ETH")[-1].rank, run.configs("BTC")[-1].rank) == (1, 2)
    assert run.lines()[-1].startswith("2 coins, 2 with a measured edge. Best: ETH ")


def test_written_fields_override_measured_ones():
    run = Run(overrides={"BTC": {"base_spread_bps": 7.0, "max_inv_usd": 500.0, "atr_fraction": 0.004}})
    run.market(60)
    early = run.configs()[-1]
    assert (early.base_spread_bps, early.max_inv_usd, early.atr_fraction) == (7.0, 500.0, 0.004)
    run.market(540)
    late = run.configs()[-1]
    assert late.base_spread_bps == 7.0 and late.edge_bps > 4
    assert late.atr_measured and late.atr_fraction < 0.0001


def test_a_coin_switched_off_by_hand_is_shown_as_such():
    run = Run(overrides={"BTC": {"enabled": False}})
    run.market(31)
    assert not run.configs()[-1].enabled
    assert "BTC (switched off by hand)" in run.lines()[0]


def test_a_restart_goes_on_from_its_last_word():
    last = AssetConfig(coin="BTC", base_spread_bps=12.0, version=41, published_ms=T0 - 30_000)
    run = Run(restored=[last])
    run.market(30)
    assert run.configs()[-1].version == 42
    assert run.configs()[-1].base_spread_bps == 6.0  # half at most
    old = AssetConfig(coin="BTC", base_spread_bps=12.0, version=41, published_ms=T0 - 3_600_000)
    fresh = Run(restored=[old])
    fresh.market(31)
    assert fresh.configs()[0].base_spread_bps == pytest.approx(4.0)  # too old to bind


def test_a_violent_market_is_labelled_halt():
    run = Run()
    for minute in range(20):
        for second in range(60):
            run.now_ms = T0 + 60_000 * minute + 1000 * second
            run(book(run.now_ms, 100.0 + (0.7 if second % 2 else 0.0)))
            run(Tick())
    assert run.configs()[-1].regime == "halt"
    assert any("regime calm → halt (ATR 0.69" in line for line in run.lines())


def test_funding_is_a_cost():
    def edge(rate_1h):
        run = Run()
        run(AssetCtx(
            coin="BTC", received_ms=float(T0), funding_1h_frac=rate_1h, oracle_px=D(100), mark_px=D(100),
            open_interest=1.0, day_ntl_usd=1e6,
        ))  # fmt: skip
        run.market(600)
        return run.configs()[-1].edge_bps

    assert edge(0.0) - edge(-0.0012) == pytest.approx(0.0012 * 1e4 * 300 / 3600, abs=1e-3)


def test_crossed_books_are_no_market():
    run = Run()
    for _ in range(40):
        run.now_ms += 1000
        run(book(run.now_ms, 100.0, half=-0.005), Tick())
    assert run.said == []


def test_a_backlog_of_old_prints_is_not_counted_as_volume():
    run = Run()
    for tid in range(500):
        run(prints(T0 - 60_000 + tid, 100.0, tid=10**6 + tid))
    run(book(T0, 100.0), prints(T0 - 1, 100.0, tid=1))
    assert not run.core._coins["BTC"]._traded
    run(prints(T0 + 1, 100.0, tid=2))
    assert [count for _, count, _ in run.core._coins["BTC"]._traded] == [1]
