"""Why an order is not taken, in the venue's words (reference page §6.6)."""

from dataclasses import dataclass

from services.venue.exchange.orders import Status

NEVER_PLACED = "Order was never placed, already canceled, or filled."
CANNOT_MODIFY = "Cannot modify canceled or filled order"
INVALID_MODIFY = "Attempted to modify to invalid new order"
INVALID_ASSET = "Order has invalid asset."
BUILDER_NOT_APPROVED = "Builder fee has not been approved."


class Invalid(Exception):
    """Found before any order of a batch has its turn: one status, without an asset, for all of them."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One order's: its text and the status that the order ends with. Where the venue has no status of its own for
    a text, it is plainly `rejected`."""

    text: str
    status: Status = "rejected"


HALTED = Refusal("Trading is halted.")
POST_ONLY_WINDOW = Refusal("Only post-only orders allowed immediately after network upgrade")
DUPLICATE_CLOID = Refusal("Order with this cloid is already open.")
TICK = Refusal("Price must be divisible by tick size.", "tickRejected")
MIN_NTL = Refusal("Order must have minimum value of $10.", "minTradeNtlRejected")
TOO_MANY_ORDERS = Refusal("Too many open orders", "tooManyOpenOrdersRejected")
REDUCE_ONLY = Refusal("Reduce only order would increase position.", "reduceOnlyRejected")
TRIGGER_PX = Refusal("Invalid TP/SL price.", "badTriggerPxRejected")
ORACLE = Refusal("Price too far from oracle", "oracleRejected")
MARGIN = Refusal("Insufficient margin to place order.", "perpMarginRejected")
TIER = Refusal(
    "Order would cause position to exceed margin tier limit at current leverage", "perpMaxPositionRejected"
)
NO_MATCH = Refusal("Order could not immediately match against any resting orders.", "iocCancelRejected")
NO_LIQUIDITY = Refusal("No liquidity available for market order.", "marketOrderNoLiquidityRejected")
_CAPPED = "Order would increase open interest while open interest is capped"
CAP_INCREASE = Refusal(_CAPPED, "positionIncreaseAtOpenInterestCapRejected")
CAP_FLIP = Refusal(_CAPPED, "positionFlipAtOpenInterestCapRejected")
CAP_AGGRESSIVE = Refusal(
    "Order rejected due to price more aggressive than oracle while at open interest cap",
    "tooAggressiveAtOpenInterestCapRejected",
)


def would_match(bid: str, ask: str) -> Refusal:
    return Refusal(f"Post only order would have immediately matched, bbo was {bid}@{ask}.", "badAloPxRejected")


_OF_THE_VENUE = {
    each.text: each
    for each in (
        TICK, MIN_NTL, TOO_MANY_ORDERS, REDUCE_ONLY, TRIGGER_PX, ORACLE, MARGIN, TIER, NO_MATCH, NO_LIQUIDITY,
        CAP_INCREASE, CAP_AGGRESSIVE,
    )
}  # fmt: skip


def refusal_of(text: str) -> Refusal:
    """With the status that the venue has for its own texts."""
    return _OF_THE_VENUE.get(text) or Refusal(text)
