"""What the executor tells the guard of the account: equity, drawdown since the last halt, requests gone wrong."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.account import Account
from services.venue.exchange.summary import summary
from shared.messages import AccountState, AccountStatus, HaltState, Totals
from shared.service import Started
from tests.fixtures.executor_world import World
from tests.fixtures.live_core import LiveWorld
from tests.fixtures.live_venue import CALM, COINS, LiveVenue, Network

D = Decimal


def status(world: World) -> AccountStatus:
    world.wait(1_000)
    return world.said(AccountStatus)[-1]


def test_the_equity_of_the_shadow_is_its_balance_and_all_it_has_brought():
    world = World().rest([(1, "99.98", "0.20")])
    world.trades(("99.97", "5", "A"))
    told = status(world)
    assert told.pnl_usd != 0
    assert told.equity_usd == told.starting_balance_usd + told.pnl_usd


def test_a_resume_that_ends_a_halt_begins_a_new_drawdown_and_a_restart_does_not():
    world = World().rest([(1, "99.98", "0.20")])
    world.trades(("99.97", "5", "A"))
    world.book(bids=[("119.99", "5")], asks=[("120.01", "5")])
    best = status(world)
    assert best.drawdown_base_usd == 0 and best.drawdown_peak_usd == best.peak_pnl_usd > 0
    world.book(bids=[("109.99", "5")], asks=[("110.01", "5")])
    fallen = status(world)
    assert fallen.drawdown_peak_usd == best.drawdown_peak_usd > fallen.pnl_usd
    world.command("resume", "c0")
    assert status(world).drawdown_peak_usd == best.drawdown_peak_usd
    world.feed(HaltState(halted=True, reason="drawdown", who="guard", since_ms=world.now_ms))
    world.feed(HaltState(halted=False))
    world.command("resume", "c1")
    forgiven = status(world)
    assert (forgiven.drawdown_base_usd, forgiven.drawdown_peak_usd) == (fallen.pnl_usd, 0)
    assert forgiven.peak_pnl_usd == best.peak_pnl_usd
    kept = world.said(AccountState)[-1]
    assert (kept.drawdown_base_usd, kept.drawdown_peak_usd) == (fallen.pnl_usd, 0)


@pytest.mark.parametrize("told_before_its_start", [True, False])
def test_a_resume_heard_by_the_process_after_the_halted_one_begins_a_new_budget_once(told_before_its_start: bool):
    world = World()
    status(world)
    world.feed(HaltState(halted=True, reason="daily_loss", who="guard", since_ms=world.now_ms))
    again = World(now_ms=world.now_ms + 5_000, start=False)
    again.core.restore(again.now_ms, world.said(AccountState)[-1])
    if told_before_its_start:
        again.feed(HaltState(halted=False))
    again.feed(Started())
    before = status(again)
    again.feed(HaltState(halted=False))
    again.command("resume", "c0", time_ms=again.now_ms)
    resumed = status(again)
    assert resumed.day_start_ms > before.day_start_ms == status(world).day_start_ms
    again.command("resume", "c1", time_ms=again.now_ms)
    assert status(again).day_start_ms == resumed.day_start_ms


MONEY = st.decimals(-1_000, 1_000, places=2)


@given(st.lists(st.one_of(MONEY, st.just("resume")), max_size=20))
def test_the_peak_is_the_best_since_the_last_resume_and_never_below_nothing(steps):
    account = Account("shadow", "run", D(1000))
    account.begin(0, D(0))
    base, seen, pnl = D(0), [D(0)], D(0)
    for at_ms, step in enumerate(steps, 1):
        if step == "resume":
            account.rebase(at_ms, pnl, pnl)
            base, seen = pnl, [D(0)]
        else:
            pnl = step
            seen.append(pnl - base)
            account.update(at_ms, Totals(realized_usd=pnl), pnl)
        assert (account.current.drawdown_base_usd, account.current.drawdown_peak_usd) == (base, max(seen))


# ---- live ----


def traded(seed: int, network: Network = CALM) -> LiveWorld:
    world = LiveWorld(LiveVenue(seed, network)).until_ready()
    for _ in range(4):
        for coin in COINS:
            world.want(coin, 0)
        world.wait(5_000)
    return world


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_live_equity_is_the_cash_at_the_venue_and_what_positions_are_worth(seed):
    world = traded(seed)
    for _ in range(60):
        world.wait(500)
        if world.positions() == world.true_positions():
            break
    assert world.true_positions() and world.positions() == world.true_positions()
    cash_usd = D(summary(world.venue.world, world.venue.account, "").all.raw_usd).scaleb(-6)
    marks = {line.coin: line.mark_px for line in world.status.coins}
    worth_usd = sum((sz * marks[coin] for coin, sz in world.true_positions().items()), D(0))
    assert abs(world.status.equity_usd - cash_usd - worth_usd) < D("0.01")


def test_the_equity_of_an_account_that_was_never_read_is_not_known():
    world = LiveWorld(LiveVenue(1, Network(lose_lookup=1.0)))
    world.wait(5_000)
    assert world.status.equity_usd is None


def test_requests_that_went_wrong_are_in_the_status():
    world = traded(1, Network(refuse=0.5))
    errors = world.status.live.errors
    assert errors == dict(world.core.live._side.exchange.errors)
    assert errors["throttled"] > 0 and errors["not_sent"] > 0
