"""When each rule of the guard last proved itself in a drill: `data/state/rule_proofs.json`, `{rule: Unix ms}`.

Written by the drill, read by `status` and the monitor. A file that cannot be read proves nothing.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

FILE = Path("state") / "rule_proofs.json"
"""In the data folder."""


def read_proofs(data_dir: Path) -> dict[str, int]:
    """Rule -> Unix ms of its last proof; empty before the first drill."""
    try:
        return msgspec.json.decode((data_dir / FILE).read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}


def add_proofs(data_dir: Path, proofs: Mapping[str, int]) -> None:
    """Beside what is known already; replaced in one step."""
    file = data_dir / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(read_proofs(data_dir) | dict(proofs)), indent=1))
    fresh.replace(file)
