"""`python -m services NAME` runs one service until SIGTERM; the command of every container."""

import sys

import uvloop

from services import SERVICES, load
from shared.bus import RedisBus
from shared.config import load as load_settings
from shared.errors import ConfigError, MarketMakerError
from shared.runtime import serve


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(f"usage: python -m services NAME\n  NAME: {', '.join(SERVICES)}", file=sys.stderr)
        return 0 if arguments else 4
    try:
        service = load(arguments[0])
        config = load_settings(service.config)
        bus = RedisBus(config.redis_url) if service.uses_bus else None
        uvloop.run(serve(service, config, bus))
    except ConfigError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 4
    except MarketMakerError as error:
        print(f"{arguments[0]}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
