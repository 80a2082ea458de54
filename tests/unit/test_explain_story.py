"""What is said of a fill, from evidence in words of one page: verdicts, gaps, the twin, the chart."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from market_maker.explain import chart, find, render
from market_maker.explain.command import show
from market_maker.explain.evidence import Evidence, Mid
from market_maker.explain.story import tell
from shared.errors import ConfigError
from shared.flights import Flight
from shared.messages import Fill, OrderUpdate, Trade
from shared.units import Side

T = 1771733346000
LATER = T + 600_000


def fill(side: Side = "bid", **changes: Any) -> Fill:
    usual = Fill(
        coin="BTC", fill_id="0xa-7", seq=12, cloid="0xa", mode="shadow", side=side, level=2, px=Decimal(100),
        sz=Decimal(2), fee_usd=Decimal("0.03"), mid_px=Decimal("100.1" if side == "bid" else "99.9"),
        realized_usd=Decimal(0), position_sz=Decimal(2 if side == "bid" else -2), time_ms=T,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def trade(px: str, sz: str, side: Any, tid: int) -> Trade:
    return Trade(Decimal(px), Decimal(sz), side, T, tid)


def story(
    of: Fill, *mids: tuple[int, float], prints: tuple[Trade, ...] = (), now_ms: float = LATER, **more: Any
) -> Any:
    path = tuple(Mid(T + at_ms, px - 0.01, px + 0.01) for at_ms, px in mids)
    return tell(Evidence(Flight(fill=of, prints=prints), path, (), **more), now_ms)


@pytest.mark.parametrize(
    ("of", "after_px", "words"),
    [
        (fill(), 100.0, "mid was 10.0 bps lower: adverse; net edge -1.5 bps (-0.0300 USD) after 1.5 bps fee"),
        (fill(), 100.1, "mid was unchanged: good; net edge +8.5 bps (+0.1700 USD) after 1.5 bps fee"),
        (
            fill("ask"),
            100.0,
            "mid was 10.0 bps higher: adverse; net edge -1.5 bps (-0.0300 USD) after 1.5 bps fee",
        ),
        (fill("ask"), 99.8, "mid was 10.0 bps lower: good; net edge +18.5 bps (+0.3700 USD) after 1.5 bps fee"),
        (fill(fee_usd=Decimal("-0.01")), 100.1, "good; net edge +10.5 bps (+0.2100 USD) after 0.5 bps rebate"),
    ],
)
def test_the_verdict_judges_by_the_edge_after_the_fee_five_seconds_later(
    of: Fill, after_px: float, words: str
) -> None:
    told = story(of, (-100, float(of.mid_px)), (4900, after_px), (5200, 50.0))
    assert told.verdict.endswith(words), told.verdict


def test_the_order_that_filled_us_is_what_hit_our_side_in_the_block() -> None:
    prints = (trade("100", "3", "A", 7), trade("99.9", "10", "A", 8), trade("100.2", "50", "B", 9))
    told = story(fill(), prints=prints)
    assert (
        told.verdict.startswith("Filled by a 1,299 USD sell sweep;") and told.sweep.through_usd == told.sweep.usd
    )
    assert story(fill(), prints=prints[:1]).verdict.startswith("Filled by a 300 USD sell order;")
    assert story(fill("ask"), prints=prints).sweep.prints == prints[2:]


def test_a_book_that_is_too_old_at_the_horizon_makes_no_markout() -> None:
    told = story(fill(), (-100, 100.1), (2900, 100.0), (5100, 100.0))
    assert [mark.edge_bps is None for mark in told.markouts] == [False, True, True, True]
    assert "no book near 5, 30, 60 s after the fill is recorded" in told.gaps


def test_what_is_still_to_come_is_not_called_lost_while_somebody_records() -> None:
    young = story(fill(), (-100, 100.1), (900, 100.1), now_ms=T + 2000, running=True)
    assert young.verdict.endswith("too young for a verdict")
    assert young.gaps[-1] == "markouts at 1, 5, 30, 60 s are still to come: ask again"
    stopped = story(fill(), (-100, 100.1), (900, 100.1), now_ms=T + 2000)
    assert stopped.gaps[-1] == "no book near 1, 5, 30, 60 s after the fill is recorded"


def test_a_fill_of_the_twin_beside_live_trading_is_marked() -> None:
    told = Evidence(Flight(fill=fill()), (), (), twin=True)
    lines = [str(line) for line in render.lines(told, tell(told, LATER))]
    assert lines[0].startswith("SHADOW TWIN BTC bid L2  bought 2 @ 100")
    assert any("the shadow twin does not tell its orders" in line for line in lines)
    assert render.facts(told, tell(told, LATER))["twin"] is True


def test_an_order_that_leaves_a_position_has_no_target_to_miss() -> None:
    of = fill(level=0)
    order = OrderUpdate(
        coin="BTC", cloid="0xa", side="bid", level=0, px=of.px, sz=of.sz, filled_sz=Decimal(0), status="pending",
        time_ms=T - 500,
    )  # fmt: skip
    told = tell(Evidence(Flight(fill=of, order=order), (), ()), LATER)
    assert "an order that leaves a position has no target" in told.gaps


@pytest.mark.parametrize(
    ("wanted", "is_meant"),
    [
        ("0xa-7", True),
        ("0xa", True),
        ("7", True),
        ("BTC:12", True),
        ("BTC:1", False),
        ("ETH:12", False),
        ("", False),
    ],
)
def test_what_a_text_means(wanted: str, is_meant: bool) -> None:
    assert find.meant(fill(), wanted) is is_meant


def test_a_list_of_fills_fits_a_terminal_and_names_both_ids() -> None:
    long = fill(
        coin="xyz:SILVER", seq=1234, fill_id="0x86a9d949450a5fe43738592719651e0d-858240547043789", mode="shadow",
        px=Decimal("31.0585"), sz=Decimal("12345.678"),
    )  # fmt: skip
    first, second = render.entry(long)
    assert max(map(len, (first, second))) <= render.WIDTH
    assert first.startswith("xyz:SILVER:1234 ") and "bought 12345.678 @ 31.0585" in first
    assert long.fill_id in second.split() and " UTC " in first


def test_the_last_fill_and_another_are_not_asked_for_at_once() -> None:
    with pytest.raises(ConfigError, match="--last is the newest fill and BTC:12 names one: leave one of them out"):
        show("BTC:12", True, "", as_json=False)


def test_the_chart_shows_the_mid_our_price_and_the_moment_of_the_fill() -> None:
    mids = [Mid(T + at_ms, px - 0.01, px + 0.01) for at_ms, px in ((-4000, 100.1), (0, 100.05), (1000, 100.0))]
    lines = chart.draw(mids, T, 100.1, 100.0)
    assert len(lines) == chart.ROWS + 1 and all(len(line) <= 100 for line in lines)
    assert lines[0].strip().startswith("+0.00") and lines[chart.ROWS - 1].strip().startswith("-9.99")
    assert all(chart.FILL in line or chart.MID in line or chart.BOTH in line for line in lines[:-1])
    assert chart.BOTH in lines[chart.ROWS - 1] and chart.PRICE in lines[chart.ROWS - 1]
    assert chart.draw([], T, 100.1, 100.0) == []
