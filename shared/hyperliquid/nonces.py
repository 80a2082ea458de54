"""Nonces of one signer."""

import re

_TOO_LOW = re.compile(r"nonce too low \d+ < (\d+)", re.IGNORECASE)


class NonceCounter:
    """The venue takes a nonce once, and none far from its own time (reference page §5.4): milliseconds of the wall
    clock, moved on where two requests share one. A signer belongs to one counter of one process. After a restart
    it goes on from `last`, so that a clock set back never repeats a nonce."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self, now_ms: float) -> int:
        self.last = max(int(now_ms), self.last + 1)
        return self.last

    def refused(self, text: str) -> None:
        """A process before this one was further, because the clock has been set back: go on from where the venue
        says. Otherwise not even a cancel would get through until the clock is there again."""
        found = _TOO_LOW.search(text)
        if found:
            self.last = max(self.last, int(found[1]))
