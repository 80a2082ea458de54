"""Orders and cancels on an account without its key, as the actions that the account would have signed."""

from decimal import Decimal

from services.venue.exchange.account import Account
from services.venue.exchange.listing import Listing
from services.venue.exchange.world import Refused, World
from services.venue.faults.kinds import External, ExternalCancel, ExternalOrder
from services.venue.market.book import Sign, grid_step
from shared.hyperliquid import actions
from shared.units import wire as text

MARKET_BPS = 500
"""A market order goes as far through the mark price as the SDK's do."""


def action_of(world: World, external: External) -> actions.AnyAction:
    """What `Exchange.act` is to do on the account.

    Raises:
        Refused: no such account, coin or order, or no price to go by.
    """
    account = world.accounts.get(external.user)
    if account is None:
        raise Refused(f"no account has the address {external.user}")
    return _cancel(account, external) if isinstance(external, ExternalCancel) else _order(world, external)


def _cancel(account: Account, external: ExternalCancel) -> actions.Cancel:
    chosen = [
        actions.CancelWire(a=order.listing.asset, o=oid)
        for oid, order in account.orders.items()
        if external.oid in (None, oid) and external.coin in (None, order.listing.coin)
    ]
    if not chosen:
        raise Refused(f"no such order of {account.address} is open")
    return actions.Cancel(cancels=tuple(chosen))


def _order(world: World, external: ExternalOrder) -> actions.PlaceOrders:
    listing = world.listings.get(external.coin)
    if listing is None:
        raise Refused(f"no coin {external.coin!r}; there are {', '.join(world.listings)}")
    wire = actions.OrderWire(
        a=listing.asset,
        b=external.side == "buy",
        p=text(_px(listing, external)),
        s=text(external.sz),
        r=external.reduce_only,
        t=actions.OrderType(limit=actions.LimitType(tif=external.tif if _priced(external) else "Ioc")),
        c=external.cloid,
    )
    return actions.PlaceOrders(orders=(wire,), grouping="na")


def _priced(external: ExternalOrder) -> bool:
    return external.px is not None or external.bps is not None


def _px(listing: Listing, external: ExternalOrder) -> Decimal:
    """On the grid unless it was said outright: whether that price is allowed is the venue's to say."""
    if external.px is not None:
        return external.px
    if not listing.mark_px:
        raise Refused(f"{listing.coin} has no mark price yet; say px")
    sign: Sign = 1 if external.side == "buy" else -1
    behind = Decimal(str(external.bps)) if external.bps is not None else Decimal(-MARKET_BPS)
    units = int(listing.mark_px * (1 - sign * behind / 10_000))
    step = grid_step(units, listing.sz_decimals)
    return listing.px(units // step * step if sign == 1 else -(-units // step) * step)
