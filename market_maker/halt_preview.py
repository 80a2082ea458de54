"""What a halt would do to what runs now; nothing is sent."""

from dataclasses import replace
from typing import Any

from market_maker import risk_status
from market_maker.snapshot import Snapshot
from shared.messages import CoinStatus, HaltState

PROCESSES = (
    "processes: all keep running, so that positions stay marked and watched; a halt by the guard itself ends the"
    " executor with exit code 1 once nothing rests. Restarted services come back halted"
)


def halted(snapshot: Snapshot, reason: str, who: str) -> Snapshot:
    """As it would be told; a halt that stands keeps its own reason."""
    if snapshot.halt.halted:
        return snapshot
    return replace(snapshot, halt=HaltState(halted=True, reason=reason, who=who, since_ms=int(snapshot.time_ms)))


def preview(snapshot: Snapshot, reason: str, asked: list[str], forgiven: list[str]) -> dict[str, Any]:
    """JSON-ready. `asked` are the words that `resume` would ask for, `forgiven` what it would no longer count."""
    lines = list(snapshot.quoted.values())
    risk = risk_status.facts(snapshot.risk, {}, snapshot.time_ms)
    return {
        "dry_run": True,
        "reason": reason,
        "executor_silent": snapshot.executor_silent,
        "told": snapshot.account is not None,
        "already": f"{snapshot.halt.who}: {snapshot.halt.reason}" if snapshot.halt.halted else None,
        "orders": {
            line.coin: {"bids": line.resting_bids, "asks": line.resting_asks}
            for line in lines
            if line.resting_bids or line.resting_asks
        },
        "unknown_orders": snapshot.unknown_orders,
        "positions": {line.coin: _position(line) for line in lines if line.position_sz},
        "flattening": list(snapshot.account.flattening) if snapshot.account else [],
        "leases": sum(
            lease.valid_until_ms >= snapshot.time_ms and {lease.bid.allow, lease.ask.allow} != {"none"}
            for lease in snapshot.leases.values()
        ),
        "possible_loss": risk["possible_loss"] if risk else None,
        "resume_asks": asked,
        "forgiven": forgiven,
    }


def _position(line: CoinStatus) -> dict[str, str]:
    return {
        "sz": format(line.position_sz, "f"),
        "usd": f"{line.position_sz * line.mark_px:.2f}",
        "unrealized_usd": f"{line.unrealized_usd:.2f}",
    }


def render(facts: dict[str, Any]) -> list[str]:
    """The same in lines for people."""
    if facts["already"]:
        return [f"already halted by {facts['already']}", "another halt would change nothing; nothing was sent"]
    return [
        f"a halt would do this, and nothing was sent: {facts['reason']}",
        *_told(facts),
        _orders(facts),
        *_positions(facts),
        f"leases: {facts['leases']} coins that may quote now may no longer, until `resume`",
        PROCESSES,
        f"`resume` would ask for: {'; '.join(facts['resume_asks'])}",
        *facts["forgiven"],
    ]


def _told(facts: dict[str, Any]) -> list[str]:
    last = "its orders and positions are those of its last word" if facts["told"] else "nothing is known of it"
    return [f"THE EXECUTOR IS SILENT: {last}"] if facts["executor_silent"] else []


def _orders(facts: dict[str, Any]) -> str:
    if not facts["told"]:
        return "orders: not known"
    by_coin = [f"{coin} {sides['bids']}+{sides['asks']}" for coin, sides in facts["orders"].items()]
    count = sum(sides["bids"] + sides["asks"] for sides in facts["orders"].values())
    unknown = f"; {facts['unknown_orders']} of unknown fate are looked up first" if facts["unknown_orders"] else ""
    return f"orders: {count} cancelled" + (f" (bids+asks: {', '.join(by_coin)})" if by_coin else "") + unknown


def _positions(facts: dict[str, Any]) -> list[str]:
    if not facts["told"]:
        return ["positions: not known"]
    held = facts["positions"]
    by_coin = ", ".join(
        f"{coin} {of['sz']} (${of['usd']}, open ${of['unrealized_usd']})" for coin, of in held.items()
    )
    lines = [f"positions: kept, {by_coin}" if held else "positions: none"]
    if held and facts["possible_loss"]:
        lines += risk_status.loss_lines(facts)
    if facts["flattening"]:
        lines.append(f"exits: {', '.join(facts['flattening'])} go on being worked off, also while halted")
    return lines
