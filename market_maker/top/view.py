"""What `top` shows, as text: the head of five seconds and a row for each coin, from the facts of `status`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from rich.text import Text

from market_maker import live_status, risk_status
from market_maker.status import FLATTENING, REDUCING, style_of

Coin = dict[str, Any]
Weight = Callable[[Coin], float | str]
STATE_STYLES = {"quoting": "green", "one side": "yellow", "none": "red", "off": "dim"}
OFF = frozenset({"coin_disabled", "negative_edge"})
"""Reasons that somebody chose."""
OLD_S = 5.0
"""A book older than this is not quoted on."""
MOST_ALARMS = 3
"""Lines of the head about what is wrong."""


class Cell(NamedTuple):
    """Text and its style; the column decides on which side it stands."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """`least`: width of the terminal from which on it is shown; `weight` sorts, greatest first."""

    name: str
    width: int
    cell: Callable[[Coin], Cell]
    weight: Weight
    least: int = 0
    right: bool = True


def _number(value: float | None, form: str, style: str = "") -> Cell:
    return Cell("-" if value is None else format(value, form), style)


def _pnl(coin: Coin) -> Cell:
    if coin["pnl_usd"] is None:
        return Cell("-")
    cents = round(float(coin["pnl_usd"]), 2) or 0.0
    return _number(cents, ".2f", "green" if cents > 0 else "red" if cents < 0 else "dim")


def _position(coin: Coin) -> Cell:
    if coin["position_usd"] is None:
        return Cell("-")
    held = float(coin["position_usd"])
    return _number(held, ".2f", "" if held else "dim")


def distance_bps(coin: Coin, side: Literal["bid", "ask"]) -> float | None:
    """Of our best order from the mid."""
    px, mid = coin[f"{side}_px"], coin["mid_px"]
    return None if px is None or not mid else abs(float(px) - mid) / mid * 1e4


def state(coin: Coin) -> str:
    """quoting, one side, none; off where that is meant so."""
    reasons = [reason for reason in (coin["bid_reason"], coin["ask_reason"]) if reason]
    if not reasons:
        return "quoting"
    if OFF.issuperset(reasons):
        return "off"
    return "one side" if len(reasons) == 1 else "none"


def _why(coin: Coin) -> str:
    bid, ask = coin["bid_reason"], coin["ask_reason"]
    if not bid and not ask:
        return "quoting"
    if bid == ask:
        return f"none: {bid}"
    return "; ".join(f"no {side}: {reason}" for side, reason in (("bid", bid), ("ask", ask)) if reason)


def _age(coin: Coin) -> Cell:
    age_s = None if coin["book_age_s"] is None else max(0.0, coin["book_age_s"])
    return _number(age_s, ".1f", "red" if age_s is None or age_s > OLD_S else "")


def _of(value: object) -> float:
    return float(str(value)) if value is not None else -1.0


def _px(coin: Coin, side: str) -> Cell:
    return Cell(coin[f"{side}_px"] or "-")


COLUMNS = (
    Column("coin", 10, lambda coin: Cell(coin["coin"], STATE_STYLES[state(coin)]), lambda coin: coin["coin"],
           right=False),
    Column("mid", 11, lambda coin: _number(coin["mid_px"], ".8g"), lambda coin: _of(coin["mid_px"]), 100),
    Column("spread", 7, lambda coin: _number(coin["spread_bps"], ".2f"), lambda coin: _of(coin["spread_bps"])),
    Column("our bid", 11, lambda coin: _px(coin, "bid"), lambda coin: _of(coin["bid_px"]), 120),
    Column("our ask", 11, lambda coin: _px(coin, "ask"), lambda coin: _of(coin["ask_px"]), 120),
    Column("bid bp", 7, lambda coin: _number(distance_bps(coin, "bid"), ".1f"),
           lambda coin: _of(distance_bps(coin, "bid"))),
    Column("ask bp", 7, lambda coin: _number(distance_bps(coin, "ask"), ".1f"),
           lambda coin: _of(distance_bps(coin, "ask"))),
    Column("pos $", 9, _position,
           lambda coin: abs(float(coin["position_usd"] or 0))),
    Column("PnL $", 8, _pnl, lambda coin: float(coin["pnl_usd"] or 0)),
    Column("fills", 6, lambda coin: Cell(str(coin["fills"])), lambda coin: coin["fills"]),
    Column("age s", 6, _age, lambda coin: _of(coin["book_age_s"])),
    Column(" state", 20, lambda coin: Cell(f" {_why(coin)}", STATE_STYLES[state(coin)]),
           lambda coin: list(STATE_STYLES).index(state(coin)),
           right=False),
)  # fmt: skip
BY_VOLUME = ""
"""The order of the universe."""


def columns(width: int) -> list[tuple[Column, int]]:
    """Those that fit, with their widths; the reason has what is left."""
    shown = [column for column in COLUMNS if width >= column.least]
    left = width - sum(column.width for column in shown[:-1])
    return [*((column, column.width) for column in shown[:-1]), (shown[-1], max(shown[-1].width, left))]


def ordered(coins: Sequence[Coin], by: str, backwards: bool) -> list[Coin]:
    """Numbers from the greatest, words from A; `backwards` turns it round."""
    column = next((column for column in COLUMNS if column.name == by), None)
    if column is None:
        return list(coins)[::-1] if backwards else list(coins)
    falling = column.name != "coin"
    return sorted(coins, key=column.weight, reverse=falling != backwards)


# ---- the head --------------------------------------------------------------------------------------------------


def head(facts: dict[str, Any], silence: str) -> Text:
    """Whose money, does it trade, what was earned, what can be lost, is the data fresh; then what is wrong."""
    data = Text(silence, "bold white on red") if silence else Text(_data(facts))
    return Text("\n").join([_state(facts, silence), Text(_money(facts)), data, *_alarms(facts)])


def _state(facts: dict[str, Any], silence: str) -> Text:
    live = facts["mode"] == "live"
    line = Text().append(
        f" {(facts['mode'] or '?').upper()} ", "bold white on red" if live else "bold white on blue"
    )
    if silence:
        line.append(" NOTHING IS KNOWN ", "bold white on red")
    elif not facts["running"]:
        line.append(" NOT RUNNING ", "bold white on red")
    elif facts["halted"]:
        line.append(f" HALTED by {facts['halted_by']}: {facts['halt_reason']} ", "bold white on red")
    elif facts["executor_silent"]:
        line.append(f" EXECUTOR SILENT{_since(facts['account_age_s'])} ", "bold white on red")
    elif sum(facts["sides_without_quote"].values()) >= 2 * facts["coins_total"]:
        line.append(" NOT QUOTING ", "bold black on yellow")
    else:
        line.append(" TRADING ", "bold green")
    minutes = (facts["uptime_s"] or 0) // 60
    where = f" on {facts['venue'] or '?'} ({facts['deployment'] or '?'})"
    return line.append(f"{where}, up {minutes} min, {facts['fills']} fills")


def _since(age_s: float | None) -> str:
    return "" if age_s is None else f" for {age_s:.0f} s: positions and money are its last word"


def _dollars(value: str | None) -> str:
    if value is None:
        return "?"
    return f"${float(value):z.2f}" if abs(float(value)) < 100 else f"${float(value):,.0f}"


def _money(facts: dict[str, Any]) -> str:
    loss = facts["risk"]["possible_loss"] if facts["risk"] else None
    earned = f"{facts['day']} {_dollars(facts['day_pnl_usd'])} net"
    if loss is None:
        return f"{earned}; what can be lost is not known"
    gap, worst = max(loss["gaps_usd"].items(), key=lambda of: float(of[0]), default=("0", None))
    left = loss["day_left_usd"]
    return (
        f"{earned}; holds {_dollars(loss['exposure_usd'])}; can lose {_dollars(worst)} ({float(gap):.0%} gap),"
        f" {'NO DAILY STOP' if left is None else f'{_dollars(left)} to stop'}"
    )


def _data(facts: dict[str, Any]) -> str:
    ages = {coin["coin"]: coin["book_age_s"] for coin in facts["coins"] if coin["book_age_s"] is not None}
    oldest = max(ages, key=ages.__getitem__, default="")
    data = f"data at most {ages[oldest]:.1f} s old ({oldest})" if oldest else "no data"
    quoting = sum(state(coin) == "quoting" for coin in facts["coins"])
    budget = facts["live"]["budget"] if facts["live"] else None
    left = f", budget {budget['headroom_frac']:.0%} ({budget['mode']})" if budget else ""
    fresh = sum(age <= OLD_S for age in ages.values())
    return f"{data}, {fresh}/{len(facts['coins'])} fresh, {quoting}/{len(facts['coins'])} quote both sides{left}"


def alarms(facts: dict[str, Any]) -> list[str]:
    """What is wrong or held back, the worst first."""
    silent = facts["silent"]
    live = live_status.lines(facts["live"]) if facts["live"] else ()
    return [
        *(line for line in live if line.startswith(live_status.ALARM)),
        *([f"SILENT: {', '.join(silent)}"] if silent else []),
        *(risk_status.stops(facts["risk"]) if facts["risk"] and facts["running"] else []),
        *(f"{REDUCING} {coin}: {reason}" for coin, reason in facts["reduce_only"].items()),
        *([f"{FLATTENING} {', '.join(facts['flattening'])}"] if facts["flattening"] else []),
    ]


def _alarms(facts: dict[str, Any]) -> list[Text]:
    lines = alarms(facts)
    found = [Text(line, style_of(line) or "bold red") for line in lines[:MOST_ALARMS]]
    if len(lines) > MOST_ALARMS:
        found.append(Text(f"and {len(lines) - MOST_ALARMS} more: market_maker status", "yellow"))
    return found or [Text("no rule holds anything back", "dim")]
