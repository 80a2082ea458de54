"""`market_maker list-dexs`: the HIP-3 perp dexes of the venue, from its own `perpDexs` answer."""

import json
import urllib.request
from typing import Any

from market_maker.options import venue_url
from services.venue.config import VenueConfig
from shared.config import load
from shared.errors import VenueError

TIMEOUT_S = 10.0


def ask(url: str) -> list[dict[str, Any]]:
    """
    Raises:
        VenueError: the venue cannot be reached or answers something else.
    """
    request = urllib.request.Request(f"{url}/info", b'{"type": "perpDexs"}', {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            entries = json.load(answer)
    except (OSError, ValueError) as error:
        raise VenueError(f"{url}: {getattr(error, 'reason', error)}") from error
    if not isinstance(entries, list):
        raise VenueError(f"{url}: perpDexs answered {type(entries).__name__}, not a list")
    return [entry for entry in entries if entry]  # the first entry stands for the main dex and is null


def show(as_json: bool) -> int:
    """Print them; 0 also when there are none."""
    dexs = ask(venue_url(load(VenueConfig)))
    if as_json:
        print(json.dumps(dexs, indent=1))
        return 0
    for dex in dexs:
        print(f"{dex.get('name', '?'):<12} {dex.get('fullName', '')}")
    print(f"{len(dexs)} HIP-3 dexes")
    return 0
