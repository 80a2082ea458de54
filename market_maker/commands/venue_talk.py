"""What the commands to a running venue share: options, and how its answers are shown."""

import json
import re
from typing import Annotated, Any

import typer

from shared.errors import ConfigError

IN_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}

Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=1, max=65535, help="Port of the venue on this machine (default MM_VENUE_PORT, 3001)."
    ),
]
OnlyCoin = Annotated[str | None, typer.Option("--coin", help="Only this coin.")]
For = Annotated[str | None, typer.Option("--for", help="How long: 500ms, 5s, 2m. Default: until it is cleared.")]


def replied(reply: Any, as_json: bool) -> int:
    """The venue's own answer to an action; 1 when it refused."""
    if as_json:
        print(json.dumps(reply, indent=1))
    else:
        print(json.dumps(reply["response"] if reply["status"] == "err" else reply["response"]["data"]["statuses"]))
    return 0 if done(reply) else 1


def done(reply: Any) -> bool:
    """Has the venue refused nothing of an action?"""
    return reply["status"] == "ok" and '"error"' not in json.dumps(reply)


def show(answer: Any, as_json: bool, lines: list[str]) -> int:
    print(json.dumps(answer, indent=1) if as_json else "\n".join(lines))
    return 0


def given_only(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|)", text)
    if found is None:
        raise ConfigError(f"--for is {text!r}; it is a duration such as 500ms, 5s or 2m")
    return float(found[1]) * IN_SECONDS[found[2]]
