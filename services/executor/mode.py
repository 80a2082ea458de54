"""Core and door of the executor, as the mode asks for them. A shadow process is spared the memory that only live
needs."""

from collections.abc import Sequence
from typing import Any

from services.executor.config import ExecutorConfig
from services.executor.core import Executor
from services.executor.reports import EndProcess
from services.executor.side import ShadowSide
from shared import confirmation
from shared.errors import InvariantError, KillSwitch
from shared.service import Door, Port, Restorable


def build_core(config: ExecutorConfig) -> Restorable:
    """
    Raises:
        ConfigError: live, and nobody has confirmed that, or no account is named.
    """
    if config.mode == "shadow":
        return Executor(config, lambda desks, books: ShadowSide(config, desks, books))
    confirmation.read(config.confirmation_dir)  # who never confirmed hears of that, and not of keys
    from services.executor.live.core import LiveExecutor
    from shared.secrets import read_address

    return LiveExecutor(config, read_address())


def open_door(config: ExecutorConfig, _: Any) -> Door:
    """Closed in shadow, live the way to the venue.

    Raises:
        ConfigError: live, and the key or the account is not as it should be, or nobody has confirmed it.
    """
    if config.mode == "shadow":
        return ClosedDoor()
    from services.executor.live.door import VenueDoor
    from services.executor.live.permit import take_permit
    from shared.private_files import keep_memory_private
    from shared.secrets import EXECUTOR_KEY, read_credentials

    keep_memory_private()
    credentials = read_credentials(EXECUTOR_KEY)
    return VenueDoor(config, credentials, take_permit(config, credentials))


class ClosedDoor:
    """Nothing leaves."""

    async def run(self, port: Port) -> None:
        return None

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        """
        Raises:
            KillSwitch: the core has come to its end.
            InvariantError: anything else.
        """
        for effect in effects:
            if isinstance(effect, EndProcess):
                raise KillSwitch(effect.reason)
        raise InvariantError(f"{type(effects[0]).__name__} would leave, and this is shadow mode")
