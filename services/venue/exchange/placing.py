"""New orders: alone, in brackets, and what the venue answers to them."""

from services.venue.exchange.account import Account
from services.venue.exchange.checks import open_order_limit, refusal
from services.venue.exchange.desk import Desk
from services.venue.exchange.orders import AccountOrder, Builder
from services.venue.exchange.refusals import (
    BUILDER_NOT_APPROVED,
    NO_LIQUIDITY,
    NO_MATCH,
    TOO_MANY_ORDERS,
    Invalid,
    Refusal,
    would_match,
)
from services.venue.exchange.replies import OrderStatus, Reply, filled, order_error, resting, statuses
from services.venue.exchange.terms import Terms, check_grouping, terms_of
from services.venue.exchange.trading import Trading
from services.venue.exchange.world import Refused
from services.venue.market.book import Book, Sign
from shared.hyperliquid.actions import BuilderWire, PlaceOrders
from shared.units import wire

MOST_BUILDER_TENTH_BPS = 100


class Placing:
    """Takes orders in."""

    def __init__(self, desk: Desk, trading: Trading) -> None:
        self._desk, self._trading, self._world = desk, trading, desk.world

    def place_orders(self, account: Account, action: PlaceOrders) -> Reply:
        try:
            terms = [terms_of(self._world, wire) for wire in action.orders]
            check_grouping(action.grouping, terms)
        except Invalid as error:
            return statuses("order", [{"error": str(error)}])
        self._check_room(account, terms)
        builder = _approved(account, action.builder)
        if action.grouping == "normalTpsl":
            return statuses("order", self._bracket(account, terms, builder))
        of_position = action.grouping == "positionTpsl"
        return statuses(
            "order",
            [self.place(self.order(account, term, builder, of_position), term.on_grid) for term in terms],
        )

    def order(
        self, account: Account, terms: Terms, builder: Builder | None = None, of_position: bool = False
    ) -> AccountOrder:
        """The order with a number of its own."""
        return AccountOrder(
            self._world.next_oid(),
            account,
            terms.listing,
            terms.sign,
            terms.px,
            terms.lots,
            tif=terms.tif,
            placed_ms=self._world.now_ms,
            reduce_only=terms.reduce_only,
            cloid=terms.cloid,
            trigger=terms.trigger,
            is_position_tpsl=of_position,
            builder=builder,
        )

    def place(self, order: AccountOrder, on_grid: bool) -> OrderStatus:
        found = refusal(self._world, order, on_grid=on_grid)
        if found is not None:
            return self._refuse(order, found)
        if order.trigger is not None:
            self._desk.sleep(order)
            return "waitingForTrigger"
        book = self._desk.book(order.listing)
        best_px = book.best_px(_other(order.sign))
        crosses = best_px is not None and order.sign * order.px >= order.sign * best_px
        if crosses and order.tif == "Alo":
            return self._refuse(order, would_match(*_bbo(order, book)))
        status = self._trade(order, crosses)
        self._trading.keep_reduce_only(order.account, order.listing)
        return status

    def _trade(self, order: AccountOrder, crosses: bool) -> OrderStatus:
        """Match what crosses; the rest of the order rests or ends."""
        lots = order.lots
        ntl = self._trading.take(order, order.px) if crosses else 0
        traded = lots - order.lots
        config = self._world.config
        if order.lots == 0:
            self._trading.complete(order)
        elif order.tif in ("Alo", "Gtc"):
            self._desk.rest(order, opened=traded > 0)
            if not traded or config.partly_filled_gtc == "resting":
                return resting(order)
        elif traded:
            self._desk.drop(order, config.partly_filled_ioc)
        else:
            return self._refuse(order, NO_LIQUIDITY if order.tif == "FrontendMarket" else NO_MATCH)
        return filled(order, traded, ntl)

    def _bracket(self, account: Account, terms: list[Terms], builder: Builder | None) -> list[OrderStatus]:
        """An order and TP/SL children that live and die with it, and may fire once it has filled entirely."""
        parent = self.order(account, terms[0], builder)
        results: list[OrderStatus] = []
        for term in terms[1:]:
            child = self.order(account, term, builder)
            child.parent = parent
            found = refusal(self._world, child, on_grid=term.on_grid)
            results.append("waitingForFill" if found is None else self._refuse(child, found))
            if found is None:
                parent.children.append(child)
        children = tuple(parent.children)
        status = self.place(parent, terms[0].on_grid)
        if isinstance(status, dict) and "error" in status:
            return [status, *(status for _ in results)]
        for child in children:
            self._desk.sleep(child)
            if parent.lots and not self._desk.live(parent):
                self._desk.end(child, "canceled")
        self._trading.keep_reduce_only(account, parent.listing)
        if parent.lots == 0:
            results = ["waitingForTrigger" if result == "waitingForFill" else result for result in results]
        return [status, *results]

    def _refuse(self, order: AccountOrder, why: Refusal) -> OrderStatus:
        self._desk.note(order, why.status)
        return order_error(why.text, order.listing.asset)

    def _check_room(self, account: Account, terms: list[Terms]) -> None:
        """
        Raises:
            Refused: the open-order limit is told for the whole request, and this one would pass it.
        """
        if self._world.config.too_many_orders == "error":
            room = open_order_limit(self._world, account.cum_ntl) - len(account.orders)
            if sum(term.tif in ("Alo", "Gtc") or term.trigger is not None for term in terms) > room:
                raise Refused(TOO_MANY_ORDERS.text)


def _approved(account: Account, asked: BuilderWire | None) -> Builder | None:
    """
    Raises:
        Refused: the account, or the master of a sub-account, has not approved so high a fee.
    """
    if asked is None:
        return None
    approved = (account.master or account).builders.get(asked.b.lower(), 0)
    if asked.f > min(approved, MOST_BUILDER_TENTH_BPS):
        raise Refused(BUILDER_NOT_APPROVED)
    return Builder(asked.b.lower(), asked.f) if asked.f else None


def _other(sign: Sign) -> Sign:
    return -1 if sign == 1 else 1


def _bbo(order: AccountOrder, book: Book) -> tuple[str, str]:
    """Best bid and ask as refusals print them; "0" for an empty side."""
    best = (book.best_px(1) or 0, book.best_px(-1) or 0)
    bid, ask = (wire(order.listing.px(px)).removesuffix(".0") for px in best)
    return bid, ask
