"""What a websocket client may send, as structs, and the venue's words for what it may not."""

from typing import Any

import msgspec

from services.venue.api.aggregate import valid
from services.venue.api.state import MarketState


class Subscription(msgspec.Struct, frozen=True, tag_field="type"):
    """Base; equal subscriptions are one, so the struct itself is the key of the fan-out."""


class L2BookSub(Subscription, frozen=True, tag="l2Book"):
    coin: str
    nSigFigs: int | None = None  # noqa: N815
    mantissa: int | None = None
    fast: bool = False


class BboSub(Subscription, frozen=True, tag="bbo"):
    coin: str


class TradesSub(Subscription, frozen=True, tag="trades"):
    coin: str


class AssetCtxSub(Subscription, frozen=True, tag="activeAssetCtx"):
    coin: str


class AllMidsSub(Subscription, frozen=True, tag="allMids"):
    dex: str | None = None


AnySubscription = L2BookSub | BboSub | TradesSub | AssetCtxSub | AllMidsSub


class ClientMessage(msgspec.Struct, frozen=True, tag_field="method"):
    """Base of all client frames."""


class Ping(ClientMessage, frozen=True, tag="ping"):
    pass


class Subscribe(ClientMessage, frozen=True, tag="subscribe"):
    subscription: msgspec.Raw


class Unsubscribe(ClientMessage, frozen=True, tag="unsubscribe"):
    subscription: msgspec.Raw


class PostRequest(msgspec.Struct, frozen=True):
    type: str
    payload: msgspec.Raw


class Post(ClientMessage, frozen=True, tag="post"):
    id: int
    request: PostRequest


AnyMessage = Ping | Subscribe | Unsubscribe | Post
_MESSAGES: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)
_SUBSCRIPTIONS: msgspec.json.Decoder[AnySubscription] = msgspec.json.Decoder(AnySubscription)


class Refused(Exception):
    """Text of the error frame that answers a client frame."""


def parse_message(raw: str | bytes) -> AnyMessage:
    """The request in a client frame.

    Raises:
        Refused: not a websocket request.
    """
    try:
        return _MESSAGES.decode(raw)
    except (msgspec.DecodeError, UnicodeError) as error:
        text = raw if isinstance(raw, str) else raw.decode(errors="replace")
        raise Refused(f"Error parsing JSON into valid websocket request: {text}") from error


def parse_subscription(raw: bytes | msgspec.Raw, state: MarketState) -> AnySubscription:
    """The subscription inside a request.

    Raises:
        Refused: unknown type, a field missing or wrong.
        UnknownCoin: the coin is not listed.
    """
    text = bytes(raw).decode(errors="replace")
    try:
        subscription = _SUBSCRIPTIONS.decode(raw)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Refused(f"Invalid subscription {text}") from error
    if isinstance(subscription, AllMidsSub):
        return subscription
    if isinstance(subscription, L2BookSub) and not valid(subscription.nSigFigs, subscription.mantissa):
        raise Refused(f"Invalid subscription {text}")
    if subscription.coin not in state.coins:
        raise UnknownCoin(f"Invalid subscription {text}")
    return subscription


class UnknownCoin(Refused):
    """Reports differ on what the venue does: an error frame, or the socket dropped without a word."""


def echo(subscription: AnySubscription) -> dict[str, Any]:
    """The subscription as the venue repeats it, optional fields with their defaults (`dex` only when given)."""
    fields: dict[str, Any] = msgspec.to_builtins(subscription)
    if isinstance(subscription, AllMidsSub) and subscription.dex is None:
        del fields["dex"]
    return fields
