"""What the watchdog says."""

from collections.abc import Sequence

from shared.hyperliquid.account import OpenOrder
from shared.hyperliquid.replies import NotSent, Outcome, Refused, Unknown
from shared.messages import Event, Severity
from shared.units import wire

NAMED = 5
"""Orders that a line names; of more it says how many."""


def line(text: str, level: Severity = "info") -> Event:
    return Event(level=level, tag="WATCHDOG", text=text)


def alarm(text: str) -> Event:
    """What a person should wake up for."""
    return Event(level="error", tag="", text=f"🛑 [WATCHDOG] {text}")


def told(outcome: Outcome) -> str:
    """An outcome that is no success, in a few words."""
    match outcome:
        case Refused(text=text):
            return text
        case NotSent(why=why) | Unknown(why=why):
            return why
    return "too many requests (HTTP 429)"


def foreign(orders: Sequence[OpenOrder]) -> Event:
    """Orders that somebody else placed."""
    if not orders:
        return line("No orders of somebody else on the account any more.")
    named = ", ".join(f"{o.coin} {o.side} {wire(o.sz)} @ {wire(o.limit_px)} oid {o.oid}" for o in orders[:NAMED])
    more = f" and {len(orders) - NAMED} more" if len(orders) > NAMED else ""
    return line(f"{len(orders)} orders on the account are not ours and are left alone: {named}{more}", "warning")
