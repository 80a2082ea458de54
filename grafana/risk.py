"""The dashboard of risk: which rule holds back what, how close the others are, what can be lost from here."""

from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.frame import coin_variable, dashboard, first_row
from grafana.latency import WRONG
from grafana.panels import (
    BPS,
    Column,
    bars,
    lines,
    number,
    placed,
    rows_by,
    steps,
    timeline,
    words,
)

UID = "mm-risk"
COIN = '{asset=~"$asset"}'
LEVELS = {"widen": ("widen", "yellow"), "reduce": ("reduce", "orange"), "pull": ("pull", "red"),
          "halt": ("HALT", "dark-red")}  # fmt: skip
GAPS = {"0.01": "1 %", "0.03": "3 %", "0.10": "10 %"}
NOT_TOLD = "The executor has not told."
FIRED = " or ".join(f'mm_rule_fired{{level="{level}"}} * {index}' for index, level in enumerate(LEVELS, 1))
"""1 widen … 4 halt while a rule fires; the highest of several is the tightest."""
LEVEL_NUMBERS = {str(index): word for index, word in enumerate(LEVELS.values(), 1)}
CLOSEST = "topk by (rule) (1, mm_rule_closeness)"
"""Of each rule the coin that is closest to its limit."""
STATES = {"-1": ("not known", "text"), "0": ("well", "green"), "1": ("FIRED", "red")}
STATE = (
    "max by (rule) (mm_rule_fired) == 1"
    " or max by (rule) (mm_rule_fired) and on (rule) mm_rule_value"
    " or max by (rule) (mm_rule_fired) - 1"
)
"""1 fires, 0 does not, -1 has no value yet to judge by."""
_RIGHT = {"custom.align": "right"}
_COLOURED = {"custom.cellOptions": {"type": "color-text"}}
_COUNT = {"unit": "none", "decimals": 0, **_RIGHT}
_AGO = {"unit": "s", "decimals": 0, **_RIGHT}

COLUMNS: tuple[Column, ...] = (
    ("Close", "max by (rule) (mm_rule_closeness)", {
        "unit": "percentunit", "decimals": 0, "min": 0, "max": 1, "custom.width": 180,
        "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
        "color": {"mode": "thresholds"},
        "thresholds": steps("green", (0.5, "yellow"), (0.8, "orange"), (1, "red")).build().to_json(),
    }),
    ("State", STATE, {
        **_COLOURED,
        "mappings": [words(STATES).to_json()],
    }),
    ("Coin", f"max by (rule, asset) ({CLOSEST})", {"label": "asset"}),
    ("Level", "max by (rule, level) (mm_rule_fired)", {
        "label": "level", **_COLOURED, "mappings": [words(LEVELS | {"off": ("off", "text")}).to_json()],
    }),
    ("Value", f"max by (rule) (mm_rule_value and on (rule, asset) {CLOSEST})", {"unit": "short", **_RIGHT}),
    ("Limit", f"max by (rule) (mm_rule_limit and on (rule, asset) {CLOSEST})", {"unit": "short", **_RIGHT}),
    ("Unit", "max by (rule, unit) (mm_rule_limit)", {"label": "unit"}),
    ("Fired", "sum by (rule) (increase(mm_rule_fired_total[$__range]))", _COUNT),
    ("Last fired", "time() - max by (rule) (mm_rule_last_fired_timestamp_seconds)", _AGO),
    ("Last drill", "time() - max by (rule) (mm_rule_proven_timestamp_seconds)", _AGO),
)  # fmt: skip


def summary() -> list[Any]:
    fired = "count(max by (rule) (mm_rule_fired) == 1) or 0 * count(mm_rule_fired)"
    of_account = "/ on () max(mm_account_value_usd)"
    gaps = [
        number((10 + 4 * index, 0, 4, 3), f"{percent} gap of the account",
               "Loss if all coins move so far against us at once, as a part of the account.",
               (f'max(mm_possible_loss_usd{{gap="{gap}"}}) {of_account}', ""), "percentunit", decimals=1,
               empty=NOT_TOLD, colours=steps("text", (0.05, "orange"), (0.2, "red")))
        for index, (gap, percent) in enumerate(list(GAPS.items())[1:])
    ]  # fmt: skip
    return [
        number((0, 0, 5, 3), "Rules that fire", "Rules that hold back quotes now, on any coin.",
               (fired, ""), "none", decimals=0, colours=steps("green", (1, "orange"))),
        number((5, 0, 5, 3), "Left to the daily stop", "What may still be lost before everything halts.",
               ("max(mm_day_budget_left_usd)", ""), "currencyUSD", decimals=2, empty=NOT_TOLD,
               colours=steps("red", (0.01, "text"))),
        *gaps,
        number((18, 0, 6, 3), "Liquidation distance", "Move of all coins against us at which the venue closes us.",
               ("max(mm_liquidation_distance)", ""), "percentunit", decimals=0, empty="nothing held, or not told",
               colours=steps("red", (0.1, "orange"), (0.3, "green"))),
    ]  # fmt: skip


def rules() -> list[Any]:
    text = "Each rule of the guard, closest to its limit first; on coins the one that is closest."
    return [
        rows_by(("rule", "Rule"), {"field": "Close", "desc": True}, (0, 0, 24, 29), "Rules", text, COLUMNS),
    ]


def history() -> list[Any]:
    often = "sort_desc(topk(12, round(sum by (rule) (increase(mm_rule_fired_total[$__range])) > 0)))"
    return [
        timeline((0, 0, 16, 12), "Rules that fired", "Yellow: wider. Orange: reduce only. Red: no quotes or halt.",
                 (f"max by (rule) ({FIRED}) > 0", "{{rule}}"), words(LEVEL_NUMBERS), empty="No rule has fired."),
        bars((16, 0, 8, 12), "How often", "Times that a rule began to fire in this range, on all coins.",
             (often, "{{rule}}"), "none"),
        timeline((0, 12, 24, 12), "Coins held back", "By the tightest rule that fires on the coin.",
                 (f"max by (asset) ({FIRED}) > 0", "{{asset}}"), words(LEVEL_NUMBERS), empty="No coin."),
        lines((0, 24, 24, 10), "How close", "Value against limit of the closest coin; at 1 a rule fires.",
              [("max by (rule) (mm_rule_closeness)", "{{rule}}")], "percentunit", beside=True, low=0, at_least=1,
              decimals=0),
    ]  # fmt: skip


def loss() -> list[Any]:
    gaps = [(f'max(mm_possible_loss_usd{{gap="{gap}"}})', f"{percent} gap") for gap, percent in GAPS.items()]
    held = [("max(mm_exposure_usd)", "held"), ("max(mm_resting_usd)", "resting, larger side")]
    return [
        lines((0, 0, 12, 9), "What a gap would cost", "All coins against us, orders on the way filled first.",
              [*gaps, ("max(mm_day_budget_left_usd)", "left to the daily stop")], "currencyUSD", low=0,
              decimals=2),
        lines((12, 0, 6, 9), "Held and resting", "Sum of positions; orders that may still fill.",
              held, "currencyUSD", low=0, decimals=0),
        lines((18, 0, 6, 9), "Liquidation distance", "Move of all coins against us.",
              [("max(mm_liquidation_distance)", "distance")], "percentunit", low=0, decimals=0,
              empty="Nothing was held."),
    ]  # fmt: skip


def levels() -> list[Any]:
    def by_coin(x: int, row: int, title: str, text: str, metric: str, unit: str, **more: Any) -> Any:
        query = (f"max by (asset) ({metric}{COIN})", "{{asset}}")
        return lines((x, row, 12, 9), title, text, [query], unit, beside=True, decimals=2, **more)

    return [
        by_coin(0, 0, "Spreads asked wider", "Product of all rules that widen, 1 to 4.", "mm_tail_risk_multiplier",
                "suffix:x", low=1, at_least=2),
        by_coin(12, 0, "Sizes asked smaller", "What the rules leave of the wanted size.", "mm_size_multiplier",
                "percentunit", low=0, high=1),
        by_coin(0, 9, "Cascade severity", "Where it is worst: 0.3 wider, 0.5 smaller, 0.8 pulls, 0.95 halts.",
                "mm_cascade_severity", "none", low=0, high=1, empty="Not known yet."),
        by_coin(12, 9, "Jump ratio", "Realised over bipower variance where it is highest; jumps make it large.",
                "mm_jump_ratio", "none", low=0, empty="Not known yet."),
        lines((0, 18, 12, 8), "Requests that went wrong", "In five minutes, by action and outcome; live only.",
              [WRONG], "none", low=0, decimals=0, at_least=1, empty="None, or not live."),
        by_coin(12, 18, "Adverse selection", "Mid against our fills after 5 s; + costs us.",
                "mm_adverse_selection_bps", BPS, empty="No fill is 5 s old yet."),
    ]  # fmt: skip


def build() -> Dashboard:
    text = "What stops the market maker, how close everything else is, and what can be lost."
    board = dashboard(UID, "Risk", text)
    board.with_variable(coin_variable())
    sections = (
        ("", first_row()),
        ("", summary()),
        ("", rules()),
        ("Fired", history()),
        ("What can be lost", loss()),
        ("Widening and its causes", levels()),
    )
    return placed(board, sections)
