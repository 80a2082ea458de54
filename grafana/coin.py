"""The dashboard of one coin: what the market does, what we ask for, what was filled, and what became of it."""

from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.frame import GAIN, ONE_COIN, dashboard, first_row, one_coin_variable
from grafana.panels import (
    BPS,
    COIN_BOARD,
    Column,
    Query,
    bars,
    lines,
    number,
    painted,
    placed,
    rows_by,
    steps,
    timeline,
    words,
)

UID = COIN_BOARD
TIERS = 5
COIN = f"{{{ONE_COIN}}}"
NO_FILL = "No fill of this coin is old enough."


def only(metric: str, more: str = "") -> str:
    """The one series of the coin, without the labels of the scrape."""
    return f"max(mm_{metric}{{{ONE_COIN}{more}}})"


def of_side(metric: str, side: str) -> str:
    return only(metric, f', side="{side}"')


def side_state(side: str) -> Query:
    """2 an order rests, 1 none for the reason of its name, 0 one is on its way."""
    of = f'{{{ONE_COIN}, side="{side}"}}'
    quoting = f"max(mm_quoting{of})"
    return (
        f'label_replace(2 * ({quoting} == 1), "state", "quoting", "", "")'
        f' or label_replace(max by (reason) (mm_side_blocked{of}) unless on () ({quoting} == 1), "state", "$1",'
        ' "reason", "(.+)")'
        f' or label_replace({quoting} == 0 unless on () mm_side_blocked{of}, "state", "placing", "", "")',
        "{{state}}",
    )


def new_fills(side: str) -> str:
    """The price of the newest fill while it is new: since the point before, or the scrape before that."""
    of = f'{{{ONE_COIN}, side="{side}"}}'
    is_new = f"time() - mm_last_fill_timestamp_seconds{of} < $__interval_ms / 1000 + 5"
    return f"max(mm_last_fill_price{of} and on (asset, side) ({is_new}))"


_SIGNED = {
    "decimals": 2,
    "custom.align": "right",
    "custom.cellOptions": {"type": "color-text"},
    "color": {"mode": "thresholds"},
    "thresholds": steps("red", (-0.005, "text"), (0.005, "green")).build().to_json(),
}
PARTS: tuple[Column, ...] = (
    ("Earned", f"max by (part) (mm_edge_part_usd{COIN})", {"unit": "currencyUSD", **_SIGNED}),
    ("Of the volume", f"max by (part) (mm_edge_part_bps{COIN})", {"unit": BPS, **_SIGNED}),
)
POSITION_USD = only("position_usd")
UPTIME = f"{only('two_sided_today_seconds')} / {only('observed_today_seconds')}"
TIGHT = f"{only('two_sided_tight_today_seconds')} / {only('observed_today_seconds')}"


def now() -> list[Any]:
    states = steps("blue", (1, "orange"), (2, "green"))
    share = steps("red", (0.5, "orange"), (0.9, "green"))
    return [
        number((0, 0, 4, 3), "Bid", "`quoting`, or why there is no bid.", side_state("bid"), "none", named=True,
               filled=True, colours=states, empty="not told"),
        number((4, 0, 4, 3), "Ask", "`quoting`, or why there is no ask.", side_state("ask"), "none", named=True,
               filled=True, colours=states, empty="not told"),
        number((8, 0, 3, 3), "Position", "At the last mid the ledger has; + is long.", (POSITION_USD, ""),
               "currencyUSD", decimals=2),
        number((11, 0, 3, 3), "PnL of the coin", "Of the session, net of fees and funding.",
               (only("daily_pnl"), ""), "currencyUSD", colours=GAIN, decimals=2),
        number((14, 0, 2, 3), "Fills", "Of the session, partial ones included.",
               (only("orders_filled_total"), ""), "none", decimals=0),
        number((16, 0, 3, 3), "Two sides today", "Of what the monitor saw of today: both sides rested.",
               (UPTIME, ""), "percentunit", decimals=1, colours=share, empty="nothing yet"),
        number((19, 0, 3, 3), "Two sides and tight", "The same, and our spread counts as tight.",
               (TIGHT, ""), "percentunit", decimals=1, colours=share, empty="nothing yet"),
        number((22, 0, 2, 3), "Lease", "Time until the guard's permission ends; renewed each second.",
               (only("lease_left_seconds"), ""), "s", decimals=1, empty="none",
               colours=steps("red", (0, "green"))),
    ]  # fmt: skip


def prices() -> list[Any]:
    queries = [
        (of_side("touch_price", "bid"), "market bid"),
        (of_side("touch_price", "ask"), "market ask"),
        (of_side("quote_price", "bid"), "our bid"),
        (of_side("quote_price", "ask"), "our ask"),
        (new_fills("bid"), "bought"),
        (new_fills("ask"), "sold"),
        (f'max by (tier) (mm_target_price{{{ONE_COIN}, side="bid"}})', "wanted bid {{tier}}"),
        (f'max by (tier) (mm_target_price{{{ONE_COIN}, side="ask"}})', "wanted ask {{tier}}"),
    ]
    dashed = {"lineStyle": {"fill": "dash", "dash": [4, 6]}}
    dots = {"drawStyle": "points", "pointSize": 12, "showPoints": "always"}
    looks = {
        "/^market/": painted("#8e8e8e", 2),
        "/^our bid/": painted("green", 2),
        "/^our ask/": painted("red", 2),
        "/^wanted bid/": painted("semi-dark-green", 1, **dashed),
        "/^wanted ask/": painted("semi-dark-red", 1, **dashed),
        "/^bought/": painted("#37f06a", 1, **dots),
        "/^sold/": painted("#ff5c8a", 1, **dots),
    }
    text = (
        "Grey: the touch of the market. Solid: our best order. Dashed: the ladder we want. Dots: our fills; why"
        " one happened says `market_maker explain --last --asset $coin`, without `--last` it lists them."
    )
    return [lines((0, 0, 24, 17), "Touch, ladder and fills", text, queries, "none", looks=looks)]


def inventory() -> list[Any]:
    limit = only("max_position_usd")
    skew = [(only("shift_bps"), "centre over the mid"), (only("half_spread_bps"), "half spread")]
    wide = [
        (only("regime_multiplier"), "regime governor"),
        (only("tail_risk_multiplier"), "guard's rules"),
        (only("size_multiplier"), "sizes, guard's rules"),
    ]
    ours = [(only("quote_spread_bps"), "ours"), (only("spread_bps"), "market")]
    limits = {"/limit/": painted("red", 1, lineStyle={"fill": "dash", "dash": [6, 6]})}
    return [
        lines((0, 0, 12, 9), "Inventory", "Position at the ledger's last mid, and its limit on both sides.",
              [(POSITION_USD, "position"), (limit, "limit long"), (f"-{limit}", "limit short")], "currencyUSD",
              decimals=2, looks={**limits, "/position/": painted("blue", 2)}),
        lines((12, 0, 12, 9), "Skew", "Where the ladder stands: below the mid while we are long.",
              skew, BPS, decimals=1),
        lines((0, 9, 12, 9), "Factors", "Of the regime and of rules; 1 leaves everything as wanted.",
              wide, "suffix:x", low=0, at_least=2, decimals=1),
        lines((12, 9, 12, 9), "Spreads", "From our best bid to our best ask, and of the market.", ours, BPS, low=0,
              decimals=1),
    ]  # fmt: skip


def why() -> list[Any]:
    strips = [
        (f"max by (side, reason) (mm_side_blocked{COIN})", "{{side}}: {{reason}}"),
        (f"2 * (max by (side) (mm_quoting{COIN}) == 1)", "{{side}}: quoting"),
    ]
    lost = f"sort_desc(topk(10, sum by (side, reason) (increase(mm_noquote_seconds_total{COIN}[$__range])) > 0))"
    near = f"sort_desc(topk(10, max by (rule) (mm_rule_closeness{COIN})))"
    return [
        timeline((0, 0, 12, 9), "Why a side rests or not", "Green: an order rests. Orange: none, and why.", strips,
                 words({"1": ("held back", "orange"), "2": ("quoting", "green")})),
        bars((12, 0, 6, 9), "Time not quoted", "By side and reason.", (lost, "{{side}} {{reason}}"),
             "s", empty="Both sides were quoted all the time."),
        bars((18, 0, 6, 9), "Rules of the guard", "Where this coin is the closest to the limit; 1 fires.",
             (near, "{{rule}}"), "percentunit", empty="No rule is closest on this coin."),
    ]  # fmt: skip


def outcome() -> list[Any]:
    horizons = [(f"max by (horizon) (mm_markout_bps{COIN})", "after {{horizon}}")]
    parts = [(f"max by (part) (mm_edge_part_usd{COIN})", "{{part}}")]
    flow = [
        (f"sum(rate(mm_orders_placed_total{COIN}[$__rate_interval]))", "placed"),
        (f"sum(rate(mm_orders_cancelled_total{COIN}[$__rate_interval]))", "cancelled"),
        (f"sum(rate(mm_orders_filled_total{COIN}[$__rate_interval]))", "filled"),
    ]
    return [
        lines((0, 0, 8, 9), "Markouts", "How far the mid moved for our fills; below 0 it costs us.",
              horizons, BPS, decimals=1, empty=NO_FILL),
        lines((8, 0, 8, 9), "What the PnL consists of", "In the session; the parts add up to net.", parts,
              "currencyUSD", decimals=2, empty="Nothing was traded.", looks={"/net/": painted("white", 2)}),
        rows_by(("part", "Part"), {"field": "Part"}, (16, 0, 8, 9), "The same in numbers",
                "Parts of the PnL of the session, and of the volume filled.", PARTS),
        lines((0, 9, 8, 8), "Orders per second", "Of this coin.", flow, "ops", low=0),
        lines((8, 9, 8, 8), "PnL of the coin", "Net, and the highest it was in the session.",
              [(only("daily_pnl"), "net"), (only("peak_pnl"), "highest")], "currencyUSD", decimals=2),
        lines((16, 9, 8, 8), "Drawdown", "From the session's highest PnL, of the starting balance and PnL.",
              [(only("drawdown_pct"), "drawdown")], "percentunit", low=0, decimals=2, at_least=0.001),
    ]  # fmt: skip


def market() -> list[Any]:
    lean = [
        (only("book_imbalance"), "sizes at the touch"),
        (only("flow_imbalance"), "takers, last 200 trades"),
    ]
    learned = [(only("beta_book"), "on the book"), (only("beta_flow"), "on the flow")]
    return [
        lines((0, 0, 8, 9), "Imbalances", "+ is buying; the gate of the flow closes a side at 0.7.", lean, "none",
              low=-1, high=1, decimals=2),
        lines((8, 0, 8, 9), "Expected mid over the mid", "In 2 s: learned from imbalances, else the weighted mid.",
              [(only("microprice_deviation_bps"), "deviation")], BPS, decimals=2),
        lines((16, 0, 8, 9), "What it has learned", "Fraction of the price per unit of imbalance.", learned,
              "sci", decimals=1, empty="Still learning."),
        lines((0, 9, 8, 8), "Volatility", "Of the mid, per square root of a second; half-life one minute.",
              [(only("sigma"), "sigma")], "percentunit", low=0, decimals=4),
        lines((8, 9, 8, 8), "Decay of market orders' reach", "2000 is a reach of 5 bps beyond the touch.",
              [(only("kappa"), "kappa")], "none", low=0, decimals=0,
              empty="Not measured yet: the screener needs 200 market orders of a coin."),
        lines((16, 9, 8, 8), "Data age", "Greatest age of the book in the last 10 s.",
              [(only("data_staleness_secs"), "book")], "s", low=0, decimals=1),
    ]  # fmt: skip


def build() -> Dashboard:
    board = dashboard(
        UID, "Coin", "One coin: the market, our ladder, our fills and what became of them.", ONE_COIN
    )
    board.with_variable(one_coin_variable())
    sections = (
        ("", first_row()),
        ("", now()),
        ("", prices()),
        ("Why", why()),
        ("Inventory and widening", inventory()),
        ("What became of it", outcome()),
        ("Market", market()),
    )
    return placed(board, sections)
