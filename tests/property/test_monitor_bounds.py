"""No sequence of messages makes more series than a person chose to have."""

from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services import SERVICES
from services.monitor.bounds import MOST_VALUES
from services.monitor.core import Backlogs, Monitor, RuleProofs
from services.monitor.files import Analysis, Evidence, FilesSeen
from shared import messages as m
from shared.bus import Backlog
from shared.metrics import GRID
from tests.fixtures.make import book, fill
from tests.unit.test_monitor_core import beat, event, line, live, monitor
from tests.unit.test_monitor_exposition import GridCollector

LABELS = {metric.name: metric.labels for metric in GRID}
words = st.one_of(st.text(max_size=60), st.integers(0, 10**9).map(lambda number: f"x{number}"))


def rejected(text: str) -> m.OrderUpdate:
    return m.OrderUpdate(
        coin="BTC", cloid=text, side="bid", level=1, px=Decimal(1), sz=Decimal(1), filled_sz=Decimal(0),
        status="rejected", reason=text, time_ms=1,
    )  # fmt: skip


def report(rule: str, coin: str, unit: str) -> m.RiskReport:
    loss = m.PossibleLoss(
        day_left_usd=Decimal(1), exposure_usd=Decimal(1), resting_usd=Decimal(1), gaps_usd={unit: Decimal(1)},
        liquidation_frac=None,
    )  # fmt: skip
    told = m.RuleStatus(
        rule=rule, coin=coin, value=1.0, limit=1.0, unit=unit, level="pull", fired=True, fired_ms=1
    )
    return m.RiskReport(time_ms=1_000, rules=(told,), loss=loss)


def files(text: str) -> FilesSeen:
    content = {"made_ms": 1, "until_ms": 2, "gates": {text: {"verdict": "GO", "coins": {text: "GO"}}}}
    return FilesSeen(
        msgspec.convert(content, Evidence), msgspec.convert(content, Analysis), None, written_ms={text: 1.0}
    )


def target(level: int) -> m.TargetQuotes:
    return m.TargetQuotes(
        coin="BTC", source_ms=1.0, computed_ms=1_000, mid_px=1.0, half_spread_bps=1.0, shift_bps=0.0,
        multiplier=1.0, regime="calm", bids=(m.QuoteLevel(level, Decimal(1), Decimal(1)),),
    )  # fmt: skip


hostile = st.one_of(
    words.map(rejected),
    st.builds(report, words, words, words),
    words.map(files),
    words.map(lambda text: beat(text)),
    words.map(lambda text: event(service="executor", tag="DARK FILL", coin=text, text=text)),
    words.map(lambda text: m.HaltState(halted=True, who=text, reason=text)),
    words.map(lambda text: RuleProofs({text: 1})),
    words.map(lambda text: Backlogs((Backlog(text, text, 1, 1),))),
    words.map(lambda text: live(1_000, line(), without=(text,), errors={text: 1}, rejects={text: 1})),
    words.map(lambda text: msgspec.structs.replace(fill(mode="live"), fill_id=text, cloid=text, coin=text)),
    words.map(lambda text: book(text)),
    st.integers(-5, 10**6).map(target),
)


def values_shown(core: Monitor, collector: GridCollector) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for family in collector.collect():
        for sample in family.samples:
            assert set(sample.labels) == set(LABELS[sample.name])
            for label, value in sample.labels.items():
                found.setdefault((sample.name, label), set()).add(value)
    return found


@settings(max_examples=40)
@given(st.lists(hostile, max_size=60))
def test_labels_are_few_and_short_whatever_the_streams_say(messages):
    core = monitor("BTC", "ETH", mode="live")
    collector = GridCollector(core, "sim", "1", lambda: 1_000)
    for message in messages:
        list(core.step(1_000, message))
        values_shown(core, collector)
    for (_, label), values in values_shown(core, collector).items():
        assert all(len(value) <= 40 and value.isprintable() for value in values)
        if label == "service":
            assert values <= set(SERVICES)


def test_more_names_than_any_label_may_have_are_not_shown_and_the_first_stay():
    core = monitor("BTC")
    collector = GridCollector(core, "sim", "1", lambda: 1_000)
    for number in range(2 * MOST_VALUES):
        for message in (report(f"rule{number}", f"coin{number}", "s"), files(f"gate{number}")):
            list(core.step(1_000, message))
        values_shown(core, collector)
    shown = values_shown(core, collector)
    assert all(len(values) <= MOST_VALUES + 1 for values in shown.values())
    assert len(shown["mm_rule_fired_total", "rule"]) == MOST_VALUES
    assert "rule0" in shown["mm_rule_fired_total", "rule"]
