"""What came out: each repetition, and the table of them."""

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, once."""

    fault: str
    repetition: int
    began_ms: int
    what: str
    """What was done, in words."""
    safe_after_s: float | None
    """From the fault's beginning until the account was safe for good; None: it never was."""
    failures: tuple[str, ...] = ()
    logs: str = ""
    """Folder with everything that was written meanwhile; kept when something failed."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """All repetitions of a fault."""

    fault: str
    about: str
    runs: int
    failed: int
    p50_s: float | None
    max_s: float | None
    bound_s: float
    """Allowed from the end of the fault on."""


def row(fault: str, about: str, bound_s: float, results: Sequence[Result]) -> Row:
    times = [result.safe_after_s for result in results if result.safe_after_s is not None]
    return Row(
        fault=fault,
        about=about,
        runs=len(results),
        failed=sum(bool(result.failures) for result in results),
        p50_s=round(median(times), 2) if times else None,
        max_s=round(max(times), 2) if times else None,
        bound_s=bound_s,
    )


def failed(results: Iterable[Result]) -> list[Result]:
    return [result for result in results if result.failures]
