"""Take pictures of the dashboards: `python -m scripts.dashboard_pictures --prometheus http://127.0.0.1:9090`.

Each dashboard of `grafana/dashboards` is drawn with the answers of the Prometheus, at the places and in the
colours it has in Grafana, and photographed by a headless Chromium. Needs `chromium` on the PATH (or its name in
$CHROMIUM), and no Grafana.

Where a Grafana runs on the same Prometheus, `--grafana http://127.0.0.1:3000` takes the pictures from that one.

    python -m scripts.dashboard_pictures --prometheus URL                 all of them, the last hour, to docs/img
    python -m scripts.dashboard_pictures --prometheus URL --board grid --minutes 15 --to /tmp
    python -m scripts.dashboard_pictures --grafana URL --board coin --coin ETH
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from grafana.build import BOARDS, FOLDER
from grafana.picture.page import WIDTH, View, render
from grafana.picture.source import Source

PICTURES = FOLDER.parents[1] / "docs" / "img"
SETTLE_MS = 15_000
"""Time that a Grafana gets to load a dashboard, in its browser's own clock."""
GRAFANA_HEIGHT = 2400
COLOURS = 128
"""Enough for flat areas and smooth letters, in a third of the space."""
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--hide-scrollbars",
    "--no-first-run", "--disable-dev-shm-usage", "--force-color-profile=srgb",
    "--run-all-compositor-stages-before-draw",
)  # fmt: skip


class PictureError(Exception):
    """What is missing, and what to do about it."""


def browser() -> str:
    for name in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (found := shutil.which(name)):
            return found
    raise PictureError("no Chromium on this machine: install it, or name it in $CHROMIUM")


def photograph(url: str, out: Path, height: int, *more: str) -> None:
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser(), *FLAGS, *more, f"--user-data-dir={profile}", f"--window-size={WIDTH},{height}",
            f"--screenshot={out}", url,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    if done.returncode or not out.is_file():
        raise PictureError(f"Chromium took no picture of {url}: {done.stderr[-500:]}")
    Image.open(out).convert("RGB").quantize(COLOURS).save(out, optimize=True)


def drawn(name: str, view: View, out: Path, part: float) -> None:
    page, height = render(json.loads((FOLDER / name).read_text()), view)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page)
        photograph(file.as_uri(), out, int(height * part))


def of_grafana(name: str, address: str, coin: str, minutes: float, out: Path) -> None:
    uid = json.loads((FOLDER / name).read_text())["uid"]
    url = f"{address}/d/{uid}?kiosk&theme=dark&from=now-{minutes:.0f}m&to=now&var-coin={coin}"
    photograph(url, out, GRAFANA_HEIGHT, f"--virtual-time-budget={SETTLE_MS}")


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.dashboard_pictures", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--prometheus", metavar="URL", help="draw what this Prometheus answers")
    whom.add_argument("--grafana", metavar="URL", help="take the pictures from this Grafana")
    names = [name.removesuffix(".json") for name in BOARDS]
    parser.add_argument("--board", action="append", choices=names, help="only this one; once per dashboard")
    parser.add_argument("--coin", default="BTC", help="of the dashboard of one coin (default BTC)")
    parser.add_argument("--minutes", type=float, default=60, help="how far back (default 60)")
    parser.add_argument("--at", type=float, metavar="UNIX_S", help="end of the time shown (default: now)")
    parser.add_argument("--part", type=float, default=1.0, help="upper part of a drawn page, 0 to 1 (default all)")
    parser.add_argument("--to", type=Path, default=PICTURES, metavar="DIR", help="folder (default docs/img)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    args = options().parse_args(arguments)
    args.to.mkdir(parents=True, exist_ok=True)
    end_s = args.at or time.time()  # noqa: TID251 (a person's clock)
    try:
        for name in [f"{board}.json" for board in args.board] if args.board else BOARDS:
            out = args.to.resolve() / name.replace(".json", ".png")
            if args.grafana:
                of_grafana(name, args.grafana.rstrip("/"), args.coin, args.minutes, out)
            else:
                source = Source(args.prometheus.rstrip("/"), end_s, args.minutes * 60)
                drawn(name, View(source, args.coin), out, args.part)
            print(out)
    except urllib.error.URLError as error:
        print(
            f"no answer from {args.prometheus}: {error}. Is it a Prometheus that scrapes the bot?", file=sys.stderr
        )
        return 1
    except PictureError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
