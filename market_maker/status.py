"""`market_maker status`: is it running, what does it earn, why is a side not quoting, what can it lose."""

import asyncio
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from market_maker import live_status, risk_status
from market_maker.deployment import (
    Record,
    bus_url,
    confirmation_dir,
    data_dir,
    read_record,
    read_supervisor,
    supervisor_pid,
)
from market_maker.live import gates
from market_maker.snapshot import Snapshot, look
from market_maker.summary import coin_line
from shared.clock import day_name, wall_ms
from shared.confirmation import code_version
from shared.errors import BusError
from shared.messages import SILENT_MS
from shared.redis_bus import RedisBus
from shared.rule_proofs import read_proofs

if TYPE_CHECKING:  # a terminal's tables are loaded where there is a terminal
    from rich.table import Table

NOT_FOUND = 2
NOT_RUNNING = 3
REDUCING, FLATTENING = "REDUCE-ONLY", "FLATTENING"
STYLES = {
    live_status.BANNER: "bold white on red",
    live_status.ALARM: "bold red",
    REDUCING: "bold yellow",
    FLATTENING: "bold yellow",
    risk_status.LOST: "bold red",
    risk_status.FIRED["halt"]: "bold red",
    risk_status.FIRED["pull"]: "bold red",
    risk_status.FIRED["reduce"]: "bold yellow",
    risk_status.FIRED["widen"]: "yellow",
}
"""Of lines that begin so, on a terminal."""


def show(run_dir: Path, as_json: bool, only: Collection[str] = ()) -> int:
    """Print the state, of all coins or `only` some; 0, 2 for a coin that is not there, 3 when nothing runs."""
    record = read_record(run_dir)
    try:
        snapshot = asyncio.run(_read(bus_url(run_dir)))
    except BusError as error:
        print(
            json.dumps({"running": False, "cause": str(error)}) if as_json else f"not running ({error})",
            file=sys.stdout if as_json else sys.stderr,
        )
        return NOT_RUNNING
    evidence = gates.summary(data_dir(), confirmation_dir(), code_version(), wall_ms())
    facts = describe(snapshot, record, _restarts(run_dir), read_proofs(data_dir()), evidence)
    unknown = sorted(set(only) - set(snapshot.listed))
    if unknown:
        text = f"not among the coins of this run: {', '.join(unknown)}"
        if as_json:
            print(json.dumps({"running": facts["running"], "unknown": unknown, "text": text}, indent=1))
        else:
            print(text, file=sys.stderr)
        return NOT_FOUND
    if only:
        facts["coins"] = [coin for coin in facts["coins"] if coin["coin"] in only]
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        _print(facts)
    return 0 if facts["running"] else NOT_RUNNING


async def _read(url: str) -> Snapshot:
    bus = RedisBus(url)
    try:
        return await look(bus, wall_ms())
    finally:
        await bus.close()


def _restarts(run_dir: Path) -> dict[str, int]:
    state = read_supervisor(run_dir) if supervisor_pid(run_dir) is not None else None
    return {name: child.restarts for name, child in state.children.items()} if state else {}


def describe(
    snapshot: Snapshot,
    record: Record | None,
    restarts: dict[str, int],
    proofs_ms: Mapping[str, int] = MappingProxyType({}),
    evidence: str = "",
) -> dict[str, Any]:
    """Everything `status` shows, JSON-ready; running = at least one service was heard of lately. `proofs_ms` says
    when rules of the guard fired last in a drill; `evidence` is the line about the gates."""
    account, now_ms = snapshot.account, snapshot.time_ms
    ages_s = {
        name: round(max(0.0, now_ms - beat.time_ms) / 1000, 1)
        for name, beat in sorted(snapshot.heartbeats.items())
    }
    started = [beat.started_ms for beat in snapshot.heartbeats.values()]
    feed = snapshot.feed
    return {
        "running": any(age < SILENT_MS / 1000 for age in ages_s.values()),
        "mode": account.mode if account else record.mode if record else None,
        "venue": record.venue if record else None,
        "deployment": record.deployment if record else None,
        "run_id": record.run_id if record else None,
        "uptime_s": round((now_ms - min(started)) / 1000) if started else None,
        "executor_silent": snapshot.executor_silent,
        "account_age_s": round(max(0.0, now_ms - account.time_ms) / 1000, 1) if account else None,
        "silent": snapshot.silent,
        "halted": snapshot.halt.halted,
        "halt_reason": snapshot.halt.reason,
        "halted_by": snapshot.halt.who,
        "reduce_only": {coin or "all": reason for coin, reason in account.reduce_only.items()} if account else {},
        "flattening": list(account.flattening) if account else [],
        "live": live_status.facts(account.live, now_ms) if account and account.live else None,
        "risk": risk_status.facts(snapshot.risk, proofs_ms, now_ms),
        "gates": evidence,
        "feed_connected": feed.connected if feed else None,
        "feed_latency_p95_ms": round(feed.latency_p95_ms, 2) if feed else None,
        "services": {
            name: {
                "heartbeat_age_s": age,
                "silent": name in snapshot.silent,
                "memory_mb": round(snapshot.heartbeats[name].rss_mb, 1),
                "restarts": restarts.get(name, 0),
            }
            for name, age in ages_s.items()
        },
        "pnl_usd": str(account.pnl_usd) if account else None,
        "day_pnl_usd": str(account.day_pnl_usd) if account else None,
        "day": day_name(account.day_start_ms) if account else "today",
        "fees_usd": str(account.fees_usd) if account else None,
        "funding_usd": str(account.funding_usd) if account else None,
        "volume_usd": str(account.volume_usd) if account else None,
        "fills": account.fills if account else 0,
        "coins_total": len(snapshot.coins),
        "coins_with_fresh_book": len(snapshot.fresh_books),
        "coins_quoting_both_sides": len(snapshot.resting_both_sides),
        "sides_without_quote": snapshot.reasons,
        "coins": [coin_line(snapshot, coin) for coin in snapshot.listed],
    }


def headline(facts: dict[str, Any]) -> list[str]:
    """What comes before the table."""
    silent = facts["silent"]
    services = ", ".join(
        f"{name} {service['heartbeat_age_s']:.0f}s" for name, service in facts["services"].items()
    )
    money = {
        "PnL": facts["pnl_usd"], facts["day"]: facts["day_pnl_usd"], "fees": facts["fees_usd"],
        "funding": facts["funding_usd"], "volume": facts["volume_usd"],
    }  # fmt: skip
    return [
        *(live_status.lines(facts["live"]) if facts["live"] else ()),
        _state_line(facts),
        *(risk_status.stops(facts["risk"]) if facts["risk"] and facts["running"] else ()),
        *(f"{REDUCING} {coin}: {reason}" for coin, reason in facts["reduce_only"].items()),
        *([f"{FLATTENING} {', '.join(facts['flattening'])}"] if facts["flattening"] else ()),
        ", ".join(f"{name} ${_cents(value)}" for name, value in money.items()) + f", {facts['fills']} fills",
        f"{facts['coins_with_fresh_book']} of {facts['coins_total']} coins with a fresh book,"
        f" {facts['coins_quoting_both_sides']} quoting both sides",
        *(risk_status.loss_lines(facts["risk"]) if facts["risk"] else ()),
        *([facts["gates"]] if facts["gates"] else ()),
        f"heartbeats: {services or 'none'}" + (f"; SILENT: {', '.join(silent)}" if silent else ""),
    ]


def _state_line(facts: dict[str, Any]) -> str:
    halted = f"HALTED by {facts['halted_by']}: {facts['halt_reason']}" if facts["halted"] else "not halted"
    state = "running"
    if not facts["running"]:
        state = "NOT RUNNING (this is what Redis still holds)"
    elif facts["executor_silent"]:
        age_s = facts["account_age_s"]
        since = "" if age_s is None else f" for {age_s:.0f} s"
        state = f"EXECUTOR SILENT{since} (orders are not known; money and positions are its last word)"
    return (
        f"{(facts['mode'] or '?').upper()} on {facts['venue'] or '?'} ({facts['deployment'] or '?'}), {state},"
        f" up {facts['uptime_s'] or 0} s, {halted}"
    )


_COLUMNS = ("coin", "mid", "bps", "our bid", "our ask", "pos $", "PnL $", "fills", "state")
_WORDS = ("coin", "state")
_LEFT_OUT = ("mid", "fills")
"""On a terminal narrower than `WIDE`, so that the reason is not cut."""
WIDE = 100


def rows(facts: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table of coins as text."""
    return [
        (
            coin["coin"],
            _number(coin["mid_px"], ".8g"),
            _number(coin["spread_bps"], ".2f"),
            coin["bid_px"] or "-",
            coin["ask_px"] or "-",
            coin["position_usd"] or "-",
            _cents(coin["pnl_usd"]),
            str(coin["fills"]),
            _state(coin),
        )
        for coin in facts["coins"]
    ]


def _state(coin: dict[str, Any]) -> str:
    bid, ask = coin["bid_reason"], coin["ask_reason"]
    if not bid and not ask:
        return "quoting"
    if bid == ask:
        return f"no quote: {bid}"
    return "; ".join(f"no {side}: {reason}" for side, reason in (("bid", bid), ("ask", ask)) if reason)


def _print(facts: dict[str, Any]) -> None:
    if sys.stdout.isatty():
        _print_rich(facts)
        return
    for line in headline(facts):
        print(line)
    _print_table(_COLUMNS, _WORDS, rows(facts))
    if facts["risk"]:
        print()
        _print_table(risk_status.COLUMNS, risk_status.WORDS, risk_status.rows(facts["risk"]))


def _print_table(columns: Sequence[str], words: Collection[str], rows: Sequence[Sequence[str]]) -> None:
    table = [columns, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(columns))]
    for row in table:
        cells = [
            cell.ljust(width) if name in words else cell.rjust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _print_rich(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for line in headline(facts):
        console.print(line, style=_style(line, facts), markup=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    shown = [name for name in _COLUMNS if console.width >= WIDE or name not in _LEFT_OUT]
    for name in shown:
        table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=name != "state")
    for row in rows(facts):
        cells = dict(zip(_COLUMNS, row, strict=True))
        style = None if cells["state"] == "quoting" else "yellow"
        table.add_row(*(cells[name] for name in shown), style=style)
    console.print(table)
    if facts["risk"]:
        console.print(_rule_table(risk_status.rows(facts["risk"]), console.width >= WIDE))


def _rule_table(rows: Sequence[Sequence[str]], wide: bool) -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, title="rules of the guard", title_justify="left")
    shown = [name for name in risk_status.COLUMNS if wide or name not in risk_status.LEFT_OUT]
    for name in shown:
        table.add_column(name, justify="left" if name in risk_status.WORDS else "right", no_wrap=True)
    for row in rows:
        cells = dict(zip(risk_status.COLUMNS, row, strict=True))
        table.add_row(*(cells[name] for name in shown), style=risk_status.ROW_STYLES.get(cells["state"]))
    return table


def _style(line: str, facts: dict[str, Any]) -> str | None:
    if line == _state_line(facts):
        alarming = facts["halted"] or facts["executor_silent"] or not facts["running"]
        return "bold red" if alarming else "bold"
    return style_of(line)


def style_of(line: str) -> str | None:
    """Of a line of the headline, on a terminal."""
    return next((style for begin, style in STYLES.items() if line.startswith(begin)), None)


def _cents(value: str | None) -> str:
    return "?" if value is None else f"{float(value):z.2f}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
