"""What resting orders reserve of the cross pool, in micro-dollars.

Only the part that would open a position counts, at its limit price: of the orders of one side the best priced
close an open position first, and the margin that this frees is theirs. Reduce-only orders and sleeping triggers
reserve nothing.
"""

from services.venue.exchange.account import Position
from services.venue.exchange.listing import Listing


def reserves_of(
    listing: Listing, position: Position | None, leverage: int, opening: tuple[int, int]
) -> tuple[int, int]:
    """Margin of the resting (buys, sells): what they would open, less what closing a position frees before."""
    buys, sells = opening[0] // leverage, opening[1] // leverage
    if position is None:
        return buys, sells
    freed = max(margin_used(listing, position, leverage), 0)
    return (buys, max(sells - freed, 0)) if position.lots > 0 else (max(buys - freed, 0), sells)


def margin_used(listing: Listing, position: Position, leverage: int) -> int:
    """Of a cross position its initial margin, of an isolated one all it has."""
    signed_ntl = position.lots * listing.mark_px
    if position.isolated_usd is not None:
        return position.isolated_usd + signed_ntl
    return abs(signed_ntl) // leverage
