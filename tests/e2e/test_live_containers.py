"""Live trading in containers, on the bundled venue outside of them: who can read what, and what becomes of orders
when a container is killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from market_maker.compose import OVERRIDE
from market_maker.prepare import IMAGE_UID
from services import SERVICES
from shared.clock import wall_ms
from shared.messages import AccountStatus
from shared.streams import FIELD, STATUS
from tests.conftest import wait_until
from tests.fixtures.command_line import MAIN, free_metrics_base
from tests.fixtures.live_place import (
    ACCEPTED,
    KEYS,
    LAUNCH,
    WORDS,
    Place,
    checked_out,
    joined,
    printed,
    readable,
    resting,
)
from tests.fixtures.terminal import at_a_terminal
from tests.fixtures.venue_server import RunningVenue

RUNNING = [name for name in ("redis", *SERVICES) if name != "venue"]
SAFE_WITHIN_S = 10.0

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


@dataclass
class Containers:
    """A live stack that somebody has confirmed."""

    place: Place
    checkout: Path
    redis_port: int
    shown: str
    command: list[str]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self.command, *arguments], cwd=self.checkout, capture_output=True, text=True, timeout=120
        )

    def status(self) -> AccountStatus | None:
        """The executor's last word on the bus; None while there is none."""
        with Redis(port=self.redis_port) as bus:
            try:
                entries = bus.xrevrange(STATUS.key(), count=60)
            except RedisConnectionError:  # which a server that reads its files is, too
                return None
        messages = (STATUS.decoder.decode(fields[FIELD]) for _, fields in entries)
        return next((message for message in messages if isinstance(message, AccountStatus)), None)

    def quotes(self, since_ms: float = 0) -> bool:
        """Ready, and every coin rests on a side at least, at the venue, too. The market decides on the other."""
        status = self.status()
        if status is None or status.time_ms < since_ms or status.live is None or status.live.phase != "ready":
            return False
        coins = status.coins
        return all(coin.resting_bids or coin.resting_asks for coin in coins) and resting(self.place) >= len(coins)

    def ledger(self) -> dict[str, Decimal]:
        status = self.status()
        return {coin.coin: coin.position_sz for coin in status.coins if coin.position_sz} if status else {}

    def held(self) -> dict[str, Decimal]:
        """Positions as the venue tells of them."""
        told: Any = self.place.trader.info.user_state(self.place.trader.address)
        positions = [entry["position"] for entry in told["assetPositions"]]
        return {position["coin"]: Decimal(position["szi"]) for position in positions}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    folder = tmp_path_factory.mktemp("live")
    with (
        checked_out(folder / "checkout") as checkout,
        RunningVenue(venue_host="0.0.0.0", fund=0, limits=False, block_ms=70) as venue,
        pytest.MonkeyPatch.context() as patch,
    ):
        place = joined(venue, folder)
        if os.geteuid() == 0:
            for name in KEYS:
                os.chown(folder / name, IMAGE_UID, -1)
        bridge = printed("docker", "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}")
        base = free_metrics_base()
        settings = {
            "MM_SHADOW_MODE": "false", "MM_VENUE_URL": f"http://{bridge}:{venue.server.port}",
            "MM_METRICS_PORT": str(base), "MM_REDIS_PORT": str(base + 30), "HL_ADDRESS": place.trader.address,
            "HL_PRIVATE_KEY_FILE": str(folder / "executor"), "HL_WATCHDOG_KEY_FILE": str(folder / "watchdog"),
        }  # fmt: skip
        for name in [name for name in os.environ if name.startswith(("MM_", "HL_"))]:
            patch.delenv(name)
        environment = {**os.environ, **settings}
        cli = MAIN.replace("import sys;", f"import sys; sys.path.insert(0, {str(checkout)!r});")
        stack = Containers(place, checkout, base + 30, "", [sys.executable, "-c", cli])
        try:
            with at_a_terminal(cli, *LAUNCH, "--docker", *ACCEPTED, env=environment) as person:
                person.reads(f"type {WORDS}: ")
                person.types(f"{WORDS}\n")
                person.reads("Building the image", within_s=60)
                person.reads("./start_mm_bot.sh --stop", within_s=240)
                code, stack.shown = person.leaves()
            assert code == 0 and "quoting both sides" in stack.shown, stack.shown
            yield stack
        finally:
            stack.run("launch", "--stop")


def test_each_key_and_the_confirmation_are_in_their_own_only(live: Containers) -> None:
    assert {name: found for name in RUNNING if (found := readable(f"mm_{name}"))} == {
        "executor": {"hl_private_key", "confirmation.json", "seal.key"},
        "watchdog": {"hl_watchdog_key"},
    }
    assert "Read-only" in printed("docker", "exec", "mm_executor", "touch", "/app/.secrets/live/x")


def test_a_second_executor_in_the_same_container_is_refused(live: Containers) -> None:
    said = printed("docker", "exec", "mm_executor", "python", "-m", "services", "executor")
    assert said.endswith("executor - [CONFIG] another process trades under this confirmation already")


KILL_IT = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    if b"services" in open(f"/proc/{pid}/cmdline", "rb").read().split(b"\\0") and pid != "1":
        os.kill(int(pid), 9)
"""


def test_a_crashed_executor_comes_back_by_itself_and_trades_on(live: Containers) -> None:
    """As the kernel kills it when memory is short: the engine starts it again."""
    wait_until(live.quotes, 60)
    printed("docker", "exec", "mm_executor", "python", "-c", KILL_IT)
    trades_again(live)
    assert printed("docker", "inspect", "-f", "{{.RestartCount}}", "mm_executor") == "1"


@pytest.mark.parametrize("victim", ["executor", "redis"])
def test_a_killed_container_leaves_no_order_within_ten_seconds_and_trades_again_when_it_is_started(
    live: Containers, victim: str
) -> None:
    """To the engine a kill by hand is a stop: the container stays away. Nobody but the watchdog can cancel for the
    executor; without Redis nobody renews the leases."""
    wait_until(live.quotes, 60)
    printed("docker", "kill", "--signal", "KILL", f"mm_{victim}")
    wait_until(lambda: resting(live.place) == 0, SAFE_WITHIN_S)
    printed("docker", "start", f"mm_{victim}")
    trades_again(live)


def trades_again(live: Containers) -> None:
    """By what the executor says from now on; and its ledger is what the venue says."""
    now_ms = wall_ms()
    wait_until(lambda: live.quotes(since_ms=now_ms), 90)
    with live.place.venue.still():
        wait_until(lambda: live.ledger() == live.held(), 20)


def test_nothing_that_containers_say_holds_a_key(live: Containers) -> None:
    told = "".join(printed("docker", "inspect", f"mm_{name}") for name in RUNNING)
    logged = "".join(printed("docker", "logs", f"mm_{name}") for name in RUNNING)
    generated = (live.checkout / "data" / "state" / OVERRIDE).read_text()
    keys = [(live.place.folder / name).read_text().strip().removeprefix("0x") for name in KEYS]
    assert min(map(len, (told, logged, generated))) > 1000
    everything = (told + logged + generated + live.shown).lower()
    assert not any(key.lower() in everything for key in keys)


def test_the_stop_takes_the_confirmation_back_and_leaves_no_order(live: Containers) -> None:
    """Last: nothing runs after this."""
    wait_until(live.quotes, 60)
    stopped = live.run("launch", "--stop")
    assert stopped.returncode == 0 and "is taken back" in stopped.stdout, stopped.stdout + stopped.stderr
    assert resting(live.place) == 0
