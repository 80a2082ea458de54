"""Who gets which frame: subscribers by subscription, every frame encoded once, every client's queue bounded.

Pure: sockets are behind `Client.wake` and `Client.closing`, time is an argument.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

from services.venue.api import account_streams, answers, frames, info, market_streams
from services.venue.api import subscriptions as subs
from services.venue.api.aggregate import book_data
from services.venue.api.client import QUEUE_FRAMES, Client
from services.venue.api.limits import IpLimits, weight, weight_of_answer
from services.venue.api.portfolio import Portfolios
from services.venue.api.state import MarketState
from services.venue.api.state_streams import Paces
from services.venue.api.view import View
from services.venue.exchange.facts import AnyFact, BalanceChanged, Disturbed, Matched, QueueMoved
from services.venue.exchange.requests import Malformed
from services.venue.exchange.world import World
from shared.hyperliquid.wire import Bbo, L2Book, MarketEvent

IDLE_S = 60.0
"""The venue closes a connection to which it has sent nothing for so long."""
OVER_LIMIT = object()
PONG = b'{"channel":"pong"}'

Submit = Callable[[Client, int, bytes], None]
"""Takes the payload of a websocket `post` of type action: the body that `/exchange` would get, and weighs it like
that. Whoever takes it answers once, with `Hub.answer_post` or, when the answer is to be lost, `Hub.lose_post`."""


class Hub:
    """All clients and the state they ask about."""

    def __init__(
        self, state: MarketState, world: World, *, unknown_coin: str = "error", submit: Submit | None = None
    ) -> None:
        self.state = state
        self.world = world
        self.portfolios = Portfolios()
        self.clients: set[Client] = set()
        self.submit = submit
        self.dropped_slow = 0
        self.dropped_idle = 0
        self.frames = 0
        self.subscribed_s = float("-inf")
        """When the newest subscription came."""
        self._unknown_coin = unknown_coin
        self._by_subscription: dict[subs.AnySubscription, dict[Client, None]] = {}
        self._books: dict[tuple[str, bool], dict[subs.L2BookSub, None]] = {}
        """Which variants of a coin's book somebody wants, by (coin, fast)."""
        self._by_user: dict[str, dict[subs.AnySubscription, None]] = {}
        self._paces = Paces()
        self._facts: dict[str, list[AnyFact]] = {}
        """Of the block so far, by user; only of users whom somebody watches."""

    @property
    def subscribed(self) -> bool:
        """Does anybody want anything?"""
        return bool(self._by_subscription)

    def view(self, now_ms: int) -> View:
        return View(self.state, self.world, self.portfolios, now_ms)

    # ---- clients ---------------------------------------------------------------------------------------------

    def join(self, client: Client) -> None:
        self.clients.add(client)
        client.limits.connections += 1

    def leave(self, client: Client) -> None:
        self.clients.discard(client)
        client.limits.connections -= 1
        for subscription in list(client.subscriptions):
            self._remove(client, subscription)

    def receive(self, client: Client, raw: str | bytes, now_s: float, now_ms: int) -> None:
        """Answer one frame of a client. Every answer is queued; that of a posted action comes after its block."""
        if not client.limits.messages.take(now_s):
            client.close()
            return
        try:
            message = subs.parse_message(raw)
            if isinstance(message, subs.Ping):
                client.send(PONG, "pong")
            elif isinstance(message, subs.Subscribe):
                self._subscribe(client, subs.parse_subscription(message.subscription, self.world), now_ms)
                self.subscribed_s = now_s
            elif isinstance(message, subs.Unsubscribe):
                self._unsubscribe(client, subs.parse_subscription(message.subscription, self.world))
            else:
                self._post(client, message, now_s, now_ms)
        except subs.UnknownCoin as refusal:
            if self._unknown_coin == "drop":
                client.close()
            else:
                client.send(frames.frame("error", str(refusal)), "error")
        except subs.Refused as refusal:
            client.send(frames.frame("error", str(refusal)), "error")

    def expire(self, now_s: float) -> None:
        """The idle rule; a client with frames still waiting is slow, not idle."""
        for client in self.clients:
            if not client.closing and not client.queue and now_s - client.last_sent_s >= IDLE_S:
                self.dropped_idle += 1
                client.close()

    def drop_slow(self, frames_waiting: int) -> None:
        """Drop every client with more than so many frames waiting."""
        for client in self.clients:
            if len(client.queue) > frames_waiting and not client.closing:
                self.dropped_slow += 1
                client.close()

    # ---- subscriptions ---------------------------------------------------------------------------------------

    def _subscribe(self, client: Client, subscription: subs.AnySubscription, now_ms: int) -> None:
        echo = subs.echo(subscription)
        if subscription in client.subscriptions:
            raise subs.Refused(f"Already subscribed: {frames.ENCODER.encode(echo).decode()}")
        user = subscription.user if isinstance(subscription, subs.UserSubscription) else None
        if not client.limits.may_subscribe():
            raise subs.Refused("Cannot track more than 1000 total subscriptions.")
        if user is not None and not client.limits.may_track(user):
            raise subs.Refused("Cannot track more than 10 total users.")
        first = list(self._snapshot(self.view(now_ms), subscription))
        client.limits.subscriptions += 1
        client.subscriptions.add(subscription)
        self._by_subscription.setdefault(subscription, {})[client] = None
        if isinstance(subscription, subs.L2BookSub):
            self._books.setdefault((subscription.coin, subscription.fast), {})[subscription] = None
        if user is not None:
            client.limits.users[user] += 1
            self._by_user.setdefault(user, {})[subscription] = None
        self._confirm(client, "subscribe", echo)
        for data in first:
            client.send(frames.frame(subscription.channel, data), subscription.channel, subscription.key)

    def _snapshot(self, view: View, subscription: subs.AnySubscription) -> Iterator[Any]:
        """Data of what the venue sends right after the confirmation."""
        yield from market_streams.snapshot(view.state, subscription)
        yield from account_streams.snapshot(view, subscription)
        yield from self._paces.watch(view, subscription)

    def _unsubscribe(self, client: Client, subscription: subs.AnySubscription) -> None:
        echo = subs.echo(subscription)
        if subscription not in client.subscriptions:
            raise subs.Refused(f"Already unsubscribed: {frames.ENCODER.encode(echo).decode()}")
        self._remove(client, subscription)
        self._confirm(client, "unsubscribe", echo)

    def _confirm(self, client: Client, method: str, echo: dict[str, Any]) -> None:
        data = {"method": method, "subscription": echo}
        client.send(frames.frame("subscriptionResponse", data), "subscriptionResponse")

    def _remove(self, client: Client, subscription: subs.AnySubscription) -> None:
        client.limits.subscriptions -= 1
        client.subscriptions.discard(subscription)
        if isinstance(subscription, subs.UserSubscription):
            client.limits.untrack(subscription.user)
        others = self._by_subscription[subscription]
        del others[client]
        if others:
            return
        del self._by_subscription[subscription]
        self._paces.forget(subscription)
        if isinstance(subscription, subs.L2BookSub):
            del self._books[subscription.coin, subscription.fast][subscription]
        elif isinstance(subscription, subs.UserSubscription):
            watched = self._by_user[subscription.user]
            del watched[subscription]
            if not watched:
                del self._by_user[subscription.user]

    # ---- requests --------------------------------------------------------------------------------------------

    def _post(self, client: Client, message: subs.Post, now_s: float, now_ms: int) -> None:
        if message.request.type == "action":
            self._post_action(client, message)
            return
        try:
            request = info.decode(bytes(message.request.payload))
        except Malformed as error:
            self._respond(client, message.id, "error", f"422 Unprocessable Entity: {error}")
            return
        data = self.ask(client.limits, request, now_s, now_ms)
        if data is OVER_LIMIT:
            self._respond(client, message.id, "error", "429 Too Many Requests: null")
        else:
            self._respond(client, message.id, "info", {"type": request.__struct_config__.tag, "data": data})

    def _post_action(self, client: Client, message: subs.Post) -> None:
        if self.submit is None:
            self._respond(client, message.id, "error", "503 Service Unavailable: no actions are taken")
        elif not client.limits.may_post():
            raise subs.Refused(f"too many pending post requests id={message.id}")
        else:
            client.limits.posts += 1
            self.submit(client, message.id, bytes(message.request.payload))

    def answer_post(self, client: Client, post_id: int, kind: Literal["action", "error"], payload: Any) -> None:
        """Answer a submitted post: the reply of `/exchange`, or a text such as `429 Too Many Requests: null`. The
        client may have left."""
        client.limits.posts -= 1
        self._respond(client, post_id, kind, payload)

    def lose_post(self, client: Client) -> None:
        """A submitted post will never be answered; it is in flight no longer."""
        client.limits.posts -= 1

    def _respond(self, client: Client, post_id: int, kind: str, payload: Any) -> None:
        data = {"id": post_id, "response": {"type": kind, "payload": payload}}
        client.send(frames.frame("post", data), "post")

    def ask(self, limits: IpLimits, request: info.AnyRequest, now_s: float, now_ms: int) -> Any:
        """The answer to an info request, or `OVER_LIMIT`."""
        if not limits.weight.take(now_s, weight(request)):
            return OVER_LIMIT
        data = answers.answer(self.view(now_ms), request)
        if isinstance(data, list):
            limits.weight.charge(now_s, weight_of_answer(request, len(data)))
        return data

    # ---- frames of accounts ----------------------------------------------------------------------------------

    def note(self, fact: AnyFact) -> None:
        """Something happened in the block; whoever may hear of it does at `flush`."""
        if isinstance(fact, BalanceChanged):
            self.portfolios.note(fact)
        if not isinstance(fact, (QueueMoved, Matched, Disturbed)) and fact.user in self._by_user:
            self._facts.setdefault(fact.user, []).append(fact)

    def flush(self, now_ms: int) -> None:
        """The block is over: one frame for each user and channel that has news, in the order of the facts; then
        the states that are due."""
        facts, self._facts = self._facts, {}
        for user, of_user in facts.items():
            watched = self._by_user.get(user, {})
            for kind in account_streams.LIVE:
                for subscription in [item for item in watched if type(item) is kind]:
                    for data in account_streams.live(subscription, of_user):
                        self._fan_out(subscription, data)
        view = self.view(now_ms)
        self.portfolios.step(self.world, now_ms)
        for subscription, data in self._paces.due(view, facts.__contains__):
            self._fan_out(subscription, data)

    # ---- frames of markets -----------------------------------------------------------------------------------

    def publish(self, event: MarketEvent) -> None:
        """One event to everybody who subscribed to it; nothing is encoded for nobody."""
        if isinstance(event, L2Book):
            for book in self._books.get((event.coin, event.fast), ()):
                self._fan_out(book, book_data(event, book.n_sig_figs, book.mantissa))
            return
        key: subs.AnySubscription
        if isinstance(event, tuple):
            key = subs.TradesSub(event[0].coin)
        elif isinstance(event, Bbo):
            key = subs.BboSub(event.coin)
        else:
            key = subs.AssetCtxSub(event.coin)
        if key in self._by_subscription:
            self._fan_out(key, frames.payload(event))

    def publish_mids(self) -> None:
        for subscription in self._by_subscription:
            if isinstance(subscription, subs.AllMidsSub):
                self._fan_out(subscription, market_streams.mids(self.state, subscription))

    def _fan_out(self, subscription: subs.AnySubscription, data: Any) -> None:
        channel, key = subscription.channel, subscription.key
        frame = frames.frame(channel, data)
        for client in self._by_subscription[subscription]:
            if client.closing:
                continue
            if len(client.queue) >= QUEUE_FRAMES:
                self.dropped_slow += 1
                client.close()
                continue
            client.send(frame, channel, key)
            self.frames += 1
