"""The shapes in which `/exchange` answers. Business errors are HTTP 200 like everything else."""

from collections.abc import Iterable
from typing import Any

DONE: dict[str, Any] = {"status": "ok", "response": {"type": "default"}}


def err(text: str) -> dict[str, Any]:
    """The whole request is refused."""
    return {"status": "err", "response": text}


def statuses(kind: str, items: Iterable[Any]) -> dict[str, Any]:
    """`kind` is `order` or `cancel`; one status an order, except where one error stands for the whole batch."""
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": list(items)}}}


def order_error(text: str, asset: int) -> dict[str, str]:
    """An order-level error; the venue adds the asset to its text."""
    return {"error": f"{text} asset={asset}"}
