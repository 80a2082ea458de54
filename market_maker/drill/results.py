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
    times_s: tuple[float, ...] = ()
    """Of each repetition that became safe."""


def row(fault: str, about: str, bound_s: float, results: Sequence[Result]) -> Row:
    times = [result.safe_after_s for result in results if result.safe_after_s is not None]
    return _row(fault, about, bound_s, len(results), len(failed(results)), times)


def _row(fault: str, about: str, bound_s: float, runs: int, failures: int, times: Sequence[float]) -> Row:
    return Row(
        fault=fault,
        about=about,
        runs=runs,
        failed=failures,
        p50_s=round(median(times), 2) if times else None,
        max_s=round(max(times), 2) if times else None,
        bound_s=bound_s,
        times_s=tuple(round(time_s, 3) for time_s in times),
    )


def joined(one: Row, other: Row) -> Row:
    """Repetitions of one fault from two drills."""
    return _row(
        one.fault, one.about, one.bound_s, one.runs + other.runs, one.failed + other.failed,
        (*one.times_s, *other.times_s),
    )  # fmt: skip


def failed(results: Iterable[Result]) -> list[Result]:
    return [result for result in results if result.failures]
