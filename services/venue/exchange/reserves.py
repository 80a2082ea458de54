"""What resting orders reserve of the cross pool, in micro-dollars.

Only the part that would open a position counts, at its limit price: of the orders of one side the best priced
close an open position first, and the margin that this frees is theirs. Reduce-only orders and sleeping triggers
reserve nothing.
"""

from services.venue.exchange.account import Account, Position
from services.venue.exchange.listing import Listing
from services.venue.market.book import Sign


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


def opening_of(account: Account, listing: Listing, position: Position | None) -> tuple[int, int]:
    """What the resting (buys, sells) of a coin would open, at their limit prices."""
    known = account.orders.opening.get(listing.coin)
    if known is None:
        held = position.lots if position is not None else 0
        known = (
            opening_ntl(resting(account, listing, 1), 1, max(-held, 0)),
            opening_ntl(resting(account, listing, -1), -1, max(held, 0)),
        )
        account.orders.opening[listing.coin] = known
    return known


def opening_ntl(orders: list[tuple[int, int]], sign: Sign, closable: int) -> int:
    """Notional of (px, lots) beyond the `closable` lots, which the best priced close first."""
    total = 0
    for px, lots in sorted(orders, reverse=sign == 1) if closable else orders:
        closing = min(lots, closable)
        closable -= closing
        total += px * (lots - closing)
    return total


def resting(account: Account, listing: Listing, sign: Sign) -> list[tuple[int, int]]:
    """(px, lots) of the orders of one side that can open a position."""
    return [
        (order.px, order.lots)
        for order in account.orders.of(listing.coin).values()
        if order.sign == sign and not order.reduce_only and order.trigger is None
    ]


def resting_lots(account: Account, listing: Listing, sign: Sign) -> int:
    return sum(lots for _, lots in resting(account, listing, sign))
