"""What every dashboard has alike: its first row, its links to the others, and what happened as annotations.

The first row answers before anything is read: shadow or live, running or halted and why, the money of today, what
is held, what that could cost, and how old the data are.
"""

from typing import Any

from grafana_foundation_sdk.builders import dashboard as dash
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import VizOrientation
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DynamicConfigValue,
    VariableRefresh,
    VariableSort,
)

from grafana.panels import SOURCE, number, steps

TAG = "market maker"
"""Of all dashboards: each has links to those that carry it."""
GAIN = steps("red", (-0.005, "text"), (0.005, "green"))
AGE = steps("green", (3, "orange"), (5, "red"))
SILENT = "NOTHING IS KNOWN"
SINCE = "since (UTC)"

MODE = (
    'label_replace(max(mm_live) == 0, "mode", "SHADOW", "", "")'
    ' or label_replace(max(mm_live) == 1, "mode", "LIVE", "", "")'
)
WITHOUT = 'count_values("gates", count(mm_gate_missing == 1))'
_TOLD = "max(mm_halted) == 0 and on () count(mm_quoting)"
_MOST_BLOCKED = "topk(1, sum by (reason) (mm_side_blocked)) > 0"
_NO_SIDE = f"(sum(mm_quoting) == 0) and on () ({_TOLD})"
STATE = (
    'label_replace(2 * max by (reason) (mm_halted == 1), "state", "HALTED: $1", "reason", "(.*)")'
    ' or label_replace(2 + (max(mm_halted) == 0 unless on () count(mm_quoting)), "state", "EXECUTOR SILENT",'
    ' "", "")'
    f' or label_replace(0 * ({_MOST_BLOCKED}) + 1 and on () ({_NO_SIDE}), "state", "NOT QUOTING: $1", "reason",'
    ' "(.*)")'
    f' or label_replace(1 + ({_NO_SIDE} unless on () mm_side_blocked), "state", "NOT QUOTING", "", "")'
    f' or label_replace(({_TOLD}) and on () sum(mm_quoting) > 0, "state", "RUNNING", "", "")'
)
"""0 running, 1 running without a single order, 2 halted or nobody who tells; the words are the label."""
DATA_AGE = "max(mm_data_staleness_secs or mm_feed_age_seconds)"
LOSS = 'max(mm_possible_loss_usd{gap="0.10"})'


def first_row() -> list[Any]:
    """The same on every dashboard, so that the eye knows where to look."""
    not_told = "not told"
    live = "Shadow simulates orders, live sends them. WITHOUT: gates that had no evidence when it was confirmed."
    state = (
        "Halted: nothing is quoted until an operator resumes. The reason is a rule of the guard, or who did it."
    )
    modes = [(MODE, "{{mode}}"), (WITHOUT, "WITHOUT {{gates}} GATES")]
    return [
        number((0, 0, 5, 4), "Mode", live, modes, "none", named=True, filled=True, empty=SILENT,
               colours=steps("blue", (1, "red"))).orientation(VizOrientation.HORIZONTAL),
        number((5, 0, 6, 4), "State", state, (STATE, "{{state}}"), "none", named=True, filled=True, empty=SILENT,
               colours=steps("green", (1, "orange"), (2, "red"))),
        _pnl(not_told),
        number((15, 0, 3, 4), "Exposure", "Sum of all positions, long and short, at the mid.",
               ("max(mm_exposure_usd)", ""), "prefix:$", decimals=0, empty=not_told),
        number((18, 0, 4, 4), "Worst-case loss (10 % gap)",
               "If all coins move 10 % against us at once, after the orders on the way have filled.",
               (LOSS, ""), "prefix:$", decimals=0, empty=not_told, colours=steps("orange")),
        number((22, 0, 2, 4), "Data age", "Greatest age of a book, or of the feed, in the last 10 s.",
               (DATA_AGE, ""), "suffix: s", decimals=1, empty=not_told, colours=AGE),
    ]  # fmt: skip


def _pnl(empty: str) -> Any:
    """With the time from which it counts: a resume after a halt begins the day's loss budget anew."""
    text = "Of the whole account, counted from the time below: UTC midnight, or the resume that ended a halt."
    queries = [("max(mm_day_pnl_usd)", "net"), ("max(mm_day_start_timestamp_seconds) * 1000", SINCE)]
    panel = number((11, 0, 4, 4), "PnL", text, queries, "currencyUSD", colours=GAIN, decimals=2, empty=empty)
    clock = [DynamicConfigValue(id_val="unit", value="time:HH:mm"),
             DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": "text"})]  # fmt: skip
    return panel.orientation(VizOrientation.HORIZONTAL).override_by_name(SINCE, clock)


def _annotation(name: str, expr: str, text: str, color: str, shown: bool = True) -> dash.AnnotationQuery:
    query = Dataquery().expr(expr).legend_format(text).ref_id("Annotation").range()
    return (
        dash.AnnotationQuery()
        .name(name)
        .datasource(SOURCE)
        .enable(shown)
        .icon_color(color)
        .expr(expr)
        .target(query)
        .step("5s")
        .title_format(name)
        .text_format(text)
    )


def annotations(coin: str) -> list[dash.AnnotationQuery]:
    """Halts as long as they last, restarts, and fills; `coin` matches whose. Fills of 30 coins hide everything
    else, so they are shown at once for a single coin only."""
    fills = f"mm_orders_filled_total{{{coin}}}"
    starts = "mm_service_start_timestamp_seconds"
    return [
        _annotation("Halted", "max by (reason) (mm_halted) == 1", "{{reason}}", "red"),
        _annotation("Restarts", f"{starts} != {starts} offset $__interval", "{{service}}", "orange"),
        _annotation("Fills", f"{fills} - {fills} offset $__interval > 0", OF_FILLS, "blue", coin == ONE_COIN),
    ]


OF_FILLS = "{{asset}}: `market_maker explain --asset {{asset}}` lists it"
"""Numbers of fills are no labels: each would be a series of its own."""
ONE_COIN = 'asset="$coin"'
ANY_COIN = 'asset=~".+"'


def dashboard(uid: str, title: str, description: str, coin: str = ANY_COIN) -> dash.Dashboard:
    board = (
        dash.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .timezone("utc")
        .time("now-1h", "now")
        .refresh("5s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(
            dash.DashboardLink("Market maker")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .keep_time(True)
            .include_vars(True)
        )
        .with_variable(dash.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for annotation in annotations(coin):
        board.annotation(annotation)
    return board


def _coin_names(name: str) -> dash.QueryVariable:
    return (
        dash.QueryVariable(name)
        .label("Coin")
        .query("label_values(mm_data_staleness_secs, asset)")
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def coin_variable() -> dash.QueryVariable:
    """Any number of coins; all at first."""
    all_coins = {"text": "All", "value": "$__all"}
    return _coin_names("asset").multi(True).include_all(True).all_value(".*").current(all_coins)  # type: ignore[arg-type]


def one_coin_variable() -> dash.QueryVariable:
    return _coin_names("coin").current({"text": "BTC", "value": "BTC"})  # type: ignore[arg-type]
