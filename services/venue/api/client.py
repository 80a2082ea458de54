"""One websocket connection as the hub sees it."""

import asyncio
from collections import deque
from collections.abc import Callable

from services.venue.api import subscriptions as subs
from services.venue.api.limits import IpLimits

QUEUE_FRAMES = 4096
"""A client that lets so many frames pile up is dropped; at 30 coins that is about ten seconds."""


class Client:
    """What a connection wants, and what waits for it."""

    def __init__(self, limits: IpLimits, now_s: float, number: int = 1) -> None:
        """`number` counts up from 1 over all connections of the venue's life."""
        self.limits = limits
        self.number = number
        self.filter: Callable[[Client, bytes, str, str], None] | None = None
        """Stands between the venue and this client: gets (client, frame, channel, coin_or_user) instead of the
        queue, and calls `deliver` for what shall arrive, when it shall, in the order it shall."""
        self.subscriptions: set[subs.AnySubscription] = set()
        self.queue: deque[bytes] = deque()
        self.last_sent_s = now_s
        self.closing = False
        self.wake = asyncio.Event()

    @property
    def users(self) -> set[str]:
        """Lower-case addresses that it follows."""
        return {item.user for item in self.subscriptions if isinstance(item, subs.UserSubscription)}

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
