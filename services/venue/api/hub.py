"""Who gets which frame: subscribers by subscription, every frame encoded once, every client's queue bounded.

Pure: sockets are behind `Client.wake` and `Client.closed`, time is an argument.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal

from services.venue.api import frames, info
from services.venue.api import subscriptions as subs
from services.venue.api.aggregate import book_data
from services.venue.api.limits import IpLimits, weight, weight_of_answer
from services.venue.api.state import MarketState
from services.venue.exchange.facts import AnyFact
from services.venue.market.feed import top
from shared.hyperliquid.wire import Bbo, L2Book, MarketEvent

QUEUE_FRAMES = 4096
"""A client that lets so many frames pile up is dropped; at 30 coins that is about ten seconds."""
IDLE_S = 60.0
"""The venue closes a connection to which it has sent nothing for so long."""
OVER_LIMIT = object()
PONG = b'{"channel":"pong"}'


Submit = Callable[["Client", int, bytes], None]
"""Takes the payload of a websocket `post` of type action: the body that `/exchange` would get. Whoever takes it
answers once, with `Hub.answer_post` or, when the answer is to be lost, with `Hub.lose_post`."""


class Client:
    """One connection: what it wants, what waits for it."""

    def __init__(self, limits: IpLimits, now_s: float) -> None:
        self.limits = limits
        self.filter: Callable[[Client, bytes, str, str], None] | None = None
        """Stands between the venue and this client: gets (client, frame, channel, coin_or_user) instead of the
        queue, and calls `deliver` for what shall arrive, when it shall, in the order it shall."""
        self.subscriptions: set[subs.AnySubscription] = set()
        self.queue: deque[bytes] = deque()
        self.last_sent_s = now_s
        self.closing = False
        self.wake = asyncio.Event()

    def send(self, frame: bytes, channel: str, coin_or_user: str = "") -> None:
        """The one way of a frame to this client. `channel` and the coin or lower-case address say what it is."""
        if self.filter is None:
            self.deliver(frame)
        else:
            self.filter(self, frame, channel, coin_or_user)

    def deliver(self, frame: bytes) -> None:
        """Queue a frame for the socket, past the filter."""
        self.queue.append(frame)
        self.wake.set()

    def close(self) -> None:
        """Ask for the socket to be dropped without a close frame."""
        self.closing = True
        self.wake.set()


class Hub:
    """All clients and the state they ask about."""

    def __init__(self, state: MarketState, *, unknown_coin: str = "error", limits: bool = True) -> None:
        self.state = state
        self.clients: set[Client] = set()
        self.dropped_slow = 0
        self.dropped_idle = 0
        self.frames = 0
        self.subscribed_s = float("-inf")
        """When the newest subscription came."""
        self._unknown_coin = unknown_coin
        self._limited = limits
        self._by_subscription: dict[subs.AnySubscription, set[Client]] = {}
        self._books: dict[tuple[str, bool], set[subs.L2BookSub]] = {}
        """Which variants of a coin's book somebody wants, by (coin, fast)."""

    @property
    def subscribed(self) -> bool:
        """Does anybody want anything?"""
        return bool(self._by_subscription)

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
        """Answer one frame of a client; every answer is queued."""
        if self._limited and not client.limits.messages.take(now_s):
            client.close()
            return
        try:
            message = subs.parse_message(raw)
            if isinstance(message, subs.Ping):
                client.send(PONG, "pong")
            elif isinstance(message, subs.Subscribe):
                self._subscribe(client, subs.parse_subscription(message.subscription, self.state))
                self.subscribed_s = now_s
            elif isinstance(message, subs.Unsubscribe):
                self._unsubscribe(client, subs.parse_subscription(message.subscription, self.state))
            else:
                client.send(frames.frame("post", self._post(client, message, now_s, now_ms)), "post")
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

    def _subscribe(self, client: Client, subscription: subs.AnySubscription) -> None:
        echo = subs.echo(subscription)
        if subscription in client.subscriptions:
            raise subs.Refused(f"Already subscribed: {frames.ENCODER.encode(echo).decode()}")
        if self._limited and not client.limits.may_subscribe():
            raise subs.Refused("Cannot track more than 1000 total subscriptions.")
        client.limits.subscriptions += 1
        client.subscriptions.add(subscription)
        self._by_subscription.setdefault(subscription, set()).add(client)
        if isinstance(subscription, subs.L2BookSub):
            self._books.setdefault((subscription.coin, subscription.fast), set()).add(subscription)
        client.send(
            frames.frame("subscriptionResponse", {"method": "subscribe", "subscription": echo}),
            "subscriptionResponse",
        )
        for channel, data in self._snapshot(subscription):
            client.send(frames.frame(channel, data), channel, getattr(subscription, "coin", ""))

    def _unsubscribe(self, client: Client, subscription: subs.AnySubscription) -> None:
        echo = subs.echo(subscription)
        if subscription not in client.subscriptions:
            raise subs.Refused(f"Already unsubscribed: {frames.ENCODER.encode(echo).decode()}")
        self._remove(client, subscription)
        client.send(
            frames.frame("subscriptionResponse", {"method": "unsubscribe", "subscription": echo}),
            "subscriptionResponse",
        )

    def _remove(self, client: Client, subscription: subs.AnySubscription) -> None:
        client.limits.subscriptions -= 1
        client.subscriptions.discard(subscription)
        others = self._by_subscription[subscription]
        others.discard(client)
        if not others:
            del self._by_subscription[subscription]
            if isinstance(subscription, subs.L2BookSub):
                self._books[subscription.coin, subscription.fast].discard(subscription)

    def _snapshot(self, subscription: subs.AnySubscription) -> Iterator[tuple[str, Any]]:
        """What the venue sends right after the confirmation."""
        if isinstance(subscription, subs.AllMidsSub):
            yield "allMids", self._mids(subscription)
            return
        coin = self.state.coins[subscription.coin]
        if isinstance(subscription, subs.L2BookSub):
            if coin.book is not None:
                book = top(coin.book) if subscription.fast else coin.book
                yield "l2Book", book_data(book, subscription.nSigFigs, subscription.mantissa)
        elif isinstance(subscription, subs.BboSub):
            if coin.bbo is not None:
                yield "bbo", frames.bbo(coin.bbo)
        elif isinstance(subscription, subs.TradesSub):
            if coin.trades:
                yield "trades", frames.trades(coin.trades)
        elif coin.ctx is not None:
            yield "activeAssetCtx", {"coin": subscription.coin, "ctx": frames.context(coin.ctx)}

    def _post(self, client: Client, message: subs.Post, now_s: float, now_ms: int) -> dict[str, Any]:
        return {"id": message.id, "response": self._post_response(client, message, now_s, now_ms)}

    def _post_response(self, client: Client, message: subs.Post, now_s: float, now_ms: int) -> dict[str, Any]:
        if message.request.type != "info":
            return {"type": "error", "payload": "404 Not Found: this venue takes no actions"}
        try:
            request = info.decode(bytes(message.request.payload))
        except info.Malformed as error:
            return {"type": "error", "payload": f"422 Unprocessable Entity: {error}"}
        data = self.ask(client.limits, request, now_s, now_ms)
        if data is OVER_LIMIT:
            return {"type": "error", "payload": "429 Too Many Requests"}
        return {"type": "info", "payload": {"type": request.__struct_config__.tag, "data": data}}

    def ask(self, limits: IpLimits, request: info.AnyRequest, now_s: float, now_ms: int) -> Any:
        """The answer to an info request, or `OVER_LIMIT`."""
        if self._limited and not limits.weight.take(now_s, weight(request)):
            return OVER_LIMIT
        data = info.answer(self.state, now_ms, request)
        if self._limited and isinstance(data, list):
            limits.weight.charge(now_s, weight_of_answer(request, len(data)))
        return data

    # ---- accounts --------------------------------------------------------------------------------------------

    def note(self, fact: AnyFact) -> None:
        """Something happened in the block; whoever may hear of it does at `flush`."""
        raise NotImplementedError

    def flush(self, now_ms: int) -> None:
        """The block is over: one frame for each user and channel that has news, in the order of the facts."""
        raise NotImplementedError

    def answer_post(self, client: Client, post_id: int, kind: Literal["action", "error"], payload: Any) -> None:
        """Answer a submitted post: the reply of `/exchange`, or a text such as `429 Too Many Requests`."""
        raise NotImplementedError

    def lose_post(self, client: Client) -> None:
        """A submitted post will never be answered; it is in flight no longer."""
        raise NotImplementedError

    # ---- frames ----------------------------------------------------------------------------------------------

    def publish(self, event: MarketEvent) -> None:
        """One event to everybody who subscribed to it; nothing is encoded for nobody."""
        if isinstance(event, L2Book):
            for subscription in self._books.get((event.coin, event.fast), ()):
                data = book_data(event, subscription.nSigFigs, subscription.mantissa)
                self._fan_out(subscription, "l2Book", data)
            return
        key: subs.AnySubscription
        if isinstance(event, tuple):
            key = subs.TradesSub(event[0].coin)
        elif isinstance(event, Bbo):
            key = subs.BboSub(event.coin)
        else:
            key = subs.AssetCtxSub(event.coin)
        if key in self._by_subscription:
            self._fan_out(key, *frames.payload(event))

    def publish_mids(self) -> None:
        for subscription in list(self._by_subscription):
            if isinstance(subscription, subs.AllMidsSub):
                self._fan_out(subscription, "allMids", self._mids(subscription))

    def _mids(self, subscription: subs.AllMidsSub) -> dict[str, Any]:
        if subscription.dex is None:
            return {"mids": info.mids(self.state)}
        return {"mids": {} if subscription.dex else info.mids(self.state), "dex": subscription.dex}

    def _fan_out(self, subscription: subs.AnySubscription, channel: str, data: Any) -> None:
        frame = frames.frame(channel, data)
        for client in self._by_subscription[subscription]:
            if client.closing:
                continue
            if len(client.queue) >= QUEUE_FRAMES:
                self.dropped_slow += 1
                client.close()
                continue
            client.send(frame, channel, getattr(subscription, "coin", ""))
            self.frames += 1
