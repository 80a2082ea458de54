"""`notify-test` against local servers in place of Telegram, Discord, Slack and a webhook."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from market_maker.config import LauncherConfig
from market_maker.notify import FAILED, NOBODY, OK, Places, run
from shared.errors import ConfigError
from shared.private_files import write_private

SECRET = "98765:token-of-the-bot"


class World:
    """One server that plays them all; `status` of its answers by the first part of the path."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.status: dict[str, int] = {}
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.heard.append((request.path, await request.json()))
        return web.json_response({"secret": SECRET}, status=self.status.get(request.path.split("/")[1], 200))

    @property
    def places(self) -> Places:
        return Places(f"{self.url}/monitor", f"{self.url}/alertmanager", self.url)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    played = World()
    application = web.Application()
    application.router.add_post("/{tail:.*}", played.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    played.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield played
    await runner.cleanup()


@pytest.fixture
def everybody(world: World, tmp_path: Path) -> LauncherConfig:
    contents = {"telegram_token": SECRET} | {
        f"{name}_url": f"{world.url}/{name}/{SECRET}" for name in ("discord", "slack", "webhook", "heartbeat")
    }
    for name, content in contents.items():
        write_private(tmp_path / name, f"{content}\n".encode())
    files = {f"alert_{name}_file": tmp_path / name for name in contents}
    return LauncherConfig(alert_telegram_chat_id=42, **files)


async def test_each_receiver_gets_what_it_understands(
    world: World, everybody: LauncherConfig, capsys: pytest.CaptureFixture[str]
):
    assert await asyncio.to_thread(run, everybody, "", False, world.places) == OK
    heard = dict(world.heard)
    telegram = heard[f"/bot{SECRET}/sendMessage"]
    assert telegram["chat_id"] == 42 and "TEST" in telegram["text"]
    assert "TEST" in heard[f"/discord/{SECRET}"]["content"] and "TEST" in heard[f"/slack/{SECRET}"]["text"]
    assert heard[f"/webhook/{SECRET}"] == heard["/monitor"] | {"alerts": heard[f"/webhook/{SECRET}"]["alerts"]}
    (alert,) = heard["/alertmanager/api/v2/alerts"]
    assert alert["labels"]["mode"] == "test" and alert["startsAt"] < alert["endsAt"]
    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err
    assert [line.split()[:2] for line in shown.out.splitlines()] == [
        ["ok", name]
        for name in ("telegram", "discord", "slack", "webhook", "heartbeat", "monitor", "alertmanager")
    ]


@pytest.mark.parametrize(
    ("name", "path"), [("telegram", f"bot{SECRET}"), ("discord", "discord"), ("slack", "slack")]
)
async def test_one_that_refuses_is_named_with_what_to_look_at_and_without_the_secret(
    world: World, everybody: LauncherConfig, name: str, path: str, capsys: pytest.CaptureFixture[str]
):
    world.status[path] = 403
    assert await asyncio.to_thread(run, everybody, "", True, world.places) == FAILED
    shown = capsys.readouterr()
    results = {result["receiver"]: result for result in json.loads(shown.out)}
    assert not results[name]["ok"] and "403" in results[name]["why"] and "?" in results[name]["why"]
    assert all(result["ok"] for other, result in results.items() if other != name)
    assert SECRET not in shown.out + shown.err


async def test_only_the_one_that_is_asked_for(world: World, everybody: LauncherConfig):
    assert await asyncio.to_thread(run, everybody, "slack", False, world.places) == OK
    assert [path for path, _ in world.heard] == [f"/slack/{SECRET}"]


def nowhere() -> Places:
    return Places(*(f"http://127.0.0.1:1/{name}" for name in "mat"))


def test_without_any_receiver_it_says_so(capsys: pytest.CaptureFixture[str]):
    assert run(LauncherConfig(), "", False, nowhere()) == NOBODY
    assert "docs/alerts.md" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["telegram", "nobody"])
def test_one_that_is_not_configured_is_an_error_with_the_ones_there_are(name: str):
    with pytest.raises(ConfigError, match="there are monitor, alertmanager"):
        run(LauncherConfig(), name, False, nowhere())


@pytest.mark.parametrize("name", ["monitor", "alertmanager"])
def test_what_does_not_run_is_named_with_the_remedy_and_a_failure_only_when_asked_for(
    name: str, capsys: pytest.CaptureFixture[str]
):
    assert run(LauncherConfig(), name, False, nowhere()) == FAILED
    assert capsys.readouterr().out.startswith(f"failed {name} ")
    assert run(LauncherConfig(), "", False, nowhere()) == NOBODY
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    remedies = {
        "monitor": ("./start_mm_bot.sh", "market_maker logs --service monitor"),
        "alertmanager": ("docker compose --profile monitoring up -d", "market_maker notify-config"),
    }
    lines = shown.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"down   {name} "))
    assert "does not run" in lines[first]
    assert all(any(remedy in line for line in lines[first : first + 3]) for remedy in remedies[name])


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [(None, 0, "not there"), (b"", 0o600, "empty"), (SECRET.encode(), 0o644, "chmod 600"),
     (b"\xff\xfe", 0o600, "no text"),
     (SECRET.encode(), 0o600, "no web address"), (b"http://[" + SECRET.encode(), 0o600, "no web address"),
     (f"http://127.0.0.1:1/{SECRET} x".encode(), 0o600, "no web address"),
     (f"http://127.0.0.1:1/{SECRET}".encode(), 0o600, "cannot be reached")],
)  # fmt: skip
def test_what_is_wrong_with_the_file_is_said_without_what_it_holds(
    tmp_path: Path, content: bytes | None, mode: int, why: str, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    assert run(LauncherConfig(alert_slack_url_file=file), "slack", False, nowhere()) == FAILED
    shown = capsys.readouterr()
    assert why in shown.out and SECRET not in shown.out + shown.err
