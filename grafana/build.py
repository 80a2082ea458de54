"""`python -m grafana.build` writes the dashboards as JSON, which Grafana reads at start; a test compares them."""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import coin, gates, grid, latency, live, risk, stack

FOLDER = Path(__file__).parent / "dashboards"
BOARDS = {
    "grid.json": grid.build,
    "coin.json": coin.build,
    "risk.json": risk.build,
    "live.json": live.build,
    "latency.json": latency.build,
    "stack.json": stack.build,
    "data.json": gates.build,
}


def render(name: str) -> str:
    """The file of one dashboard; every panel gets a number in reading order."""
    model = BOARDS[name]().build()
    for number, panel in enumerate(model.panels or [], start=1):
        panel.id_val = number
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(model) + "\n"


def main() -> None:
    for name in BOARDS:
        (FOLDER / name).write_text(render(name))
        print(FOLDER / name)


if __name__ == "__main__":
    main()
