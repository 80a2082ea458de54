"""How long something takes."""

from collections.abc import Callable

from shared.clock import monotonic_s


def timed(action: Callable[[], object], seconds: float = 1.0) -> float:
    """Seconds per call, repeated for about `seconds`."""
    action()
    begun, calls = monotonic_s(), 0
    while (spent := monotonic_s() - begun) < seconds:
        action()
        calls += 1
    return spent / calls
