"""What a start says to its user: what begins, how it goes, where to look."""

from market_maker.deployment import Record
from market_maker.snapshot import Snapshot
from shared.clock import utc


def starting(record: Record) -> str:
    where = f"on venue {record.venue} ({record.deployment})"
    if record.live is None:
        return f"Starting in shadow mode {where}: no key, simulated orders."
    return f"Starting LIVE {where}: real orders on account {record.live.account}."


def progress(snapshot: Snapshot, left_s: float) -> str:
    account = snapshot.account
    money = (
        f"PnL ${account.pnl_usd:.4f}, {account.fills} fills, volume ${account.volume_usd:.2f}" if account else "-"
    )
    return (
        f"  {len(snapshot.fresh_books)} books, {len(snapshot.resting_both_sides)} coins both sides, {money};"
        f" {left_s:.0f} s left"
    )


def where_to_look(record: Record) -> list[str]:
    """The box at the end of a start."""
    in_docker = record.deployment == "docker"
    fills = "mm:shadow_fills" if record.live is None else "mm:live_fills mm:shadow_fills"
    table = {
        **_what_is_live(record),
        "state": "./start_mm_bot.sh --status   or   .venv/bin/market_maker status",
        "watch": ".venv/bin/market_maker top"
        + ("" if record.live is None else "   and   .venv/bin/market_maker first30   (half an hour)"),
        "events": "docker logs -f mm_monitor" if in_docker else f"tail -f {record.log_dir}/monitor.log",
        "metrics": f"curl {record.metrics_url}",
        "fills, PnL": f"redis-cli -p {record.redis_port} subscribe {fills} mm:engine_status",
        "halt": '.venv/bin/market_maker halt "why"   (market_maker resume clears it)',
        "stop": "./start_mm_bot.sh --stop",
    }
    lines = [f" {name:<11} {text} " for name, text in table.items()]
    width = max(map(len, lines))
    return [f"┌{'─' * width}┐", *(f"│{line:<{width}}│" for line in lines), f"└{'─' * width}┘"]


def _what_is_live(record: Record) -> dict[str, str]:
    live = record.live
    if live is None:
        return {}
    until = f"{utc(live.expires_ms):%Y-%m-%d %H:%M} UTC"
    return {
        "LIVE": f"real orders on account {live.account}",
        "venue": f"{record.venue}, {record.venue_url}",
        "confirmed": f"until {until}" + (f", WITHOUT {', '.join(live.without)}" if live.without else ""),
    }
