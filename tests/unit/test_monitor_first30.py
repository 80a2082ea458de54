"""The monitor tells the first half hour of a live session by itself: changes as lines, one summary at the end."""

from decimal import Decimal
from typing import Any

from services.monitor.config import MonitorConfig
from services.monitor.core import Monitor
from shared import messages as m
from shared.service import Tick
from tests.fixtures.make import account_status, book, coin_status, live_status

START_MS = 1_700_000_000_000


class Live:
    """A live session of one coin, a second at a time."""

    def __init__(self, mode: m.Mode = "live", age_min: float = 0.0) -> None:
        self.mode, self.session_ms = mode, START_MS - int(age_min * 60_000)
        self.core = Monitor(MonitorConfig(shadow_mode=mode == "shadow"))
        self.now_ms = START_MS
        self._give(m.Universe(coins=(m.CoinMeta(coin="BTC", sz_decimals=2, max_leverage=5),), time_ms=START_MS))

    def _give(self, message: m.Message) -> None:
        list(self.core.step(self.now_ms, message))

    def second(self, **line: Any) -> list[m.Event]:
        plain: dict[str, Any] = {"resting_bids": 1, "resting_asks": 1, "best_bid_px": Decimal("99.9")}
        self.now_ms += 1_000
        self._give(m.Book(**{**_fields(book()), "received_ms": float(self.now_ms), "time_ms": self.now_ms}))
        live = live_status(confirmed_until_ms=self.now_ms + 1) if self.mode == "live" else None
        coins = (coin_status(**plain | line),)
        self._give(
            account_status(self.now_ms, mode=self.mode, session_start_ms=self.session_ms, coins=coins, live=live)
        )
        events = [event for event in self.core.step(self.now_ms, Tick()) if isinstance(event, m.Event)]
        return [event for event in events if event.tag == "FIRST30"]

    def minutes(self, minutes: float) -> list[m.Event]:
        return [event for _ in range(int(minutes * 60)) for event in self.second()]


def _fields(message: m.Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def test_half_an_hour_is_told_from_its_beginning_to_a_summary_and_then_no_more() -> None:
    live = Live()
    events = live.minutes(30.1)
    assert "watching the first 30 minutes" in events[0].text
    summary = [event for event in events if event.text.startswith("30 minutes:")]
    assert summary == events[-1:] and "red flags: none" in summary[0].text
    fills = [(event.level, event.text) for event in events if event.text.startswith("fills:")]
    assert len(fills) == 1 and fills[0][0] == "warning" and "-> .venv/bin/market_maker" in fills[0][1]
    assert any(event.text.startswith("orders: ok") for event in events)
    assert live.minutes(31) == []


def test_a_halt_is_a_red_flag_and_so_is_the_summary() -> None:
    live = Live()
    live.minutes(1)
    live._give(m.HaltState(halted=True, reason="drawdown", who="guard", since_ms=live.now_ms))
    [event] = [event for event in live.minutes(0.1) if event.text.startswith("kill switch")]
    assert event.level == "error" and "RED" in event.text and "guard: drawdown" in event.text
    live._give(m.HaltState(halted=False))
    summary = live.minutes(29)[-1]
    assert summary.level == "error" and "red flags: kill switch" in summary.text


def test_shadow_and_a_session_that_has_long_begun_are_not_watched() -> None:
    assert Live(mode="shadow").minutes(1) == []
    assert Live(age_min=30).minutes(1) == []


def test_a_monitor_that_restarts_within_the_half_hour_goes_on() -> None:
    live = Live(age_min=29)
    events = live.minutes(1.1)
    assert "watching" in events[0].text and events[-1].text.startswith("30 minutes:")


def test_the_next_session_is_watched_again() -> None:
    live = Live()
    live.minutes(1)
    live.session_ms = live.now_ms
    assert "watching" in live.second()[0].text
