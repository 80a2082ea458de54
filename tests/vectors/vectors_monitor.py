"""Known answers of the monitor's estimates: names of the reference vectors to the project's own functions."""

from collections.abc import Callable
from typing import Any

from services.monitor.estimators import volatility_regime


def _regime(ratios: list[float]) -> dict[str, Any]:
    answer = [0]
    for ratio in ratios:
        answer.append(volatility_regime(ratio, answer[-1]))
    return {"regime": answer[1:]}


FUNCTIONS: dict[str, Callable[..., dict[str, Any]]] = {"vol.regime": _regime}
