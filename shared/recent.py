"""Memory for ids, so that what is delivered twice counts once."""

from collections import deque
from collections.abc import Hashable


class Recent:
    """The newest `capacity` keys, each step in constant time."""

    __slots__ = ("_capacity", "_known", "_order")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._known: set[Hashable] = set()
        self._order: deque[Hashable] = deque()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._known

    def add(self, key: Hashable) -> bool:
        """Remember a key; False when it was known."""
        if key in self._known:
            return False
        self._known.add(key)
        self._order.append(key)
        if len(self._order) > self._capacity:
            self._known.discard(self._order.popleft())
        return True
