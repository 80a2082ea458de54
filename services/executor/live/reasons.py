"""Why the venue refused an order, in the engine's own codes."""

import re
from decimal import Decimal

from services.executor.live.lives import never_rested
from shared.hyperliquid import replies
from shared.messages import Reason
from shared.units import Side

_CODES = {
    replies.Reason.POST_ONLY_WOULD_MATCH: Reason.WOULD_CROSS,
    replies.Reason.TICK: Reason.INVALID_PX,
    replies.Reason.BAD_PRICE: Reason.INVALID_PX,
    replies.Reason.BAD_SIZE: Reason.INVALID_SZ,
    replies.Reason.MIN_NOTIONAL: Reason.BELOW_MIN_NOTIONAL,
    replies.Reason.MARGIN: Reason.INSUFFICIENT_MARGIN,
    replies.Reason.POSITION_LIMIT: Reason.INSUFFICIENT_MARGIN,
    replies.Reason.REDUCE_ONLY: Reason.REDUCE_ONLY,
    replies.Reason.NO_MATCH: Reason.NO_MATCH,
    replies.Reason.REQUEST_BUDGET: Reason.REQUEST_BUDGET,
    replies.Reason.NOT_MODIFIABLE: Reason.REPLACED_TOO_LATE,
    replies.Reason.NOT_OPEN: Reason.REPLACED_TOO_LATE,
}
_STATUSES = {
    "badAloPxRejected": Reason.WOULD_CROSS,
    "tickRejected": Reason.INVALID_PX,
    "minTradeNtlRejected": Reason.BELOW_MIN_NOTIONAL,
    "perpMarginRejected": Reason.INSUFFICIENT_MARGIN,
    "perpMaxPositionRejected": Reason.INSUFFICIENT_MARGIN,
    "reduceOnlyRejected": Reason.REDUCE_ONLY,
    "iocCancelRejected": Reason.NO_MATCH,
}
DOUBTFUL = frozenset((replies.Reason.UNRECOGNISED, replies.Reason.BAD_NONCE))
"""Refusals that prove nothing: words nobody knows, and a nonce that this very order may have used up."""
_BBO = re.compile(r"bbo was ([0-9.]+)@([0-9.]+)")


def code_of(reason: replies.Reason) -> Reason:
    return _CODES.get(reason, Reason.VENUE_REFUSED)


def code_of_status(status: str) -> Reason:
    """Of the final status of an order that never rested."""
    assert never_rested(status), status
    return _STATUSES.get(status, Reason.VENUE_REFUSED)


def inner(refused: replies.Rejected) -> replies.Rejected:
    """Why the successor of a cancelled order was refused: it stands behind the colon."""
    text = refused.text.partition("during modify:")[2].strip()
    return replies.Rejected(replies.reason_of(text), text)


def opposite_px(side: Side, text: str) -> Decimal | None:
    """The price that a post-only order would have met, where the venue's text names it."""
    found = _BBO.search(text)
    px = Decimal(found[2 if side == "bid" else 1].rstrip(".")) if found else Decimal(0)
    return px or None
