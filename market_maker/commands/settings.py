"""`market_maker generate-config`, `validate-config`, `doctor`: settings and machine."""

from pathlib import Path
from typing import Annotated

import typer

from market_maker.arguments import PROJECT, AsJson, Config, absolute, use

app = typer.Typer(rich_markup_mode=None)


@app.command("generate-config")
def generate_config(
    output: Annotated[Path, typer.Option("--output", "-o", callback=absolute)] = PROJECT / "market_maker.toml",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> int:
    """Write a settings file with every setting, its unit and its default."""
    from market_maker import settings_file

    settings_file.write(output, settings_file.models(), force)
    print(f"written: {output}")
    return 0


@app.command("validate-config")
def validate_config(config: Config = None) -> int:
    """Check all settings of all services; print each value and where it comes from, then sizes and stops."""
    from market_maker import settings_file, sizes
    from shared.config import check_environment, load

    use(config)
    check_environment(settings_file.models())
    for table, name, value, source in list(settings_file.effective(settings_file.models())):
        print(f"{table + '.' + name:<42} {value:<32} {source}")
    print()
    for line in sizes.lines({model.section: load(model) for model in settings_file.models()}):
        print(line)
    return 0


@app.command()
def doctor(config: Config = None, as_json: AsJson = False) -> int:
    """Check this machine: Python, packages, Docker, ports, Redis, disk, venue, clock; with MM_SHADOW_MODE=false
    also account, keys, margin, request budget, gates, and what can be lost."""
    from market_maker.doctor import examine

    use(config)
    return examine(as_json)
