"""Nonces: each signer's highest 100 are remembered (reference page §5.4)."""

from bisect import bisect_left, insort

KEPT = 100
DAY_MS = 86_400_000
OLDEST_MS = 2 * DAY_MS
NEWEST_MS = DAY_MS


class Nonces:
    """Which nonces may still be used. A nonce is a time in milliseconds, near the block's."""

    def __init__(self) -> None:
        self._used: dict[str, list[int]] = {}

    def refusal(self, signer: str, nonce: int, now_ms: int) -> str | None:
        """The venue's text, or None when the nonce is good."""
        used = self._used.get(signer, [])
        at = bisect_left(used, nonce)
        if at < len(used) and used[at] == nonce:
            return f"Invalid nonce: duplicate nonce {nonce}"
        lowest = max(now_ms - OLDEST_MS, used[0] if len(used) >= KEPT else 0)
        if nonce <= lowest:
            return f"Invalid nonce: nonce too low {nonce} < {lowest}"
        if nonce >= now_ms + NEWEST_MS:
            return f"Invalid nonce: nonce too high {nonce} > {now_ms + NEWEST_MS}"
        return None

    def use(self, signer: str, nonce: int) -> None:
        """Remember a nonce that `refusal` let pass."""
        used = self._used.setdefault(signer, [])
        insort(used, nonce)
        if len(used) > KEPT:
            del used[0]
