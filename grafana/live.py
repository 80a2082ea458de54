"""The dashboard of live trading: may it trade, do the books agree, does the budget last, was the shadow right?"""

from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.frame import coin_variable, dashboard, first_row
from grafana.panels import (
    BPS,
    Column,
    Query,
    bars,
    lines,
    number,
    placed,
    rows_by_coin,
    steps,
    timeline,
    words,
)

UID = "mm-live"
COIN = '{asset=~"$asset"}'
ONLY_LIVE = "Live trading only."
_NUMBER = {"custom.align": "right"}
_COUNT = {"unit": "none", "decimals": 0, **_NUMBER}
_USD = {"unit": "prefix:$", "decimals": 0, **_NUMBER}
_EDGE = {"unit": BPS, "decimals": 1, **_NUMBER}


def of_twin(metric: str, trading: str) -> str:
    return f'sum by (asset) ({metric}{{asset=~"$asset", mode="{trading}"}})'


def recent(metric: str) -> list[Query]:
    """Both modes, the last five minutes at each point."""
    return [
        (f'sum(increase({metric}{{asset=~"$asset", mode="{trading}"}}[5m]))', trading)
        for trading in ("live", "shadow")
    ]


COLUMNS: tuple[Column, ...] = (
    ("Fills live", of_twin("mm_twin_fills_total", "live"), _COUNT),
    ("Fills shadow", of_twin("mm_twin_fills_total", "shadow"), _COUNT),
    ("Volume live", of_twin("mm_twin_fill_usd_total", "live"), _USD),
    ("Volume shadow", of_twin("mm_twin_fill_usd_total", "shadow"), _USD),
    ("Edge live", of_twin("mm_twin_edge_bps", "live"), _EDGE),
    ("Edge shadow", of_twin("mm_twin_edge_bps", "shadow"), _EDGE),
    ("Fills more", f"sum by (asset) (mm_twin_fill_difference{COIN})", _COUNT),
    ("Edge more", f"sum by (asset) (mm_twin_edge_difference_bps{COIN})", _EDGE),
)


def summary() -> list[Any]:
    alarm = steps("green", (1, "red"))
    phase = "max by (stage) (mm_recovery_phase) == 1"
    return [
        number((0, 0, 4, 3), "Executor", "Phase of the recovery; orders are placed in `ready` alone.",
               (phase, "{{stage}}"), "none", named=True, empty=ONLY_LIVE),
        number((4, 0, 4, 3), "Confirmed for", "Left of the typed confirmation; nothing is quoted after it.",
               ("max(mm_confirmation_left_seconds)", ""), "s", empty=ONLY_LIVE,
               colours=steps("red", (0, "orange"), (1800, "text"))),
        number((8, 0, 3, 3), "Unknown orders", "Orders whose fate is being asked for; for moments only.",
               ("max(mm_unknown_orders)", ""), "none", decimals=0, empty=ONLY_LIVE,
               colours=steps("green", (1, "orange"))),
        number((11, 0, 3, 3), "Dark fills", "Fills that the venue did not tell of, or not of our orders.",
               ("sum(increase(mm_dark_fills_total[$__range]))", ""), "none", decimals=0, colours=alarm,
               empty=ONLY_LIVE),
        number((14, 0, 3, 3), "Untied", "Positions (and cash) that differ from the venue's account.",
               ("max(mm_untied_balances)", ""), "none", decimals=0, colours=alarm, empty=ONLY_LIVE),
        number((17, 0, 3, 3), "Tied out", "Time since books and venue agreed; compared each minute.",
               ("max(mm_tie_out_age_seconds)", ""), "s", decimals=0, empty=ONLY_LIVE,
               colours=steps("green", (120, "orange"), (300, "red"))),
        number((20, 0, 4, 3), "Post-only rejects", "Orders that would have crossed, since the executor began.",
               ("max(mm_post_only_reject_ratio)", ""), "percentunit", decimals=1, empty=ONLY_LIVE),
    ]  # fmt: skip


def budget() -> list[Any]:
    low = steps("red", (0.05, "orange"), (0.25, "green"))
    soon = steps("red", (6 * 3600, "orange"), (24 * 3600, "green"))
    rates = [
        (f'max(mm_api_hourly_requests{{action="{name}"}})', name) for name in ("spent", "earned", "affordable")
    ]
    modes = "max by (stage) (mm_api_mode) == 1"
    return [
        number((0, 0, 4, 5), "Headroom", "Requests left against a full budget; below 10 % only reducing orders.",
               ("max(mm_api_headroom_ratio)", ""), "percentunit", decimals=0, colours=low, empty=ONLY_LIVE),
        number((4, 0, 4, 5), "Empty in", "At the present rates; nothing while it is not shrinking.",
               ("max(mm_api_empty_seconds)", ""), "s", decimals=1, colours=soon, empty="not shrinking"),
        number((0, 5, 4, 5), "Lets through", "`quoting` everything, `reducing` orders, or only cancels.",
               (modes, "{{stage}}"), "none", named=True, empty=ONLY_LIVE),
        number((4, 5, 4, 5), "Forecast error", "Of the requests spent within ten minutes, on average.",
               ("max(mm_api_forecast_error_ratio)", ""), "percentunit", decimals=0, empty="ten minutes needed"),
        lines((8, 0, 8, 5), "Requests left", "What the venue still takes from the address.",
              [("max(mm_api_requests_left)", "left")], "none", low=0, decimals=0),
        lines((8, 5, 8, 5), "Requests used and allowed", "Each dollar traded allows one more.",
              [("max(mm_api_requests_used)", "used"), ("max(mm_api_requests_cap)", "allowed")], "none",
              decimals=0),
        lines((16, 0, 8, 5), "Requests an hour", "Spent by orders and cancels, earned by trading, and affordable.",
              rates, "none", low=0, decimals=0),
        lines((16, 5, 8, 5), "Spreads asked wider", "1/sqrt(headroom): what the budget asks of all quotes.",
              [("max(mm_api_spread_multiplier)", "factor")], "suffix:x", low=1, at_least=2, decimals=2),
    ]  # fmt: skip


def orders() -> list[Any]:
    refused = "sort_desc(topk(10, sum by (reason) (increase(mm_live_orders_rejected_total[$__range]))))"
    reducing = f"max by (asset) (mm_reduce_only{COIN}) + max by (asset) (mm_flattening{COIN}) > 0"
    states = words({"1": ("reduce only", "orange"), "2": ("flattening", "red")})
    return [
        bars((0, 0, 8, 9), "Rejects by reason", "Orders that never came to rest, in this range.",
             (refused, "{{reason}}"), "none"),
        lines((8, 0, 8, 9), "Unknown orders", "Orders whose fate is being asked for.",
              [("max(mm_unknown_orders)", "unknown")], "none", low=0, at_least=1, decimals=0),
        lines((16, 0, 8, 9), "Time since books and venue agreed", "Compared each minute.",
              [("max(mm_tie_out_age_seconds)", "age")], "s", low=0, at_least=60, decimals=0),
        timeline((0, 9, 24, 7), "Reducing", "Coins that an operator set to reduce only, or is working off.",
                 (reducing, "{{asset}}"), states, empty="No coin."),
    ]  # fmt: skip


def twin() -> list[Any]:
    text = (
        "The shadow trades on the same targets; both counted since the monitor began. Edge: won over the mid."
        " More: live less shadow."
    )
    return [
        rows_by_coin((0, 0, 14, 20), "Live against its shadow", text, COLUMNS),
        lines((14, 0, 10, 10), "Fills in five minutes", "What the shadow predicts, and what came.",
              recent("mm_twin_fills_total"), "none", low=0, decimals=0),
        lines((14, 10, 10, 10), "Volume in five minutes", "The same in dollars.",
              recent("mm_twin_fill_usd_total"), "prefix:$", low=0, decimals=0),
    ]  # fmt: skip


def watchdog() -> list[Any]:
    told = "No watchdog: it runs in live trading only."
    switch = {"0": ("not armed", "text")}
    modes = words({"1": ("yes", "green")})
    return [
        number((0, 0, 4, 4), "Venue looked at", "Time since the venue last showed the account's orders.",
               ("max(mm_watchdog_look_age_seconds)", ""), "s", decimals=1, empty=told,
               colours=steps("green", (10, "orange"), (60, "red"))),
        number((4, 0, 4, 4), "Its key", "Whether it can cancel.", ("max(mm_watchdog_key_holds)", ""),
               "none", mapped=words({"1": ("holds", "green"), "0": ("CANNOT CANCEL", "red")}), empty=told),
        number((8, 0, 4, 4), "Our orders, others'", "At the venue at the last look: ours, and somebody else's.",
               [("max(mm_watchdog_own_orders)", "ours"), ("max(mm_watchdog_foreign_orders)", "others'")], "none",
               decimals=0, empty=told),
        number((12, 0, 4, 4), "Cancelled for a dead executor", "Orders of ours that the watchdog cancelled.",
               ("max(mm_watchdog_cancelled_total)", ""), "none", decimals=0, empty=told,
               colours=steps("green", (1, "orange"))),
        number((16, 0, 4, 4), "Dead man's switch", "Time until the venue itself cancels everything.",
               ("max(mm_watchdog_switch_seconds)", ""), "s", decimals=0, mapped=words(switch), empty=told),
        timeline((20, 0, 4, 4), "Shadow or live", "What the executor was, over time.",
                 ("max by (mode) (mm_mode)", "{{mode}}"), modes),
    ]  # fmt: skip


def build() -> Dashboard:
    board = dashboard(UID, "Live trading", "What only live trading has: confirmation, books, budget, shadow.")
    board.with_variable(coin_variable())
    sections = (
        ("", first_row()),
        ("", summary()),
        ("Request budget", budget()),
        ("Orders and books", orders()),
        ("Fills: live against shadow", twin()),
        ("Watchdog", watchdog()),
    )
    return placed(board, sections)
