"""Open interest and its caps. An open contract has one long and one short side and counts once."""

from services.venue.exchange.listing import Listing
from services.venue.exchange.orders import AccountOrder
from services.venue.exchange.refusals import CAP_AGGRESSIVE, CAP_FLIP, CAP_INCREASE, Refusal
from services.venue.exchange.world import World


def accounts_lots(listing: Listing) -> int:
    """What accounts have open, against each other and against the market."""
    return max(listing.long_lots, listing.short_lots)


def at_cap(world: World, listing: Listing) -> bool:
    """The coin's cap, or its dex's on one coin's size or on the notional of all its coins, is reached."""
    dex = listing.dex
    if listing.oi_cap_ntl is None and dex.oi_cap_ntl is None and dex.oi_sz_cap is None:
        return False
    lots = listing.open_lots + accounts_lots(listing)
    return (
        _reached(lots * listing.mark_px, listing.oi_cap_ntl)
        or _reached(lots, dex.oi_sz_cap)
        or (
            dex.oi_cap_ntl is not None
            and sum((each.open_lots + accounts_lots(each)) * each.mark_px for each in world.listings_of(dex.name))
            >= dex.oi_cap_ntl
        )
    )


def _reached(value: int, cap: int | None) -> bool:
    return cap is not None and value >= cap


def opens(order: AccountOrder) -> bool:
    """Some of the order would not close anything."""
    position = order.account.position(order.listing.dex.name, order.listing.coin)
    return position is None or order.sign * position.lots + order.lots > 0


def cap_refusal(world: World, order: AccountOrder) -> Refusal | None:
    """At the cap nothing may open. Which of the three refusals the venue picks is not documented: here the one
    about the price where it is better than the oracle's for the other side, else by what would happen."""
    if order.reduce_only or not opens(order) or not at_cap(world, order.listing):
        return None
    oracle_px = order.listing.oracle_px
    if oracle_px and order.sign * order.px > order.sign * oracle_px:
        return CAP_AGGRESSIVE
    position = order.account.position(order.listing.dex.name, order.listing.coin)
    return CAP_FLIP if position is not None and position.lots * order.sign < 0 else CAP_INCREASE
