"""A recording as CSV files in our layout, as often as a measurement needs it."""

from pathlib import Path

from analysis.importing import import_recording


def write_csvs(recording: Path, data_dir: Path, copies: int = 1) -> None:
    """The recording's coins, and the same again under other names, so that start-up is not what is measured."""
    import_recording(recording, data_dir)
    for path in list(data_dir.rglob("*.csv")):
        coin = path.parent.name
        for number in range(1, copies):
            twin = path.parents[1] / f"{coin}{number}" / path.name
            twin.parent.mkdir(parents=True, exist_ok=True)
            twin.write_text(path.read_text().replace(f",{coin},", f",{coin}{number},"))
