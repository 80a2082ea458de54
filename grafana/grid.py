"""The dashboard of the grid: what every coin does, what it earned, and why a side is not quoting."""

from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.frame import GAIN, coin_variable, dashboard, first_row
from grafana.panels import (
    BPS,
    Column,
    any_other_word,
    bars,
    lines,
    number,
    painted,
    placed,
    rows_by_coin,
    spark,
    steps,
    timeline,
    words,
)

UID = "mm-grid"
COIN = '{asset=~"$asset"}'


def by_coin(metric: str) -> str:
    return f"sum by (asset) ({metric}{COIN})"


def during(metric: str) -> str:
    """Part of the time that was observed."""
    rate = "[$__rate_interval]"
    return f"sum(rate({metric}{COIN}{rate})) / sum(rate(mm_observed_seconds_total{COIN}{rate}))"


def side_price(side: str) -> str:
    return f'sum by (asset) (mm_quote_price{{asset=~"$asset", side="{side}"}})'


def side_state(side: str) -> str:
    """`quoting`, the reason why not, or `placing` for the moment between a wish and its order, as a label."""
    of = f'{{asset=~"$asset", side="{side}"}}'
    return (
        f"max by (asset, {side}_state) ("
        f'label_replace(mm_side_blocked{of} unless on (asset, side) (mm_quoting == 1), "{side}_state", "$1",'
        ' "reason", "(.+)")'
        f' or label_replace(mm_quoting{of} == 1, "{side}_state", "quoting", "", "")'
        f' or label_replace(mm_quoting{of} == 0 unless on (asset, side) mm_side_blocked, "{side}_state",'
        ' "placing", "", ""))'
    )


SIDES_QUOTED = f"sum by (asset) (max_over_time(mm_quoting{COIN}[15s]))"
"""A side whose order is being replaced counts as quoted."""
POSITION_USD = by_coin("mm_position_usd")
_STATES = [
    words(
        {"quoting": ("quoting", "green"), "placing": ("placing", "blue"), "halted": ("halted", "red")}
    ).to_json(),
    any_other_word("orange").to_json(),
]
_NUMBER = {"custom.align": "right"}
_COLOURED: dict[str, Any] = {"custom.cellOptions": {"type": "color-text"}}
_SIGNED = {
    **_NUMBER,
    **_COLOURED,
    "color": {"mode": "thresholds"},
    "thresholds": steps("red", (-0.005, "text"), (0.005, "green")).build().to_json(),
}
_STATE = {**_COLOURED, "mappings": _STATES, "custom.width": 170}
_PRICE = {"unit": "string", **_NUMBER}
_BAR = {
    "unit": "percentunit",
    "decimals": 0,
    "min": 0,
    "max": 1,
    "custom.width": 160,
    "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
    "color": {"mode": "thresholds"},
    "thresholds": steps("green", (0.8, "orange"), (1, "red")).build().to_json(),
}
_AGE = {
    "unit": "suffix: s",
    "decimals": 1,
    **_NUMBER,
    **_COLOURED,
    "color": {"mode": "thresholds"},
    "thresholds": steps("text", (3, "orange"), (5, "red")).build().to_json(),
}

COLUMNS: tuple[Column, ...] = (
    ("Mid", by_coin("mm_mid_price"), _PRICE),
    ("Mid over time", by_coin("mm_mid_price"), {**spark("blue"), "custom.width": 150}),
    ("Spread", by_coin("mm_spread_bps"), {"unit": BPS, "decimals": 1, **_NUMBER}),
    ("Our bid", side_price("bid"), _PRICE),
    ("Our ask", side_price("ask"), _PRICE),
    ("Bid state", side_state("bid"), {"label": "bid_state", **_STATE}),
    ("Ask state", side_state("ask"), {"label": "ask_state", **_STATE}),
    ("Widening", by_coin("mm_regime_multiplier"), {"unit": "suffix:x", "decimals": 1, **_NUMBER}),
    ("Position", POSITION_USD, {"unit": "currencyUSD", "decimals": 2, **_NUMBER}),
    ("Inventory", by_coin("mm_inventory_utilization"), _BAR),
    ("PnL", by_coin("mm_daily_pnl"), {"unit": "currencyUSD", "decimals": 2, **_SIGNED}),
    ("PnL over time", by_coin("mm_daily_pnl"), {**spark("purple"), "custom.width": 150}),
    ("Fills", by_coin("mm_orders_filled_total"), {"unit": "none", "decimals": 0, **_NUMBER}),
    ("Edge", by_coin("mm_edge_bps"), {"unit": BPS, "decimals": 1, **_SIGNED}),
    ("Data age", by_coin("mm_data_staleness_secs"), _AGE),
)


def session() -> list[Any]:
    two_sided = "count(sum by (asset) (max_over_time(mm_quoting[15s])) == 2) or 0 * count(mm_quoting)"
    uptime = "sum(mm_two_sided_today_seconds) / sum(mm_observed_today_seconds)"
    return [
        number((0, 0, 4, 3), "Quoting both sides", "Coins with an order on bid and ask in the last 15 s.",
               (two_sided, ""), "suffix: coins", decimals=0, empty="not told"),
        number((4, 0, 4, 3), "Uptime today", "Of what the monitor saw of today: both sides rested; all coins.",
               (uptime, ""), "percentunit", decimals=1, empty="nothing observed yet",
               colours=steps("red", (0.5, "orange"), (0.9, "green"))),
        number((8, 0, 4, 3), "Session PnL", "Realised + unrealised - fees + funding since the session began.",
               ("mm_session_pnl_usd", ""), "currencyUSD", colours=GAIN, decimals=2),
        number((12, 0, 3, 3), "Fees paid", "Of the session, all coins; a negative number is a rebate.",
               ("sum(mm_fees_usd)", ""), "currencyUSD", decimals=2),
        number((15, 0, 3, 3), "Volume", "Value of all fills of the session.",
               ("sum(mm_fill_usd_total)", ""), "prefix:$", decimals=0),
        number((18, 0, 3, 3), "Fills", "Of the session, all coins, partial ones included.",
               ("sum(mm_orders_filled_total)", ""), "none", decimals=0),
        number((21, 0, 3, 3), "Account value", "Live: equity at the venue. Shadow: starting balance and all PnL.",
               ("mm_account_value_usd", ""), "prefix:$", decimals=2),
    ]  # fmt: skip


def grid_table() -> list[Any]:
    text = (
        "One row per coin: the market, our best orders or why there are none, what we hold, and earned in"
        " this session. Click on a heading to sort, on a coin to look at it alone."
    )
    return [rows_by_coin((0, 0, 24, 31), "Coins", text, COLUMNS)]


def money() -> list[Any]:
    parts = [(f"sum by (part) (mm_edge_part_usd{COIN})", "{{part}}")]
    given_back = f"sum by (asset) (mm_peak_pnl{COIN}) - sum by (asset) (mm_daily_pnl{COIN})"
    return [
        lines((0, 0, 12, 10), "PnL by coin", "Of the session, net of fees and funding.",
              [(by_coin("mm_daily_pnl"), "{{asset}}")], "currencyUSD", beside=True, decimals=2),
        lines((12, 0, 12, 10), "Position by coin", "Signed position at the last mid the ledger has; + is long.",
              [(POSITION_USD, "{{asset}}")], "currencyUSD", beside=True, decimals=2),
        lines((0, 10, 8, 9), "What the PnL consists of",
              "Won over the mid, given back in 5 s, moves of what was held, fees, funding: they add up to net.",
              parts, "currencyUSD", decimals=2, empty="Nothing was traded.", looks={"/net/": painted("white", 2)}),
        lines((8, 10, 8, 9), "Realised and open", "Of the session, all coins, before fees; and funding.",
              [(f"sum(mm_realized_pnl{COIN})", "realised"), (f"sum(mm_unrealized_pnl{COIN})", "open"),
               (f"sum(mm_funding_usd{COIN})", "funding")], "currencyUSD", decimals=2),
        lines((16, 10, 8, 9), "Given back from the peak", "Highest PnL in this session less the PnL now.",
              [(given_back, "{{asset}}")], "currencyUSD", beside=True, low=0, decimals=2, at_least=0.1),
    ]  # fmt: skip


def quoting() -> list[Any]:
    sides = words({"2": ("both sides", "green"), "1": ("one side", "orange"), "0": ("none", "red")})
    lost = "sort_desc(topk(10, sum by (reason) (increase(mm_noquote_seconds_total" + COIN + "[$__range]))))"
    orders = [
        ("sum(rate(mm_orders_placed_total" + COIN + "[$__rate_interval]))", "placed"),
        ("sum(rate(mm_orders_cancelled_total" + COIN + "[$__rate_interval]))", "cancelled"),
        ("sum(rate(mm_orders_filled_total" + COIN + "[$__rate_interval]))", "filled"),
        (
            "sum(rate(mm_orders_rejected_total" + COIN + "[$__rate_interval])) or 0 * sum(mm_open_orders)",
            "rejected",
        ),
    ]
    return [
        timeline((0, 0, 12, 20), "Sides quoted", "In the last 15 s. Green: bid and ask. Orange: one. Red: none.",
                 (SIDES_QUOTED, "{{asset}}"), sides),
        lines((12, 0, 12, 10), "Sides without an order, by reason", "Number of sides; the names are reason codes.",
              [("sum by (reason) (mm_side_blocked" + COIN + ")", "{{reason}}")], "none", stacked=True, low=0,
              decimals=0),
        bars((12, 10, 12, 10), "Time not quoted, by reason", "Side-seconds without an order in this range.",
             (lost, "{{reason}}"), "s"),
        lines((0, 20, 6, 9), "Uptime", "Part of the time for which both sides rested; and our spread was tight.",
              [(during("mm_two_sided_seconds_total"), "both sides"),
               (during("mm_two_sided_tight_seconds_total"), "both sides, tight")], "percentunit", low=0, high=1,
              decimals=0),
        lines((6, 20, 6, 9), "Orders per second", "All coins.", orders, "ops", low=0),
        lines((12, 20, 6, 9), "Open orders", "Orders of ours on the book, all coins.",
              [("sum(mm_open_orders" + COIN + ")", "open")], "none", low=0, decimals=0),
        lines((18, 20, 6, 9), "Cancels per fill", "Rolling hour; above 50 the governor widens the spread.",
              [("mm_cancel_fill_ratio", "all coins"), ("asset:mm_cancel_fill_ratio:1h" + COIN, "{{asset}}")],
              "none", beside=True, low=0, decimals=1),
    ]  # fmt: skip


def market() -> list[Any]:
    def panel(x: int, row: int, title: str, text: str, metric: str, unit: str, **more: Any) -> Any:
        query = (by_coin(metric), "{{asset}}")
        return lines((x, row, 12, 9), title, text, [query], unit, beside=True, **more)

    return [
        panel(0, 0, "Spread of the market", "From touch to touch.", "mm_spread_bps", BPS, low=0, decimals=1),
        panel(12, 0, "Edge", "Net edge of a fill that the screener expects.", "mm_edge_bps", BPS, decimals=2,
              empty="Not measured yet: the screener needs 200 market orders of a coin."),
        panel(0, 9, "Volatility", "Of the mid, per square root of a second; half-life one minute.", "mm_sigma",
              "percentunit", low=0, decimals=4),
        panel(12, 9, "Volatility regime", "0 normal, 1 high, 2 extreme: last minute against last ten.",
              "mm_volatility_regime", "none", low=0, high=2, decimals=0,
              empty="Not known yet: needs five minutes of mids."),
        panel(0, 18, "Order flow", "Bought - sold volume of the last 200 trades; the gate closes at 0.7.",
              "mm_ofi", "none", low=-1, high=1, decimals=2),
        lines((12, 18, 12, 9), "Book imbalance", "Bid against ask size at the touch, mean of one minute.",
              [(f"sum by (asset) (avg_over_time(mm_book_imbalance{COIN}[1m]))", "{{asset}}")], "none", beside=True,
              low=-1, high=1, decimals=2),
        panel(0, 27, "Adverse selection", "Mid against our fills after 5 s; + costs us.",
              "mm_adverse_selection_bps", BPS, decimals=1, empty="No fill is 5 s old yet."),
        panel(12, 27, "Funding rate", "Predicted, per hour; longs pay a positive rate.", "mm_funding_rate",
              "percentunit", decimals=4),
    ]  # fmt: skip


def build() -> Dashboard:
    board = dashboard(UID, "Grid", "All coins of the market maker at one look.")
    board.with_variable(coin_variable())
    sections = (
        ("", first_row()),
        ("", session()),
        ("", grid_table()),
        ("Money", money()),
        ("Quoting", quoting()),
        ("Market", market()),
    )
    return placed(board, sections)
