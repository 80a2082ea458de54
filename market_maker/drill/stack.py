"""What a drill runs against: the bundled venue as a world of its own, and the bot trading live on it.

All processes are real and started as `run` starts them; ports, folder, account and keys are made up for the drill.
Nothing of the operator's settings reaches it: no `.env`, no settings file, no `MM_` or `HL_` variable.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec
from eth_account.signers.local import LocalAccount
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from market_maker import access, local, redis_server
from market_maker.deployment import read_supervisor, with_user
from market_maker.drill.network import Link
from market_maker.drill.permit import confirm_drill
from market_maker.drill.world import World
from market_maker.options import Options, check
from market_maker.plan import Plan, Process, Ready, SupervisorState
from shared.clock import monotonic_s
from shared.confirmation import VALID_MS, boot_id
from shared.errors import ConfigError, MarketMakerError
from shared.hyperliquid.signing import load_account
from shared.messages import Command
from shared.private_files import write_private
from shared.redis_bus import RedisBus
from shared.secrets import ADDRESS, EXECUTOR_KEY, SECRET_VARIABLES, WATCHDOG_KEY, read_credentials

PROJECT = Path(__file__).resolve().parents[2]
UNSEEN_RULES = ("rate_limit_errors", "venue_errors")
"""Rules of the guard that stop the bot for long after the very faults that are committed here again and again."""
SETTINGS = ("MM_", "HL_", "HYPERLIQUID_", "REDIS_URL")
READY_WITHIN_S, STOP_WITHIN_S = 60.0, 90.0
POLL_S = 0.1
OVER_OTHER_LINK = ("watchdog", "ingestor")
"""They reach the venue over a link of their own, so that the executor's can be cut alone."""
STRANGER_USD = 10_000_000
_PORT_TRIES = 20
_LOWEST_PORT, _HIGHEST_PORT, _METRICS_PORTS = 20_000, 30_000, 60


@dataclass(frozen=True)
class Setup:
    """`volume_usd`: what the account counts as traded, which is the request budget it begins with. `settings`:
    variables that count more than the drill's own."""

    coins: int
    seed: int
    speed: float = 1.0
    balance_usd: int = 10_000
    volume_usd: int = 2_000_000
    live: bool = True
    confirmed_for_ms: int = VALID_MS
    settings: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """This process in a folder and an environment of its own; both are put back."""
    folder.mkdir(parents=True, exist_ok=True)
    before, here = dict(os.environ), Path.cwd()
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        del os.environ[name]
    os.environ["PYTHONPATH"] = str(PROJECT)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)


class Supervised:
    """Processes under a supervisor of their own. They end with this process, whatever ends it."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._run_dir = plan, Path(plan.run_dir)
        self._run_dir.mkdir(parents=True, exist_ok=True)
        Path(plan.log_dir).mkdir(parents=True, exist_ok=True)
        with (Path(plan.log_dir) / "supervisor.log").open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "market_maker.supervisor"],
                env={name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert self._popen.stdin is not None
        self._popen.stdin.write(msgspec.json.encode(plan) + b"\n")
        self._popen.stdin.flush()

    @property
    def state(self) -> SupervisorState | None:
        state = read_supervisor(self._run_dir)
        return state if state is not None and state.run_id == self._plan.run_id else None

    def pid(self, name: str) -> int:
        state = self.state
        assert state is not None, "started"
        return state.children[name].pid

    async def ready(self) -> None:
        """
        Raises:
            MarketMakerError: a process does not come up.
        """
        deadline_s = monotonic_s() + READY_WITHIN_S
        while (state := self.state) is None or state.phase != "running":
            self.require_alive()
            if monotonic_s() > deadline_s:
                raise MarketMakerError(f"not ready within {READY_WITHIN_S:.0f} s; see {self._plan.log_dir}")
            await asyncio.sleep(POLL_S)

    def require_alive(self) -> None:
        """
        Raises:
            MarketMakerError: the supervisor has given up; says why.
        """
        state = self.state
        if state is not None and state.error:
            raise MarketMakerError(f"{state.error}; see {self._plan.log_dir}")
        if self._popen.poll() is not None:
            raise MarketMakerError(f"the supervisor has ended; see {self._plan.log_dir}")

    async def stop(self) -> None:
        """In order; what does not end is killed."""
        self._popen.terminate()
        try:
            await asyncio.to_thread(self._popen.wait, STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
        assert self._popen.stdin is not None
        self._popen.stdin.close()


class Stack:
    """An async context manager; inside `alone(folder)`."""

    def __init__(self, folder: Path, setup: Setup) -> None:
        self.folder, self.setup = folder, setup
        self.account, self.stranger = _address(), _address()
        self.truth_log = folder / "truth" / "truth.jsonl"
        self._open = AsyncExitStack()
        self._bot: Supervised | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @property
    def bot(self) -> Supervised:
        assert self._bot is not None, "started"
        return self._bot

    async def start_bot(self, confirmed_for_ms: int) -> None:
        """Confirmed anew; after a stop on the books as it left them.

        Raises:
            MarketMakerError: a process does not come up.
        """
        self._bot = self._supervised_bot(confirmed_for_ms)
        await self._bot.ready()

    async def stop_bot(self) -> None:
        """Executor first, Redis last. The venue goes on."""
        if self._bot is not None:
            bot, self._bot = self._bot, None
            await bot.stop()

    async def new_key(self, name: str) -> LocalAccount:
        """The account lets a new key sign, which lies in its file; the one of the same name loses that right."""
        key = secrets.token_hex(32)
        signer = load_account(key)
        await self.world.approve(self.account, signer.address.lower(), name)
        write_private(self._key_file(name), key.encode())
        return signer

    async def command(self, command: Command) -> None:
        """As the operator.

        Raises:
            BusError: Redis does not answer.
        """
        bus = RedisBus(self.operator_url)
        try:
            await bus.publish([command])
        finally:
            await bus.close()

    def reader(self) -> Redis:
        """Whoever is on this machine may look at the bus. One that is away is said at once: a look that waits for
        it would see nothing else meanwhile."""
        return Redis(
            unix_socket_path=str(self._socket),
            socket_timeout=1.0,
            socket_connect_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
        )

    # ---- starting ----

    async def _start(self) -> None:
        os.environ.update(self._settings())
        port = int(os.environ["MM_VENUE_PORT"])
        venue = Supervised(_venue_plan(self.folder, port))
        self._open.push_async_callback(venue.stop)
        await venue.ready()
        self.world = await self._open.enter_async_context(World(port))
        self.trading = await self._open.enter_async_context(Link(port))
        self.other = await self._open.enter_async_context(Link(port))
        await self._open_accounts()
        os.environ["MM_VENUE_URL"] = self.trading.url
        self._open.push_async_callback(self.stop_bot)
        await self.start_bot(self.setup.confirmed_for_ms)

    def _supervised_bot(self, confirmed_for_ms: int) -> Supervised:
        """Local mode, confirmed, with the paths to the venue that the drill can cut."""
        checked = check(Options(venue="sim"))
        config = checked.launcher
        local.require_ports(checked)
        run_id, server = f"drill-{secrets.token_hex(4)}", redis_server.find_server()
        plan = local.build_plan(checked, run_id, server, foreground=True)
        local.redis_data(checked, server).mkdir(parents=True, exist_ok=True)
        if self.setup.live:
            folder, credentials = config.confirmation_dir, read_credentials(EXECUTOR_KEY)
            confirm_drill(folder, credentials, config.venue, config.url, run_id, confirmed_for_ms)
        self._socket = Path(plan.bus_socket)
        password = access.password_of(config.secrets_dir, access.OPERATOR)
        self.operator_url = with_user(f"unix://{self._socket}", access.OPERATOR, password)
        return Supervised(_by_links(plan, {name: self.other.url for name in OVER_OTHER_LINK}))

    def _settings(self) -> dict[str, str]:
        setup, folder = self.setup, self.folder
        venue, redis, metrics = _free_ports()
        return {
            "MM_SHADOW_MODE": str(not setup.live).lower(),
            "MM_VENUE": "sim",
            "MM_TOP_N": str(setup.coins),
            "MM_STARTING_BALANCE_USD": str(setup.balance_usd),
            "MM_SEED": str(setup.seed),
            "MM_SPEED": f"{setup.speed:g}",
            "MM_FUND": "0",
            "MM_TRUTH_LOG": str(self.truth_log),
            "MM_VENUE_PORT": str(venue),
            "MM_REDIS_PORT": str(redis),
            "MM_METRICS_PORT": str(metrics),
            "MM_DATA_DIR": str(folder / "data"),
            "MM_RUN_DIR": str(folder / "run"),
            "MM_LOG_DIR": str(folder / "logs"),
            "MM_SECRETS_DIR": str(folder / "secrets"),
            "MM_CONFIRMATION_DIR": str(folder / "confirmation"),
            "MM_CONFIRMED_BOOT": boot_id(),
            "MM_RULE_LEVELS": json.dumps(dict.fromkeys(UNSEEN_RULES, "off")),
            ADDRESS: self.account,
            EXECUTOR_KEY.file: str(self._key_file("executor")),
            WATCHDOG_KEY.file: str(self._key_file("watchdog")),
            **setup.settings,
        }

    def _key_file(self, name: str) -> Path:
        return self.folder / "keys" / name

    async def _open_accounts(self) -> None:
        await self.world.fund(self.stranger, str(STRANGER_USD), "0")
        await self.world.fund(self.account, str(self.setup.balance_usd), str(self.setup.volume_usd))
        for name in ("executor", "watchdog"):
            await self.new_key(name)


def _venue_plan(folder: Path, port: int) -> Plan:
    venue = Process(
        name="venue",
        command=[sys.executable, "-m", "services", "venue"],
        env={"MM_METRICS_PORT": "0"},
        ready=Ready("tcp", port),
    )
    return Plan(
        run_id="venue",
        run_dir=str(folder / "venue"),
        log_dir=str(folder / "logs"),
        stages=[[venue]],
        lifeline=True,
    )


def _by_links(plan: Plan, urls: Mapping[str, str]) -> Plan:
    """Some processes reach the venue by another way than the rest."""

    def routed(process: Process) -> Process:
        given = {"MM_VENUE_URL": urls[process.name]} if process.name in urls else {}
        return msgspec.structs.replace(process, env=process.env | given)

    return msgspec.structs.replace(plan, stages=[[routed(process) for process in stage] for stage in plan.stages])


def _address() -> str:
    return f"0x{secrets.token_hex(20)}"


def _free_ports() -> tuple[int, int, int]:
    """Of the venue, of Redis, and the first of a row for metrics: each service's lies a little above it.

    Raises:
        ConfigError: there are none.
    """
    for _ in range(_PORT_TRIES):
        first = secrets.randbelow(_HIGHEST_PORT - _LOWEST_PORT - _METRICS_PORTS) + _LOWEST_PORT
        if all(_is_free(port) for port in range(first, first + _METRICS_PORTS)):
            return first, first + 1, first + 2
    raise ConfigError(f"no {_METRICS_PORTS} free ports in a row between {_LOWEST_PORT} and {_HIGHEST_PORT}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
