"""Nonces of one signer."""

import re

_TOO_LOW = re.compile(r"nonce too low \d+ < (\d+)", re.IGNORECASE)
_TOO_HIGH = re.compile(r"nonce too high \d+ > (\d+)", re.IGNORECASE)


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
        """The clock was set: back before this process began, so that one before it was further, or by days ahead
        and back while it ran. Go on from where the venue says; it has taken nothing beyond its highest. Otherwise
        not even a cancel would get through until the clock is there again."""
        if found := _TOO_LOW.search(text):
            self.last = max(self.last, int(found[1]))
        elif found := _TOO_HIGH.search(text):
            self.last = min(self.last, int(found[1]))
