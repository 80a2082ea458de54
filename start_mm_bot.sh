#!/usr/bin/env bash
exec "$(dirname "$(readlink -f "$0")")/scripts/start_mm_bot.sh" "$@"
