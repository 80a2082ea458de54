"""The dead man's switch (reference page §6.4)."""

from services.venue.exchange.account import Account
from services.venue.exchange.desk import Desk
from services.venue.exchange.listing import micro
from services.venue.exchange.replies import DONE, Reply, dollars
from services.venue.exchange.world import Refused, World
from shared.clock import utc_day
from shared.hyperliquid.actions import ScheduleCancel

AHEAD_MS = 5_000
MOST_A_DAY = 10


def schedule_cancel(world: World, account: Account, action: ScheduleCancel) -> Reply:
    """Arm it, or clear it without a time. The venue wants traded volume for either.

    Raises:
        Refused: too little volume, too early, or used up for today.
    """
    required = world.config.scheduled_cancel_volume
    if account.cum_ntl < micro(required):
        raise Refused(
            "Cannot set scheduled cancel time until enough volume traded. "
            f"Required: ${required:f}. Traded: {dollars(account.cum_ntl)}."
        )
    if action.time is not None:
        if action.time < world.now_ms + AHEAD_MS:
            raise Refused("Scheduled cancel time too early, must be at least 5 seconds from now.")
        if _triggered_today(account, _today(world)) >= MOST_A_DAY:
            raise Refused(f"Too many scheduled cancels triggered for the day. Limit is {MOST_A_DAY}.")
    account.scheduled_cancel_ms = action.time
    return DONE


def run_due(desk: Desk) -> None:
    """Cancel all orders of the accounts whose time has come."""
    for account in desk.world.accounts:
        due_ms = account.scheduled_cancel_ms
        if due_ms is not None and due_ms <= desk.world.now_ms:
            today = _today(desk.world)
            account.scheduled_cancel_ms = None
            account.scheduled_today = today, _triggered_today(account, today) + 1
            desk.end_all(account, "scheduledCancel")


def _today(world: World) -> str:
    return utc_day(world.now_ms).isoformat()


def _triggered_today(account: Account, today: str) -> int:
    day, count = account.scheduled_today
    return count if day == today else 0
