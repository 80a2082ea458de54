"""Nonces of one signer."""


class NonceCounter:
    """The venue takes a nonce once, and none far from its own time (reference page §5.4): milliseconds of the wall
    clock, moved on where two requests share one. A signer belongs to one counter of one process. After a restart
    it goes on from `last`, so that a clock set back never repeats a nonce."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self, now_ms: float) -> int:
        self.last = max(int(now_ms), self.last + 1)
        return self.last
