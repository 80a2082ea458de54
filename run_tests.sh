#!/usr/bin/env bash
# Sets up by itself, then runs every check: linters, types, import rules, tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

say() { printf '[tests] %s\n' "$*" >&2; }

# Servers that some tests talk to. Without them those tests are skipped by name.
missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v promtool >/dev/null || missing+=(prometheus)
command -v shellcheck >/dev/null || missing+=(shellcheck)
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say "installing ${missing[*]}"
  policy=/usr/sbin/policy-rc.d # installing must not start the servers
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; trap 'rm -f "$policy"' EXIT; fi
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
    say "could not install ${missing[*]}: the tests that need them are skipped"
elif [ ${#missing[@]} -gt 0 ]; then
  say "not here: ${missing[*]}; the tests that need them are skipped"
fi

scripts/setup_venv.sh dev
bin=.venv/bin
say "ruff"; $bin/ruff check . ; $bin/ruff format --check --quiet .
say "mypy"; $bin/mypy
say "import rules"; $bin/lint-imports
if command -v shellcheck >/dev/null; then say "shellcheck"; shellcheck ./*.sh scripts/*.sh .ci/run; fi
say "pytest"; $bin/pytest -rs -n "${PYTEST_WORKERS:-2}" --dist loadfile "$@"
