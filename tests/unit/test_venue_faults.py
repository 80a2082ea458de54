"""Faults on request: each kind's decisions, their times, shares and counts; the seed decides everything."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import log1p
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.venue.exchange.facts import Filled, OrderChanged
from services.venue.exchange.world import Refused
from services.venue.faults.external import action_of
from services.venue.faults.faults import AnswerFate, Faults, Step
from services.venue.faults.frames import crossed
from services.venue.faults.kinds import KINDS
from services.venue.faults.scenario import fault_of
from shared.hyperliquid.actions import PlaceOrders
from tests.fixtures.venue_world import BTC, KPEPE, open_account, world

ALICE, BOB = "0x" + "a" * 40, "0x" + "b" * 40


@dataclass(frozen=True)
class Wire:
    """A connection."""

    number: int
    users: Sequence[str] = ()


@dataclass
class Bench:
    """Faults and what they told."""

    seed: int = 1
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults = Faults(self.seed, lambda kind, detail: self.told.append((kind, detail)))

    def start(self, kind: str, now_ms: float = 0, **fields: Any) -> int:
        return self.faults.start(now_ms, fault_of({"fault": kind, **fields}))

    def frame(
        self, now_ms: float, number: int, text: bytes, channel: str = "trades", key: str = BTC
    ) -> list[bytes]:
        return list(self.faults.on_frame(now_ms, Wire(number), channel, key, text))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def book(bid: str, ask: str) -> bytes:
    levels = [[{"px": bid, "sz": "1.0", "n": 1}], [{"px": ask, "sz": "2.0", "n": 1}]]
    return msgspec.json.encode({"channel": "l2Book", "data": {"coin": BTC, "time": 1, "levels": levels}})


def filled(oid: int, user: str = ALICE, coin: str = BTC) -> Filled:
    one, none = Decimal(1), Decimal(0)
    return Filled(
        time_ms=1, user=user, coin=coin, px=one, sz=one, side="B", start_position=none, dir="Open Long",
        closed_pnl=none, hash="0x", oid=oid, crossed=False, fee=none, tid=1,
    )  # fmt: skip


def order(oid: int, status: Any, user: str = ALICE) -> OrderChanged:
    one = Decimal(1)
    return OrderChanged(
        time_ms=1, user=user, coin=BTC, oid=oid, side="B", limit_px=one, sz=one, orig_sz=one, tif="Gtc",
        status=status, placed_ms=1,
    )  # fmt: skip


# ---- on and off ----------------------------------------------------------------------------------------------


def test_without_faults_everything_passes(bench: Bench) -> None:
    faults = bench.faults
    assert not faults.disturbs_frames
    assert bench.frame(0, 1, b"x") == [b"x"]
    assert faults.on_http(0, "/info") is None and faults.on_connect(0) is None
    assert faults.on_answer(0, "order", ALICE) == AnswerFate()
    assert faults.reject_text(0, ALICE, BTC) is None and not faults.hidden(0, filled(1))
    assert faults.skew_ms(0) == faults.block_extra_ms(0) == 0
    assert not faults.post_only(0) and not faults.halted(0, BTC)
    assert faults.due_orders(0) == faults.due_frames(0) == faults.sockets_to_drop(0, [Wire(1)]) == []
    assert bench.told == []


def test_a_fault_ends_after_its_time_even_between_blocks(bench: Bench) -> None:
    bench.start("post_only", now_ms=1_000, for_s=2)
    assert bench.faults.post_only(2_999)
    assert not bench.faults.post_only(3_000)
    bench.faults.advance(3_000)
    assert bench.faults.running() == []
    assert [detail.split()[1] for _, detail in bench.told] == ["on", "off,"]


def test_a_fault_is_over_after_its_count(bench: Bench) -> None:
    bench.start("http_429", count=3)
    answers = [bench.faults.on_http(0, "/info") for _ in range(5)]
    assert [answer is not None for answer in answers] == [True, True, True, False, False]
    bench.faults.advance(0)
    assert bench.faults.running() == []
    assert bench.told[-1] == ("http_429", "#1 off, effects: 3")


def test_ending_by_number_and_all(bench: Bench) -> None:
    first, second = bench.start("halt", coin=BTC), bench.start("halt", coin=KPEPE)
    assert bench.faults.end(0, first) and not bench.faults.end(0, first)
    assert not bench.faults.halted(0, BTC) and bench.faults.halted(0, KPEPE)
    bench.faults.play(0, [Step(9.0, fault_of({"fault": "post_only"}))])
    assert bench.faults.end_all(0) == 2
    bench.faults.advance(10_000)
    assert bench.faults.running() == [] and second == 2


def test_a_scenario_starts_each_step_when_it_is_due(bench: Bench) -> None:
    steps = [
        Step(2.0, fault_of({"fault": "post_only", "for_s": 1})),
        Step(1.0, fault_of({"fault": "halt", "coin": BTC})),
    ]
    bench.faults.play(500, steps)
    seen = []
    for now_ms in range(0, 5_000, 500):
        bench.faults.advance(now_ms)
        seen.append((bench.faults.halted(now_ms, BTC), bench.faults.post_only(now_ms)))
    assert seen == [(False, False)] * 3 + [(True, False)] * 2 + [(True, True)] * 2 + [(True, False)] * 3


@given(seed=st.integers(0, 10), calls=st.lists(st.integers(0, 4), max_size=60))
def test_same_seed_and_calls_same_effects(seed: int, calls: list[int]) -> None:
    def run() -> tuple[list[Any], list[tuple[str, str]]]:
        bench = Bench(seed)
        for kind in ("http_5xx", "lose_answer", "reject", "duplicate", "slow_block"):
            bench.start(kind, share=0.5, **({"ms": 5} if kind == "slow_block" else {}))
        hooks = (
            lambda: bench.faults.on_http(0, "/info"),
            lambda: bench.faults.on_answer(0, "order", ALICE),
            lambda: bench.faults.reject_text(0, ALICE, BTC),
            lambda: bench.frame(0, 1, b"x"),
            lambda: bench.faults.block_extra_ms(0),
        )
        return [hooks[call]() for call in calls], bench.told

    assert run() == run()


def test_one_fault_does_not_change_what_another_does() -> None:
    alone, beside = Bench(), Bench()
    for bench in (alone, beside):
        bench.start("reject", share=0.5)
    beside.start("http_5xx", share=0.5)
    refused = []
    for bench in (alone, beside):
        refused.append([])
        for _ in range(50):
            bench.faults.on_http(0, "/info")
            refused[-1].append(bench.faults.reject_text(0, ALICE, BTC))
    assert refused[0] == refused[1] and len(set(refused[0])) == 2


def test_a_share_hits_about_that_share(bench: Bench) -> None:
    bench.start("reject", share=0.3)
    hits = sum(bench.faults.reject_text(0, ALICE, BTC) is not None for _ in range(2_000))
    assert 500 < hits < 700


# ---- connections ---------------------------------------------------------------------------------------------


def test_drop_breaks_off_what_is_there_once(bench: Bench) -> None:
    bench.start("drop")
    assert bench.faults.sockets_to_drop(0, [Wire(2), Wire(1)]) == [1, 2]
    assert bench.faults.sockets_to_drop(0, [Wire(3)]) == []
    bench.faults.advance(0)
    assert bench.faults.running() == []


def test_drop_for_a_time_takes_newcomers_too(bench: Bench) -> None:
    bench.start("drop", for_s=1)
    assert bench.faults.sockets_to_drop(0, [Wire(1)]) == [1]
    assert bench.faults.sockets_to_drop(500, [Wire(2)]) == [2]
    assert bench.faults.sockets_to_drop(1_000, [Wire(3)]) == []


def test_drop_only_who_follows_an_account(bench: Bench) -> None:
    bench.start("drop", user=ALICE.upper().replace("0X", "0x"), count=1)
    wires = [Wire(1, [BOB]), Wire(2, [ALICE]), Wire(3, [ALICE])]
    assert bench.faults.sockets_to_drop(0, wires) == [2]


def test_dropping_a_share_decides_once_for_each_connection(bench: Bench) -> None:
    bench.start("drop", share=0.5, for_s=60)
    wires = [Wire(number) for number in range(1, 41)]
    dropped = set(bench.faults.sockets_to_drop(0, wires))
    assert 0 < len(dropped) < 40
    left = [wire for wire in wires if wire.number not in dropped]
    assert bench.faults.sockets_to_drop(1, left) == []


def test_refused_connections(bench: Bench) -> None:
    bench.start("refuse_connections", status=429, count=1)
    answer = bench.faults.on_connect(0)
    assert answer is not None and answer.status == 429
    assert bench.faults.on_connect(0) is None


# ---- frames --------------------------------------------------------------------------------------------------


def test_a_stall_delivers_all_at_once_in_order(bench: Bench) -> None:
    bench.start("stall", connection=1, for_s=1)
    assert bench.frame(0, 1, b"a") == [] and bench.frame(10, 1, b"b") == []
    assert bench.frame(20, 2, b"other") == [b"other"]
    assert bench.faults.due_frames(500) == []
    bench.faults.advance(1_000)
    assert bench.faults.due_frames(1_000) == [(1, b"a"), (1, b"b")]
    assert not bench.faults.disturbs_frames


def test_what_comes_right_after_a_stall_does_not_overtake_it(bench: Bench) -> None:
    bench.start("stall", for_s=1)
    assert bench.frame(0, 1, b"a") == []
    assert bench.frame(1_000, 1, b"b") == [b"a", b"b"]
    assert bench.faults.due_frames(1_000) == []


def test_a_stall_may_swallow(bench: Bench) -> None:
    bench.start("stall", for_s=1, then="drop")
    assert bench.frame(0, 1, b"a") == []
    bench.faults.advance(1_000)
    assert bench.faults.due_frames(1_000) == [] and bench.frame(1_000, 1, b"b") == [b"b"]


def test_clearing_a_stall_lets_go(bench: Bench) -> None:
    bench.start("stall")
    bench.frame(0, 1, b"a")
    bench.faults.end_all(5)
    assert bench.faults.due_frames(5) == [(1, b"a")]


def test_frames_of_a_lost_connection_are_forgotten(bench: Bench) -> None:
    bench.start("stall")
    bench.frame(0, 1, b"a"), bench.frame(0, 2, b"b")
    bench.faults.forget(1)
    bench.faults.end_all(5)
    assert bench.faults.due_frames(5) == [(2, b"b")]


def test_only_one_channel_and_coin(bench: Bench) -> None:
    bench.start("stall", channel="trades", coin=BTC)
    assert bench.frame(0, 1, b"a", "trades", BTC) == []
    assert bench.frame(0, 1, b"b", "trades", KPEPE) == [b"b"]
    assert bench.frame(0, 1, b"c", "bbo", BTC) == [b"c"]


def test_duplicates(bench: Bench) -> None:
    bench.start("duplicate", count=1)
    assert bench.frame(0, 1, b"a") == [b"a", b"a"] and bench.frame(0, 1, b"b") == [b"b"]


def test_reordered_frames_swap_places(bench: Bench) -> None:
    bench.start("reorder", count=1)
    assert bench.frame(0, 1, b"a") == []
    assert bench.frame(0, 2, b"other") == [b"other"]
    assert bench.frame(0, 1, b"b") == [b"b", b"a"]


def test_a_reordered_frame_without_a_successor_is_late(bench: Bench) -> None:
    bench.start("reorder", ms=300, count=1)
    assert bench.frame(100, 1, b"a") == []
    bench.faults.advance(200)
    assert bench.faults.disturbs_frames and bench.faults.due_frames(399) == []
    assert bench.faults.due_frames(400) == [(1, b"a")] and not bench.faults.disturbs_frames


@given(st.lists(st.sampled_from([1, 2]), max_size=40), st.integers(0, 5))
def test_reordering_loses_and_invents_nothing(to: list[int], seed: int) -> None:
    bench = Bench(seed)
    bench.start("reorder", share=0.5)
    arrived: dict[int, list[bytes]] = {1: [], 2: []}
    sent: dict[int, list[bytes]] = {1: [], 2: []}
    for at, number in enumerate(to):
        text = b"%d" % at
        sent[number].append(text)
        arrived[number] += bench.frame(0, number, text)
    for number, text in bench.faults.due_frames(10_000):
        arrived[number].append(text)
    assert {number: sorted(frames) for number, frames in arrived.items()} == {
        number: sorted(frames) for number, frames in sent.items()
    }


def test_a_stale_book_repeats_while_trades_go_on(bench: Bench) -> None:
    bench.start("stale_book", coin=BTC)
    old, new = book("99.0", "100.0"), book("98.0", "99.0")
    assert bench.frame(0, 1, old, "l2Book") == [old]
    assert bench.frame(1, 1, new, "l2Book") == [old] and bench.frame(2, 1, new, "l2Book") == [old]
    assert bench.frame(3, 1, b"print", "trades") == [b"print"]
    assert bench.frame(4, 1, new, "l2Book", KPEPE) == [new]
    bench.faults.end_all(5)
    assert bench.frame(5, 1, new, "l2Book") == [new]


def test_a_silent_stale_book(bench: Bench) -> None:
    bench.start("stale_book", how="silent")
    assert bench.frame(0, 1, book("99.0", "100.0"), "l2Book") == [] and bench.frame(0, 1, b"{}", "bbo") == []
    assert bench.frame(0, 1, b"print", "trades") == [b"print"]


def test_fast_and_slow_books_freeze_apart(bench: Bench) -> None:
    bench.start("stale_book")
    slow, fast = b'{"channel":"l2Book","data":1}', b'{"channel":"l2Book","data":{"fast":true}}'
    assert bench.frame(0, 1, slow, "l2Book") == [slow] and bench.frame(0, 1, fast, "l2Book") == [fast]
    assert bench.frame(1, 1, slow + b" ", "l2Book") == [slow] and bench.frame(1, 1, fast + b" ", "l2Book") == [
        fast
    ]


def test_crossed_books(bench: Bench) -> None:
    bench.start("crossed_book")
    (frame,) = bench.frame(0, 1, book("99.0", "100.0"), "l2Book")
    assert frame == book("100.0", "99.0")
    top = b'{"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[{"px":"%b"},{"px":"%b"}]}}'
    assert crossed("bbo", top % (b"99.0", b"100.0")) == top % (b"100.0", b"99.0")
    one_sided = b'{"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[null,{"px":"100.0"}]}}'
    assert crossed("bbo", one_sided) == one_sided


def test_frames_are_told_once_a_kind_and_counted_all(bench: Bench) -> None:
    bench.start("duplicate")
    for _ in range(5):
        bench.frame(0, 1, b"a")
    bench.faults.end_all(1)
    assert [detail for _, detail in bench.told[1:]] == ["#1 trades BTC to connection 1", "#1 off, effects: 5"]


# ---- fills, requests, orders ---------------------------------------------------------------------------------


def test_a_dark_fill_hides_fill_and_status_but_no_other(bench: Bench) -> None:
    bench.start("dark_fill", user=ALICE, count=1)
    hidden = bench.faults.hidden
    assert not hidden(0, order(7, "open"))
    assert hidden(0, filled(7)) and hidden(0, order(7, "filled"))
    assert not hidden(0, filled(8)) and not hidden(0, order(8, "filled"))
    bench.faults.advance(1)
    assert not hidden(1, filled(7))


def test_dark_fills_of_a_share_of_the_orders(bench: Bench) -> None:
    bench.start("dark_fill", share=0.5)
    for oid in range(40):
        assert bench.faults.hidden(0, filled(oid)) == bench.faults.hidden(0, order(oid, "filled"))
    assert 5 < bench.faults.running()[0].effects < 35


def test_429_is_the_venues_own(bench: Bench) -> None:
    bench.start("http_429", path="/info")
    assert bench.faults.on_http(0, "/info") == (429, b"null", "application/json")
    assert bench.faults.on_http(0, "/exchange") is None


def test_5xx(bench: Bench) -> None:
    bench.start("http_5xx", status=503)
    assert bench.faults.on_http(0, "/exchange") == (503, b"Service Unavailable", "text/plain")


def test_answers_are_lost_or_late(bench: Bench) -> None:
    bench.start("delay_answer", ms=700, user=ALICE)
    bench.start("lose_answer", action="cancel", count=1)
    on_answer = bench.faults.on_answer
    assert on_answer(0, "cancel", ALICE) == AnswerFate(lost=True)
    assert on_answer(0, "cancel", ALICE) == AnswerFate(delay_ms=700)
    assert on_answer(0, "order", BOB) == AnswerFate()


def test_a_burst_of_rejects_has_the_given_text(bench: Bench) -> None:
    bench.start("reject", coin=BTC, count=2, text="Price too far from oracle")
    texts = [bench.faults.reject_text(0, ALICE, coin) for coin in (BTC, KPEPE, BTC, BTC)]
    assert texts == ["Price too far from oracle", None, "Price too far from oracle", None]


def test_skew_and_slow_blocks_add_up(bench: Bench) -> None:
    bench.start("clock_skew", ms=-3_000)
    bench.start("clock_skew", ms=1_000, for_s=1)
    bench.start("slow_block", ms=400)
    bench.start("slow_block", ms=100, count=1)
    assert [bench.faults.skew_ms(at) for at in (0, 1_000)] == [-2_000, -3_000]
    assert [bench.faults.block_extra_ms(0) for _ in range(2)] == [500, 400]


@given(st.floats(-0.8, 2), st.integers(0, 100), st.lists(st.integers(1, 900), min_size=1, max_size=60))
def test_the_parts_of_a_crash_add_up_however_long_blocks_are(frac: float, takers: int, blocks: list[int]) -> None:
    bench, now_ms = Bench(), 0
    bench.start("crash", now_ms=500, frac=frac, takers_per_s=takers, for_s=5)
    pushes = []
    for length_ms in [*blocks, 10_000]:
        pushes += bench.faults.pushes(now_ms, now_ms + length_ms)
        now_ms += length_ms
        bench.faults.advance(now_ms)
    assert bench.faults.running() == []
    assert sum(push.log_move for push in pushes) == pytest.approx(log1p(frac), abs=1e-9)
    assert sum(push.takers for push in pushes) == 5 * takers


def test_external_orders_are_due_once_or_so_often(bench: Bench) -> None:
    bench.start("external_order", user=ALICE, coin=BTC, side="buy", sz="0.01")
    bench.start("external_cancel", user=ALICE, count=2)
    due = [[type(each).__name__ for each in bench.faults.due_orders(at)] for at in range(3)]
    assert due == [["ExternalOrder", "ExternalCancel"], ["ExternalCancel"], []]


def external(kind: str, **fields: Any) -> Any:
    return fault_of({"fault": kind, **fields})


@pytest.mark.parametrize(
    ("fields", "px", "tif"),
    [
        ({"side": "buy"}, "105000", "Ioc"),
        ({"side": "sell"}, "95000", "Ioc"),
        ({"side": "buy", "bps": 20}, "99800", "Gtc"),
        ({"side": "sell", "bps": 12.345, "tif": "Alo"}, "100124", "Alo"),
        ({"side": "sell", "px": "101000.00"}, "101000", "Gtc"),
    ],
)
def test_prices_of_external_orders(fields: dict[str, Any], px: str, tif: str) -> None:
    made = world()
    user = open_account(made).address
    action = action_of(made, external("external_order", user=user, coin=BTC, sz="0.010", **fields))
    assert isinstance(action, PlaceOrders)
    (wire,) = action.orders
    assert (wire.a, wire.p, wire.s, wire.t.limit.tif if wire.t.limit else None) == (0, px, "0.01", tif)


def test_external_orders_that_cannot_be() -> None:
    made = world()
    user = open_account(made).address
    with pytest.raises(Refused, match="no coin 'XYZ'"):
        action_of(made, external("external_order", user=user, coin="XYZ", side="buy", sz="1"))
    with pytest.raises(Refused, match="no account"):
        action_of(made, external("external_order", user=BOB, coin=BTC, side="buy", sz="1"))
    made.listings[BTC].mark_px = 0
    with pytest.raises(Refused, match="say px"):
        action_of(made, external("external_order", user=user, coin=BTC, side="buy", sz="1"))
    with pytest.raises(Refused, match="no such order"):
        action_of(made, external("external_cancel", user=user))


def test_every_kind_says_what_it_does() -> None:
    assert len(KINDS) == 20 and all(kind.__doc__ for kind in KINDS.values())
