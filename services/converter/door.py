"""The converter's door: the conversion as a child process, so that this one stays small and answers signals."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence

import msgspec

from services.converter.config import ConverterConfig
from services.converter.core import Broken, Convert, Converter, Finished
from shared.service import Port

OK, NOTHING = 0, 2
LONGEST_S = 4 * 3600
STOP_S = 5


class ChildDoor:
    """Starts what the core asks for and tells it the result."""

    def __init__(
        self, config: ConverterConfig, core: Converter, module: str = "services.converter.convert"
    ) -> None:
        self._command = [sys.executable, "-m", module, "--json", "--background"]
        self._command += ["--data", str(config.data_dir), "--retention-days", str(config.csv_retention_days)]
        self._wanted: asyncio.Queue[Convert] = asyncio.Queue()

    async def run(self, port: Port) -> None:
        while True:
            await self._wanted.get()
            await port.handle(await self._convert())

    async def apply(self, effects: Sequence[Convert]) -> Sequence[object]:
        """Returns at once: a conversion takes minutes."""
        for effect in effects:
            self._wanted.put_nowait(effect)
        return ()

    async def _convert(self) -> Finished | Broken:
        try:
            child = await asyncio.create_subprocess_exec(*self._command, stdout=PIPE, stderr=PIPE)
        except OSError as error:
            return Broken(f"cannot start {self._command[0]}: {error}")
        try:
            async with asyncio.timeout(LONGEST_S):
                out, err = await child.communicate()
        except TimeoutError:
            return Broken(f"stopped after {LONGEST_S // 3600} hours without an end")
        finally:
            await _end(child)
        if child.returncode not in (OK, NOTHING):
            lines = err.decode(errors="replace").strip().splitlines()
            more = f" (and {len(lines) - 1} more lines)" if len(lines) > 1 else ""
            reason = lines[0].removeprefix("error: ") + more if lines else "no message"
            return Broken(f"{reason} [exit code {child.returncode}]")
        try:
            return msgspec.convert(msgspec.json.decode(out), Finished)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            return Broken(f"unreadable summary: {error}")


async def _end(child: asyncio.subprocess.Process) -> None:
    """No child outlives us; it may be killed at any point without harm."""
    if child.returncode is not None:
        return
    child.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
