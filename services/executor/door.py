"""The executor's one outside door: closed in shadow, live the way to the venue."""

from collections.abc import Sequence
from typing import Any

from services.executor.config import ExecutorConfig
from shared.errors import InvariantError
from shared.service import Door, Port


def open_door(config: ExecutorConfig, _: Any) -> Door:
    """The door that belongs to the mode. A shadow process is spared the memory of what only live needs.

    Raises:
        ConfigError: live, and the key or the account is not as it should be.
    """
    if config.shadow_mode:
        return ClosedDoor()
    from services.executor.live.door import VenueDoor
    from shared.secrets import EXECUTOR_KEY, read_credentials

    return VenueDoor(config, read_credentials(EXECUTOR_KEY))


class ClosedDoor:
    """Nothing leaves."""

    async def run(self, port: Port) -> None:
        return None

    async def apply(self, effects: Sequence[Any]) -> Sequence[Any]:
        raise InvariantError(f"{type(effects[0]).__name__} would leave, and this is shadow mode")
