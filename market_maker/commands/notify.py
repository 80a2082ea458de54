"""`market_maker notify-test` and `notify-config`: who is told of alerts."""

from pathlib import Path
from typing import Annotated

import typer

from market_maker.arguments import AsJson, Config, absolute, use

app = typer.Typer(rich_markup_mode=None)


@app.command("notify-test")
def notify_test(
    to: Annotated[
        str,
        typer.Option("--to", help="Only telegram, discord, slack, webhook, heartbeat, monitor or alertmanager."),
    ] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """Send a test message to each receiver of alerts, and say what became of it.

    Directly to those that MM_ALERT_… names, to the monitor's log, and through Alertmanager when it runs (then it
    comes twice). Exit code 0 all took it, 1 one did not, 2 no receiver for people is configured. docs/alerts.md
    says how to set them up.

    \b
    market_maker notify-test                all of them
    market_maker notify-test --to telegram  the phone
    """
    from market_maker.config import LauncherConfig
    from market_maker.notify import run
    from shared.config import load

    use(config)
    return run(load(LauncherConfig), to, as_json)


@app.command("notify-config")
def notify_config(
    output: Annotated[
        Path, typer.Option("--output", "-o", callback=absolute, help="Folder for both files; made when missing.")
    ] = Path("run/alerts"),
    config: Config = None,
) -> int:
    """Write configurations of Prometheus and Alertmanager for a bot that runs without Docker.

    With Docker nothing is to be done: --profile monitoring starts both. Here it says how to start the programs of
    this machine; Alertmanager has to be 0.28 or newer when receivers are configured.

    \b
    market_maker notify-config -o ~/mm-alerts
    """
    from market_maker import notify_config as made
    from market_maker.config import LauncherConfig
    from shared.config import load

    use(config)
    launcher = load(LauncherConfig)
    output.mkdir(parents=True, exist_ok=True)
    templates = made.PROMETHEUS / "alertmanager" / "messages.tmpl"
    alertmanager = made.alertmanager(made.receivers(launcher), made.monitor_url(launcher), templates)
    (output / "prometheus.yml").write_text(made.prometheus(launcher))
    (output / "alertmanager.yml").write_text(alertmanager)
    print(f"written: {output}/prometheus.yml, {output}/alertmanager.yml. To start both:")
    print(
        f"  alertmanager --config.file={output}/alertmanager.yml --storage.path={output}/alertmanager"
        " --web.listen-address=127.0.0.1:9093 --cluster.listen-address="
    )
    print(
        f"  prometheus --config.file={output}/prometheus.yml --storage.tsdb.path={output}/prometheus"
        " --web.listen-address=127.0.0.1:9091"
    )
    return 0
