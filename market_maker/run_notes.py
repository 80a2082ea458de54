"""When each run began and ended, under which settings and code: lines of the incidents file."""

from pathlib import Path

from market_maker.deployment import Deployment, Record
from market_maker.options import Checked
from market_maker.redis_server import PROJECT
from services import trading_settings
from shared import incidents
from shared.clock import wall_ms
from shared.config import load_assets
from shared.confirmation import code_version, configuration_hash
from shared.incidents import Incident


def data_dir(checked: Checked, deployment: Deployment) -> Path:
    """Where the run's data goes: containers have the project's own folder."""
    return PROJECT / "data" if deployment == "docker" else checked.launcher.data_dir.resolve()


def note_start(checked: Checked, record: Record) -> str | None:
    """To be called when the data folder is the venue's; returns a line to show if it cannot be written."""
    named = checked.launcher.coins
    fields = {
        "venue": record.venue,
        "mode": record.mode,
        "configuration": configuration_hash(trading_settings(), load_assets()),
        "code": code_version(),
        **({"coins": list(named)} if named else {"top_n": checked.launcher.top_n}),
    }
    started = Incident(time_ms=record.started_ms, kind="start", run_id=record.run_id, fields=fields)
    return _append(Path(record.data_dir), started)


def note_stop(record: Record) -> str | None:
    stopped = Incident(time_ms=int(wall_ms()), kind="stop", run_id=record.run_id)
    return _append(Path(record.data_dir), stopped)


def _append(folder: Path, incident: Incident) -> str | None:
    try:
        incidents.append(folder, incident)
    except OSError as error:
        return (
            f"{folder / incidents.FILE} cannot be written ({error.strerror or error}): the {incident.kind} of this"
            " run is not on record, and `market_maker gates` will not count it"
        )
    return None
