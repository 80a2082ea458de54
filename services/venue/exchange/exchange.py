"""The exchange: requests into replies, and what a block leads to. A deterministic function of what goes in."""

from collections.abc import Callable
from typing import Any

from services.venue.exchange import admission, funding, liquidating, modify, schedule, triggers
from services.venue.exchange.account import Account
from services.venue.exchange.account_actions import ACCOUNT_ACTIONS
from services.venue.exchange.desk import Desk
from services.venue.exchange.facts import ActionTaken
from services.venue.exchange.open_interest import accounts_lots
from services.venue.exchange.placing import Placing
from services.venue.exchange.replies import Reply, err
from services.venue.exchange.requests import Signed
from services.venue.exchange.trading import Trading
from services.venue.exchange.world import Refused, World
from services.venue.market.market import Market
from shared.hyperliquid import actions
from shared.hyperliquid.actions import Action, AnyAction
from shared.hyperliquid.wire import Ctx


class Exchange:
    """A block: `begin`, any number of `execute` with the market's own `advance` between them, `end`."""

    def __init__(self, world: World, market: Market) -> None:
        self.world = world
        self._before_ms = world.now_ms
        self.desk = desk = Desk(world, market)
        self._trading = Trading(desk)
        for book in desk.books.values():
            book.host = self._trading
        placing = Placing(desk, self._trading)
        self._handlers: dict[type[Action], Callable[[Account, Any], Reply]] = {
            actions.PlaceOrders: placing.place_orders,
            actions.Cancel: lambda account, action: modify.cancel(desk, account, action),
            actions.CancelByCloid: lambda account, action: modify.cancel_by_cloid(desk, account, action),
            actions.Modify: lambda account, action: modify.modify(desk, placing, account, action),
            actions.BatchModify: lambda account, action: modify.batch_modify(desk, placing, account, action),
            actions.ScheduleCancel: lambda account, action: schedule.schedule_cancel(world, account, action),
        }

    def refer(self, coin: str, ctx: Ctx) -> None:
        """New reference prices and funding rate of a coin, and the open interest of its own market."""
        listing = self.world.listings[coin]
        listing.mark_px, listing.oracle_px = listing.px_units(ctx.markPx), listing.px_units(ctx.oraclePx)
        listing.rate_1h, listing.open_lots = ctx.funding, listing.lots(ctx.openInterest)

    def begin(self, now_ms: int) -> None:
        """A block starts; dates never go back."""
        self._before_ms = self.world.now_ms or now_ms
        self.world.now_ms = max(now_ms, self.world.now_ms)

    def execute(self, signed: Signed) -> Reply:
        """The answer to a request, whatever it is."""
        account, used = None, 0
        try:
            account = admission.identify(self.world, signed)
            used = account.requests_used
            admission.admit(self.world, account, signed)
            reply = self._handle(account, signed.action)
            admission.executed(self.world, signed)
        except Refused as refused:
            reply = err(str(refused))
        self.world.note(
            ActionTaken(
                time_ms=self.world.now_ms,
                user=account.address if account else "",
                signer=signed.signer or "",
                nonce=signed.nonce,
                action=_tag(signed.action),
                weight=account.requests_used - used if account else 0,
                reply=reply,
            )
        )
        return reply

    def act(self, account: Account, action: AnyAction) -> Reply:
        """The same for an account without signature, nonce and budget."""
        try:
            return self._handle(account, action)
        except Refused as refused:
            return err(str(refused))

    def end(self) -> None:
        """What new prices, positions and the hour lead to."""
        triggers.fire_due(self.desk, self._trading)
        schedule.run_due(self.desk)
        liquidating.run(self.desk, self._trading)
        if funding.due(self._before_ms, self.world.now_ms):
            funding.settle(self.world)
        self.desk.note_queues()

    def address(self, owner: int) -> str:
        """Who stands behind a number in the books."""
        return self.world.accounts.of_owner(owner).address

    def open_lots(self, coin: str) -> int:
        """Open interest that accounts are part of."""
        return accounts_lots(self.world.listings[coin])

    def _handle(self, account: Account, action: AnyAction) -> Reply:
        handler = self._handlers.get(type(action))
        return handler(account, action) if handler else ACCOUNT_ACTIONS[type(action)](self.world, account, action)


def _tag(action: AnyAction) -> str:
    return str(type(action).__struct_config__.tag)
