#!/usr/bin/env bash
# Starts the market maker, in shadow mode unless told otherwise; --help tells the rest. The first start sets up .venv.
set -euo pipefail
project=$(dirname "$(readlink -f "$0")")/..
"$project/scripts/setup_venv.sh" runtime
exec "$project/.venv/bin/market_maker" launch "$@"
