"""Scenarios: short TOML files that say which fault starts when.

    [[at]]
    s = 5.0
    fault = "drop"
    user = "0x…"
    for_s = 2

The other fields of a step are those of its kind (see `kinds`).
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import msgspec.inspect

from services.venue.faults.faults import Step
from services.venue.faults.kinds import KINDS, AnyFault
from shared.errors import ConfigError

LONGEST_S = 604_800
_TABLE = re.compile(r"\s*\[\[\s*at\s*\]\]")


class BadFault(ValueError):
    """Not a fault; `field` is to blame, if one is."""

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


Names = Mapping[str, Collection[str]]
"""What the fields `coin`, `channel` and `action` may name; what is not in here is not looked at."""


def fault_of(fields: Mapping[str, Any], names: Names = MappingProxyType({})) -> AnyFault:
    """
    Raises:
        BadFault: saying what would be right.
    """
    kind = fields.get("fault")
    if not isinstance(kind, str) or kind not in KINDS:
        wrong = f"unknown fault {kind!r}{_meant(str(kind), KINDS)}" if "fault" in fields else "no fault named"
        raise BadFault(f"{wrong}; there are {', '.join(KINDS)}", "fault")
    known = KINDS[kind].__struct_fields__
    for name in fields:
        if name != "fault" and name not in known:
            raise BadFault(f"{kind} has no field {name}{_meant(name, known)}; it has {', '.join(known)}", name)
    try:
        fault: AnyFault = msgspec.convert(dict(fields), AnyFault)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        field = path.rstrip("`") or None
        raise BadFault(f"{kind}{f' {field}' if field else ''}: {reason}{_choices(kind, field)}", field) from error
    for name, there in names.items():
        given = getattr(fault, name, None)
        if given is not None and given not in there:
            raise BadFault(f"no {name} {given!r}{_meant(given, there)}; there are {', '.join(there)}", name)
    return fault


def _choices(kind: str, name: str | None) -> str:
    """The values of a field that has only some."""
    fields = msgspec.inspect.type_info(KINDS[kind])
    assert isinstance(fields, msgspec.inspect.StructType)
    for field in fields.fields:
        if field.encode_name == name:
            types = field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,)
            literal = next((each for each in types if isinstance(each, msgspec.inspect.LiteralType)), None)
            return f"; it is {' or '.join(map(str, literal.values))}" if literal else ""
    return ""


def steps_of(tables: Any, names: Names = MappingProxyType({})) -> tuple[Step, ...]:
    """The steps of a parsed scenario, earliest first.

    Raises:
        BadStep: which step, and what would be right.
    """
    if not isinstance(tables, dict) or set(tables) != {"at"} or not isinstance(tables["at"], list):
        raise BadStep("a scenario is a list of steps [[at]] and nothing else", None)
    steps = [_step(position, table, names) for position, table in enumerate(tables["at"], 1)]
    return tuple(sorted(steps, key=lambda step: step.s))


class BadStep(ValueError):
    """One step is wrong; `position` counts from 1."""

    def __init__(self, text: str, position: int | None, field: str | None = None) -> None:
        super().__init__(text if position is None else f"step {position}: {text}")
        self.position, self.field = position, field


def _step(position: int, table: Any, names: Names) -> Step:
    if not isinstance(table, dict):
        raise BadStep("a step is a table of fields", position)
    s = table.get("s")
    if isinstance(s, bool) or not isinstance(s, int | float) or not 0 <= s <= LONGEST_S:
        given = "is missing" if s is None else f"is {s!r}"
        raise BadStep(f"s {given}; it is the time in seconds after the start, 0 to {LONGEST_S}", position, "s")
    try:
        return Step(float(s), fault_of({name: value for name, value in table.items() if name != "s"}, names))
    except BadFault as error:
        raise BadStep(str(error), position, error.field) from error


def load(path: Path, names: Names = MappingProxyType({})) -> tuple[Step, ...]:
    """
    Raises:
        ConfigError: naming the file, the line and what would be right.
    """
    try:
        text = path.read_text()
        return steps_of(tomllib.loads(text), names)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"scenario {path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"scenario {path}: not TOML: {error}") from error
    except BadStep as error:
        line = _line(text, error.position, error.field)
        raise ConfigError(f"scenario {path}{f' line {line}' if line else ''}: {error}") from error


def _line(text: str, position: int | None, field: str | None) -> int | None:
    """Where a step, or a field of it, stands; None where the file is laid out in another way."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if _TABLE.match(line)]
    if position is None or position > len(starts):
        return None
    begin, end = starts[position - 1], starts[position] if position < len(starts) else len(lines)
    named = (number for number in range(begin, end) if re.match(rf"\s*{field}\s*=", lines[number]))
    return next(named, begin) + 1


def _meant(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
