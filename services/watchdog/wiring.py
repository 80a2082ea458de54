"""What the watchdog's core tells its door, and what the door answers.

One effect at a time is under way. Each but `GiveUp` ends in exactly one answer: its own, or `Unanswered`.
"""

from dataclasses import dataclass

from shared.hyperliquid.account import OpenOrder, UserRole
from shared.hyperliquid.actions import CancelByCloid
from shared.hyperliquid.replies import Outcome

# ---- effects -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckKey:
    """Whose key do we hold?"""


@dataclass(frozen=True, slots=True)
class LoadAssets:
    """By which numbers does the venue call its coins?"""


@dataclass(frozen=True, slots=True)
class Look:
    """Which orders rest on the account?"""


@dataclass(frozen=True, slots=True)
class CancelOrders:
    """Send all of these at the same time."""

    requests: tuple[CancelByCloid, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Let the venue cancel every order of the account at `time_ms`; None: not any more."""

    time_ms: int | None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the service: it cannot do what it is for."""

    reason: str


Question = CheckKey | LoadAssets | Look
Effect = Question | CancelOrders | Schedule | GiveUp

# ---- inputs --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyChecked:
    role: UserRole


@dataclass(frozen=True, slots=True)
class AssetsLoaded:
    """Asset by coin."""

    ids: dict[str, int]


@dataclass(frozen=True, slots=True)
class Looked:
    """Everything that rests, whoever placed it."""

    orders: tuple[OpenOrder, ...]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of each request of a `CancelOrders`."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What became of a `Schedule`."""

    time_ms: int | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The venue did not answer a question, or with something else."""

    question: Question
    reason: str


Answer = KeyChecked | AssetsLoaded | Looked | Cancelled | Scheduled | Unanswered
