"""The final state at a halt, in one line: what was earned, what is held, what that can still cost.

It waits until the executor reports that nothing rests any more, since fills on the way to that belong to it.
"""

from collections.abc import Mapping
from decimal import Decimal

from services.monitor.coin import Coin
from shared.clock import day_name
from shared.messages import ZERO, AccountStatus, Event, HaltState

WITHIN_MS = 10_000
"""Then it is told with what still rests."""


GAP_FRAC = Decimal("0.03")


class FinalState:
    """One line for each halt that begins while we look."""

    def __init__(self) -> None:
        self._due_since_ms: int | None = None

    def take(self, before: HaltState | None, halt: HaltState) -> None:
        """A halt that we find at our own start was told by whoever looked when it began."""
        if not halt.halted:
            self._due_since_ms = None
        elif before is not None and not before.halted:
            self._due_since_ms = halt.since_ms

    def line(self, account: AccountStatus, coins: Mapping[str, Coin]) -> Event | None:
        """When it is due, by the status that just came."""
        since_ms = self._due_since_ms
        if since_ms is None or account.time_ms <= since_ms:
            return None
        resting = sum(line.resting_bids + line.resting_asks for line in account.coins)
        if resting and account.time_ms <= since_ms + WITHIN_MS:
            return None
        self._due_since_ms = None
        parts = (_money(account), _held(account), _adverse(account, coins), _possible(account), _left(resting))
        return Event(level="error", tag="FINAL STATE", text=" | ".join(filter(None, parts)))


def _money(account: AccountStatus) -> str:
    return (
        f"PnL ${account.pnl_usd:z.2f}, {day_name(account.day_start_ms)} ${account.day_pnl_usd:z.2f},"
        f" fees ${account.fees_usd:z.2f}, {account.fills} fills"
    )


def _held(account: AccountStatus) -> str:
    held = [
        f"{line.coin} {line.position_sz:f} (${line.position_sz * line.mark_px:.2f})"
        for line in account.coins
        if line.position_sz
    ]
    return f"positions kept: {', '.join(held) or 'none'}"


def _adverse(account: AccountStatus, coins: Mapping[str, Coin]) -> str:
    """Mean over the coins, each by its volume."""
    known = [
        (float(line.volume_usd), mean_bps, line.coin)
        for line in account.coins
        if line.volume_usd and line.coin in coins and (mean_bps := coins[line.coin].markouts.mean_bps) is not None
    ]
    if not known:
        return "adverse selection not known"
    mean_bps = sum(usd * bps for usd, bps, _ in known) / sum(usd for usd, _, _ in known)
    _, worst_bps, worst = max(known, key=lambda entry: entry[1])
    return f"adverse selection {mean_bps:.1f} bps after 5 s, worst {worst} {worst_bps:.1f}"


def _possible(account: AccountStatus) -> str:
    """Of what is held alone; what still rests is told by its number."""
    exposure_usd = sum((abs(line.position_sz) * line.mark_px for line in account.coins), ZERO)
    return f"a {GAP_FRAC:.0%} gap costs ${exposure_usd * GAP_FRAC:.2f}" if exposure_usd else ""


def _left(resting: int) -> str:
    return f"{resting} ORDERS STILL REST" if resting else ""
