"""The whole venue as one pure machine: a market, the exchange and everybody's frames, moved block by block.

One block: post-only orders, cancels, the market's own flow, takers, then whatever the new prices lead to; after it
account frames, market data and answers go out. Time is an argument: `block_ms` counts from the start of the market
(delays, cadences and faults follow it, so they scale with the speed), `now_ms` is the date that clients see.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from services.venue.api.client import Client
from services.venue.api.hub import Hub, Submit
from services.venue.api.state import MarketState, dated
from services.venue.config import VenueConfig
from services.venue.exchange.account import Account
from services.venue.exchange.exchange import Exchange
from services.venue.exchange.facts import AnyFact, Disturbed
from services.venue.exchange.listings import dexs, listings
from services.venue.exchange.mempool import Mempool
from services.venue.exchange.requests import Signed
from services.venue.exchange.world import Refused, World
from services.venue.faults.external import action_of
from services.venue.faults.faults import AnswerFate, Faults
from services.venue.market.feed import Pacer, Raw
from services.venue.market.market import Market
from shared.hyperliquid.actions import AnyAction
from shared.hyperliquid.wire import ActiveAssetCtx, L2Book

Answered = Callable[[dict[str, Any]], None]
"""Gets the reply to a request when its block is over."""


class Venue:
    """`log` receives every fact; `submit` and `act` in between, then `block` after `block`."""

    def __init__(
        self, config: VenueConfig, market: Market, log: Callable[[AnyFact], None], post: Submit | None = None
    ) -> None:
        self.market = market
        self.faults = Faults(config.seed, self._disturbed)
        self.world = World(config, listings(market.coins, config), dexs(config), emit=self._note)
        self.world.switches.reject_order = lambda account, listing: self.faults.reject_text(
            self.block_ms, account.address, listing.coin
        )
        self.exchange = Exchange(self.world, market)
        self.mempool: Mempool[Answered] = Mempool(config)
        self.state = MarketState(market.coins)
        self.state.full_book = self._full_book
        self.hub = Hub(self.state, self.world, unknown_coin=config.unknown_coin, submit=post)
        self.block_ms = 0
        self._unsigned: list[tuple[Account, AnyAction, Answered]] = []
        self._log = log
        self._length_ms, self._mids_ms = config.block_ms, config.mids_ms
        self._pacer = Pacer(config.fast_ms, config.slow_ms)
        self._next_mids_ms = 0

    # ---- in between ------------------------------------------------------------------------------------------

    def submit(self, signed: Signed, answered: Answered) -> None:
        """Take in a request; it is executed some blocks later (see `Mempool`)."""
        self.mempool.add(signed, self.block_ms, answered)

    def act(self, account: Account, action: AnyAction, answered: Answered) -> None:
        """Execute an action without a signature at the start of the next block."""
        self._unsigned.append((account, action, answered))

    def fate(self, signed: Signed) -> AnswerFate:
        """What happens to the answer of a request that has been executed."""
        signer = signed.signer or ""
        account = self.world.accounts.agent(signer, self.world.now_ms)
        user = signed.vault_address or (account.address if account is not None else signer)
        return self.faults.on_answer(self.block_ms, str(signed.action.__struct_config__.tag), user)

    @property
    def waiting(self) -> bool:
        """Has somebody asked for something that a block has yet to do?"""
        return bool(self.mempool or self._unsigned)

    def date_ms(self, clock_ms: int) -> int:
        """What clients take the clock for; it never goes back."""
        return max(clock_ms + self.faults.skew_ms(self.block_ms), self.world.now_ms)

    def joined(self, client: Client) -> None:
        """A new connection."""
        self.hub.join(client)
        client.filter = self._filter if self.faults.disturbs_frames else None

    def left(self, client: Client) -> None:
        self.hub.leave(client)
        self.faults.forget(client.number)

    # ---- blocks ----------------------------------------------------------------------------------------------

    def next_block_ms(self) -> int:
        """When the next block is due: in a recording where it has news, but at the latest after the block time."""
        latest = self.block_ms + self._length_ms
        news_ms, extra_ms = self.market.next_ms(), self.faults.block_extra_ms(self.block_ms)
        if news_ms is None or extra_ms:
            return latest + extra_ms
        return min(max(news_ms, self.block_ms), latest)

    def block(self, block_ms: int, clock_ms: int) -> None:
        """Run one block and hand out what it led to."""
        since_ms, self.block_ms = self.block_ms, block_ms
        for push in self.faults.pushes(since_ms, block_ms):
            for meta in self.market.coins:
                if push.coin in (None, meta.coin):
                    self.market.push(meta.coin, push.log_move, push.takers)
        self._disturb()
        self.exchange.begin(self.date_ms(clock_ms))
        now_ms = self.world.now_ms
        replies = [*self._act_unsigned()]
        posts, cancels, takers = self.mempool.due(block_ms)
        replies += [(answered, self.exchange.execute(signed)) for signed, answered in (*posts, *cancels)]
        self.market.advance(block_ms)
        replies += [(answered, self.exchange.execute(signed)) for signed, answered in takers]
        self.exchange.end()
        self.hub.flush(now_ms)
        for raw in self.market.news(block_ms, self.exchange):
            self._publish(dated(raw, now_ms))
        if block_ms >= self._next_mids_ms:
            self._next_mids_ms = block_ms + self._mids_ms
            self.hub.publish_mids()
        for answered, reply in replies:
            answered(reply)

    def _act_unsigned(self) -> list[tuple[Answered, dict[str, Any]]]:
        asked, self._unsigned = self._unsigned, []
        replies = [(answered, self.exchange.act(account, action)) for account, action, answered in asked]
        for external in self.faults.due_orders(self.block_ms):
            account = self.world.accounts.get(external.user)
            try:
                action = action_of(self.world, external)
            except Refused as refusal:
                self._disturbed("external_order", f"refused: {refusal}")
                continue
            if account is not None and action is not None:
                self.exchange.act(account, action)
        return replies

    def _publish(self, event: Raw) -> None:
        if isinstance(event, ActiveAssetCtx):
            self.exchange.refer(event.coin, event.ctx)
            event = self._with_accounts(event)
        self.state.apply(event)
        for sent in self._pacer.step(self.block_ms, event):
            self.hub.publish(sent)

    def _full_book(self, coin: str) -> L2Book | None:
        shown = self.state.shown_book(coin)
        return (self.market.full_book(coin, self.world.now_ms) or shown) if shown is not None else None

    def _with_accounts(self, event: ActiveAssetCtx) -> ActiveAssetCtx:
        """The context with the accounts' share of open interest."""
        held = self.world.listings[event.coin].sz(self.exchange.open_lots(event.coin))
        if not held:
            return event
        ctx = msgspec.structs.replace(event.ctx, openInterest=event.ctx.openInterest + held)
        return msgspec.structs.replace(event, ctx=ctx)

    # ---- faults ----------------------------------------------------------------------------------------------

    def _disturb(self) -> None:
        """What faults do by themselves, once a block."""
        faults, now_ms = self.faults, self.block_ms
        faults.advance(now_ms)
        by_number = {client.number: client for client in self.hub.clients}
        for number, frame in faults.due_frames(now_ms):
            if number in by_number:
                by_number[number].deliver(frame)
        for number in faults.sockets_to_drop(now_ms, by_number.values()):
            by_number[number].close()
        frame_filter = self._filter if faults.disturbs_frames else None
        for client in by_number.values():
            client.filter = frame_filter
        self.world.switches.post_only = faults.post_only(now_ms)
        for listing in self.world.listings.values():
            listing.halted = faults.halted(now_ms, listing.coin)

    def _filter(self, client: Client, frame: bytes, channel: str, key: str) -> None:
        for passed in self.faults.on_frame(self.block_ms, client, channel, key, frame):
            client.deliver(passed)

    def _disturbed(self, fault: str, detail: str) -> None:
        self._note(Disturbed(time_ms=self.world.now_ms, fault=fault, detail=detail))

    def _note(self, fact: AnyFact) -> None:
        self._log(fact)
        if not self.faults.hidden(self.block_ms, fact):
            self.hub.note(fact)
