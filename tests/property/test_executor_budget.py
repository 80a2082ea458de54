"""The budget planner, whatever is asked of it; the bundled venue's own budget is the judge."""

import re
from decimal import Decimal
from random import Random

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from services.executor.config import ExecutorConfig
from services.executor.live.budget import Budget, pace_per_hour, shares
from services.executor.live.endurance import Expected, Plan, Refusal, check_lasts
from services.executor.live.planner import Mode, Planner
from services.venue.exchange import budget as venue_budget
from services.venue.exchange.account import Account
from services.venue.exchange.listing import MICRO
from services.venue.exchange.world import World
from shared.hyperliquid.account import RateLimit
from shared.hyperliquid.actions import (
    CancelByCloid,
    CancelByCloidWire,
    LimitType,
    OrderType,
    OrderWire,
    PlaceOrders,
)
from tests.fixtures.venue_world import open_account, world

CONFIG = ExecutorConfig()
RESERVE = CONFIG.budget_cancel_reserve
COINS = tuple(f"C{number}" for number in range(12))
ORDER = OrderWire(a=0, b=True, p="1", s="1", r=False, t=OrderType(limit=LimitType(tif="Alo")))
CANCEL = CancelByCloidWire(asset=0, cloid="0x" + "0" * 32)

counts = st.integers(0, 400)
steps = st.lists(
    st.tuples(st.sampled_from(COINS), counts, counts, st.integers(0, 30_000), st.booleans()), max_size=60
)


class Address:
    """An address at the bundled venue, which counts and refuses."""

    def __init__(self, used: int, volume: int) -> None:
        self.world: World = world()
        self.account: Account = open_account(self.world)
        self.account.requests_used, self.account.cum_ntl = used, volume * MICRO

    def rate_limit(self) -> RateLimit:
        return RateLimit(
            cum_vlm=Decimal(self.account.cum_ntl) / MICRO,
            n_requests_used=venue_budget.used(self.account),
            n_requests_cap=venue_budget.cap(self.account),
            n_requests_surplus=max(self.account.requests_bought - self.account.requests_used, 0),
        )

    def send(self, places: int, cancels: int) -> None:
        """In requests as large as the venue takes them; it raises when it refuses one."""
        limit = self.world.config.action_weight_limit
        for start in range(0, cancels, limit):
            cancel = CancelByCloid((CANCEL,) * min(limit, cancels - start))
            venue_budget.charge(self.world, self.account, cancel)
        for start in range(0, places, limit):
            place = PlaceOrders((ORDER,) * min(limit, places - start), "na")
            venue_budget.charge(self.world, self.account, place)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 25_000), st.integers(0, 5_000), steps)
def test_the_venue_never_refuses_what_was_allowed_and_places_leave_the_reserve(
    used: int, volume: int, asked: list[tuple[str, int, int, int, bool]]
) -> None:
    address, planner = Address(used, volume), Planner(CONFIG)
    planner.learn(address.world.now_ms, address.rate_limit())
    for coin, n_places, n_cancels, wait_ms, learns in asked:
        now_ms = address.world.now_ms = address.world.now_ms + wait_ms + 1
        if learns:
            planner.learn(now_ms, address.rate_limit())
        before = planner.budget
        allowed = planner.allow(now_ms, coin, n_places, n_cancels)
        assert 0 <= allowed.places <= n_places and 0 <= allowed.cancels <= n_cancels
        planner.note_sent(now_ms, coin, allowed.places, allowed.cancels)
        if before is not None and not before.cancels_left:
            assert allowed.places == 0
            address.send(0, min(allowed.cancels, 200))
        else:
            address.send(allowed.places, allowed.cancels)
        if allowed.places:
            assert Budget.told(address.rate_limit()).left >= RESERVE


@given(st.integers(20_001, 60_000), st.lists(st.integers(1, 4_000), min_size=20, max_size=60))
def test_beyond_every_cap_cancels_get_through_again_and_again_and_are_never_refused(
    used: int, waits_ms: list[int]
) -> None:
    address, planner = Address(used, 0), Planner(CONFIG)
    planner.learn(address.world.now_ms, address.rate_limit())
    last_ms = address.world.now_ms
    for wait_ms in waits_ms:
        now_ms = address.world.now_ms = address.world.now_ms + wait_ms
        together = 0
        for coin in COINS:
            cancels = planner.allow(now_ms, coin, 6, 6).cancels
            planner.note_sent(now_ms, coin, 0, cancels)
            together += cancels
        assert together in (0, 6 * len(COINS))
        if together:
            address.send(0, together)
            last_ms = now_ms
        assert now_ms - last_ms <= 11_500


@given(st.integers(0, 30_000), st.integers(0, 30_000), st.integers(0, 50), st.integers(0, 50))
def test_more_left_never_allows_less_nor_widens_more(one: int, other: int, n_places: int, n_cancels: int) -> None:
    poor, rich = Planner(CONFIG), Planner(CONFIG)
    for planner, used in ((poor, max(one, other)), (rich, min(one, other))):
        planner.learn(0, RateLimit(cum_vlm=Decimal(0), n_requests_used=used, n_requests_cap=10_000))
        planner.allow(0, "BTC", 12, 0)
        planner.note_sent(0, "BTC", 12, 0)
    for now_ms in (0, 20_000, 400_000):
        less = poor.allow(now_ms, "BTC", n_places, n_cancels)
        more = rich.allow(now_ms, "BTC", n_places, n_cancels)
        assert less.places <= more.places
        assert less.cancels <= more.cancels
        assert less.only_reducing >= more.only_reducing
    assert 1 <= rich.widening() <= poor.widening() <= 4
    assert pace_per_hour(CONFIG, one, 100) <= pace_per_hour(CONFIG, one + other, 100)


edges = st.dictionaries(st.sampled_from(COINS), st.floats(-20, 20), max_size=12)


@given(st.sets(st.sampled_from(COINS), min_size=1), edges)
def test_shares_are_the_whole_and_ordered_by_edge(coins: set[str], edges_bps: dict[str, float]) -> None:
    parts = shares(coins, edges_bps)
    assert sum(parts.values()) == pytest.approx(1)
    assert min(parts.values()) > 0
    known = sorted((edges_bps[coin], parts[coin]) for coin in coins if coin in edges_bps)
    assert [part for _, part in known] == sorted(part for _, part in known)


expectations = st.builds(
    Expected,
    coins=st.integers(1, 60),
    orders_per_coin=st.integers(1, 8),
    replacements_per_hour=st.floats(0.1, 4_000),
    volume_usd_per_hour=st.floats(0, 20_000),
    requests_per_replacement=st.sampled_from((1, 2)),
)


@given(expectations, st.integers(0, 8_000), st.integers(0, 100_000))
@example(Expected(60, 8, 0.6, 0), 0, 0)
def test_every_remedy_heals(expected: Expected, used: int, volume: int) -> None:
    rate_limit = RateLimit(cum_vlm=Decimal(volume), n_requests_used=used, n_requests_cap=10_000 + volume)
    verdict = check_lasts(CONFIG, rate_limit, expected)
    assume(isinstance(verdict, Refusal) and verdict.text.startswith("The request budget would last"))
    assert isinstance(verdict, Refusal)
    text = "\n".join(verdict.remedies)
    fewer = re.search(r"fewer coins: (\d+) instead", text)
    if fewer:
        coins = int(fewer[1])
        shrunk = Expected(
            coins,
            expected.orders_per_coin,
            expected.replacements_per_hour,
            expected.volume_usd_per_hour * coins / expected.coins,
            expected.requests_per_replacement,
        )
        assert coins < expected.coins
        assert isinstance(check_lasts(CONFIG, rate_limit, shrunk), Plan)
    slower = re.search(r"wider threshold: (\S+) replacements/h", text)
    assert slower is not None
    calm = Expected(
        expected.coins,
        expected.orders_per_coin,
        0.99 * float(slower[1].replace(",", "")),
        expected.volume_usd_per_hour,
        expected.requests_per_replacement,
    )
    assert isinstance(check_lasts(CONFIG, rate_limit, calm), Plan)
    shorter = re.search(r"budget_horizon_h = (\d+) instead", text)
    if shorter:
        hasty = CONFIG.model_copy(update={"budget_horizon_h": float(shorter[1])})
        assert isinstance(check_lasts(hasty, rate_limit, expected), Plan)
    buy = re.search(r"buy requests: (\S+) to", text)
    assert buy is not None
    bought = RateLimit(
        cum_vlm=rate_limit.cum_vlm,
        n_requests_used=used,
        n_requests_cap=10_000 + volume,
        n_requests_surplus=int(buy[1].replace(",", "")) + 1,
    )
    assert isinstance(check_lasts(CONFIG, bought, expected), Plan)


@pytest.mark.parametrize("fills_usd_per_hour", [0, 1_500])
def test_a_day_of_a_greedy_quoter_is_never_refused_and_never_ends(fills_usd_per_hour: int) -> None:
    """Every coin wants its ladder replaced every 20 s, which would empty the budget within half an hour."""
    address, planner, random = Address(0, 0), Planner(CONFIG), Random(7)
    start_ms = address.world.now_ms
    for coin in COINS:
        planner.note_edge(coin, random.uniform(-1, 5))
    placed = 0
    for second in range(0, 86_400, 20):
        now_ms = address.world.now_ms = start_ms + second * 1_000
        if second % 60 == 0:
            planner.learn(now_ms, address.rate_limit())
        for coin in COINS:
            wanted = planner.allow(now_ms, coin, 6, 0).places // 2
            planner.note_sent(now_ms, coin, wanted, wanted)
            address.send(wanted, wanted)
            placed += wanted
        if random.random() < fills_usd_per_hour * 20 / 3_600 / 18:
            address.account.cum_ntl += 18 * MICRO
    status = planner.status(address.world.now_ms)
    assert status.mode == Mode.QUOTING
    assert placed > 12 * 6
    assert Budget.told(address.rate_limit()).left > RESERVE
    assert status.forecasts > 100
