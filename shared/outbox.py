"""Nothing that counts is lost when Redis goes away, and nothing is written twice when it comes back.

A failed write may have happened in part, and a killed Redis forgets up to the last second of what it took.
So messages that count are remembered for a while; after an interruption the tail of each stream is compared
with them, and only what is missing there is written again, in order.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from shared.bus import Bus, key_of
from shared.messages import HaltState, Message
from shared.streams import FEED, STATUS, STREAM_OF, field_of

REMEMBER_MS = 5_000
LIMIT = 50_000
_TAIL = 1_000


def counts(message: Message) -> bool:
    """Must this message survive an interruption? Health reports and conflated streams are superseded anyway."""
    stream = STREAM_OF[type(message)]
    return stream.policy in ("every", "hash", "key") and stream not in (STATUS, FEED)


class Outbox:
    """The messages that count of the last seconds, and all since the bus was lost."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, Message]] = deque()
        self.dropped = 0
        """Messages given up because an interruption outlasted the memory for it."""

    def remember(self, now_ms: float, messages: Iterable[Message], bus_up: bool) -> None:
        self._recent.extend((now_ms, message) for message in messages if counts(message))
        while bus_up and self._recent and self._recent[0][0] < now_ms - REMEMBER_MS:
            self._recent.popleft()
        while len(self._recent) > LIMIT:
            self._recent.popleft()
            self.dropped += 1

    async def replay(self, bus: Bus) -> int:
        """Write what the bus does not hold; returns how many messages that were.

        Raises:
            BusError: still away; everything is kept for the next try.
        """
        missing = []
        newest_of_state: dict[tuple[str, bytes], Message] = {}
        present: dict[str, set[bytes]] = {}
        for _, message in self._recent:
            stream, key = STREAM_OF[type(message)], key_of(message)
            if stream.policy in ("hash", "key"):
                newest_of_state[key, field_of(message)] = message
                continue
            if key not in present:
                coins = [getattr(message, "coin", "")]
                tail = await bus.stored(stream, coins, last=_TAIL)
                present[key] = {msgspec.json.encode(entry) for entry in tail}
            if msgspec.json.encode(message) not in present[key]:
                missing.append(message)
        states = [message for message in newest_of_state.values() if not isinstance(message, HaltState)]
        halts = [
            message for message in newest_of_state.values() if isinstance(message, HaltState) and message.halted
        ]
        await bus.publish([*missing, *states, *halts])
        return len(missing)
