"""The converter's door: conversion and analysis as child processes, so that this one stays small and answers
signals; and the look at the disk."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence

import msgspec

from services.converter.budget import look
from services.converter.config import ConverterConfig
from services.converter.core import (
    Analyze,
    Analyzed,
    Broken,
    Command,
    Convert,
    Converter,
    Finished,
    Look,
    NotAnalyzed,
)
from shared.clock import wall_ms
from shared.service import Port

OK, NOTHING = 0, 2
LONGEST_S = 4 * 3600
STOP_S = 5


class _Failed(Exception):
    """A child did not do what it was for; its first line."""


class ChildDoor:
    """Starts what the core asks for, one after the other, and tells it the results."""

    def __init__(
        self,
        config: ConverterConfig,
        core: Converter,
        module: str = "services.converter.convert",
        analysis: str = "analysis.nightly",
    ) -> None:
        data = ["--data", str(config.data_dir)]
        self._config = config
        self._convert_command = [sys.executable, "-m", module, "--json", "--background", *data]
        self._convert_command += ["--retention-days", str(config.csv_retention_days)]
        self._convert_command += ["--parquet-retention-days", str(config.parquet_retention_days)]
        self._analyze_command = [sys.executable, "-m", analysis, *data]
        self._wanted: asyncio.Queue[Convert | Analyze] = asyncio.Queue()

    async def run(self, port: Port) -> None:
        while True:
            match await self._wanted.get():
                case Convert():
                    await port.handle(await self._convert())
                case Analyze():
                    await port.handle(await self._analyze())

    async def apply(self, effects: Sequence[Command]) -> Sequence[object]:
        """Returns at once for what takes minutes."""
        results: list[object] = []
        for effect in effects:
            if isinstance(effect, Look):
                results += await self._look()
            else:
                self._wanted.put_nowait(effect)
        return tuple(results)

    async def _look(self) -> list[object]:
        try:
            return [await asyncio.to_thread(look, self._config.data_dir, self._config, wall_ms())]
        except OSError:
            return []  # files come and go; the next look is in an hour, and a lasting fault stops the conversion

    async def _convert(self) -> Finished | Broken:
        try:
            return msgspec.convert(await _result_of(self._convert_command), Finished)
        except _Failed as error:
            return Broken(str(error))
        except msgspec.ValidationError as error:
            return Broken(f"unreadable summary: {error}")

    async def _analyze(self) -> Analyzed | NotAnalyzed:
        try:
            return msgspec.convert(await _result_of(self._analyze_command), Analyzed)
        except _Failed as error:
            return NotAnalyzed(str(error))
        except msgspec.ValidationError as error:
            return NotAnalyzed(f"unreadable summary: {error}")


async def _result_of(command: Sequence[str]) -> object:
    """What the last line of a child's output says, as JSON.

    Raises:
        _Failed: it did not end well.
    """
    try:
        child = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    except OSError as error:
        raise _Failed(f"cannot start {command[0]}: {error}") from error
    try:
        async with asyncio.timeout(LONGEST_S):
            out, err = await child.communicate()
    except TimeoutError as error:
        raise _Failed(f"stopped after {LONGEST_S // 3600} hours without an end") from error
    finally:
        await _end(child)
    if child.returncode not in (OK, NOTHING):
        lines = err.decode(errors="replace").strip().splitlines()
        more = f" (and {len(lines) - 1} more lines)" if len(lines) > 1 else ""
        reason = lines[0].removeprefix("error: ") + more if lines else "no message"
        raise _Failed(f"{reason} [exit code {child.returncode}]")
    try:
        return msgspec.json.decode((out.splitlines() or [b""])[-1])
    except msgspec.DecodeError as error:
        raise _Failed(f"unreadable summary: {error}") from error


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
