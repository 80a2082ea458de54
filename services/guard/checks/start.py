"""Live: does everybody who decides belong to the start that a person has confirmed?"""

from typing import Any

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import SILENT_MS, Heartbeat, Reason

DECIDING = ("screener", "quoter", "executor")


class OtherStart:
    """How many beside us are of another start than we are. One that was started anew by hand, beside a live run,
    decides by settings that nobody has confirmed. It may be ourselves: a guard in shadow mode would not even hear
    of the fills of a live executor. Where all trade in shadow, it does no harm."""

    rule = Rule(
        name="other_start",
        about="services of another start (live)",
        scope="all",
        level="pull",
        reason=Reason.OTHER_START,
        unit="services",
        limit="",
    )

    def __init__(self, config: GuardConfig) -> None:
        self._live, self._run_id = config.mode == "live", config.run_id
        self._beats: dict[str, Heartbeat] = {}

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Heartbeat) and msg.service in DECIDING:
            self._beats[msg.service] = msg

    def read(self, now_ms: int) -> Reading:
        beats = [beat for beat in self._beats.values() if now_ms - beat.time_ms <= SILENT_MS]
        if not (self._live or any(beat.mode == "live" for beat in beats)):
            return Reading(None, 1)
        others = sorted(beat.service for beat in beats if beat.run_id != self._run_id)
        return Reading(len(others), 1, fired=bool(others), detail=", ".join(others))
