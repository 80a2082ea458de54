#!/usr/bin/env bash
# setup_venv.sh runtime|dev
#
# Makes .venv with exactly the packages of requirements.lock (runtime) or requirements-dev.lock (dev), each checked
# by its hash, and .venv/bin/market_maker. A stamp of lock file and Python version makes the next call instant.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
kind=${1:?runtime or dev}
case $kind in runtime) lock=requirements.lock ;; dev) lock=requirements-dev.lock ;; *) exit 4 ;; esac

say() { printf '[setup] %s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit "${code:-1}"; }

suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; }

python=
for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
  if [ -n "$candidate" ] && command -v "$candidate" >/dev/null && suits "$candidate"; then python=$candidate; break; fi
done

stamp_of() { printf '%s %s %s' "$1" "$(sha256sum <"$2" | cut -c1-64)" "$(.venv/bin/python -c 'import platform; print(platform.python_version())')"; }
is_stamped() { [ -x .venv/bin/python ] && [ -f .venv/.installed ] && grep -qxF "$(stamp_of "$kind" "$lock")" .venv/.installed; }
if is_stamped; then exit 0; fi

[ -n "$python" ] || code=4 fail "Python 3.11, 3.12 or 3.13 is needed; on Debian: apt-get install python3 python3-venv"

make_venv() {
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      say "installing python$version-venv (Debian keeps it apart from Python)"
      { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "python$version-venv"; } >/dev/null 2>&1 ||
        fail "apt-get could not install python$version-venv"
    else
      fail "Python's venv module is missing; on Debian: sudo apt-get install python$version-venv"
    fi
  fi
  say "making .venv with $("$python" --version)"
  "$python" -m venv --clear .venv
}

if [ -x .venv/bin/python ] && suits .venv/bin/python; then
  .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null 2>&1 || make_venv
else
  make_venv
fi

say "installing the packages of $lock, each checked by its hash (a minute or two)"
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r "$lock" ||
  fail "pip could not install $lock; is the package index reachable from here?"

# The project itself is used where it stands: one line on the import path and two small commands.
pwd >"$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/market_maker_project.pth"
for name in market_maker mm; do
  cat >".venv/bin/$name" <<'COMMAND'
#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/python" -P -m market_maker.cli "$@"
COMMAND
  chmod +x ".venv/bin/$name"
done

# Compiled once, as the services run: without docstrings each process is about 7 MB smaller.
PYTHONDONTWRITEBYTECODE='' .venv/bin/python -OO -P -c 'import services; [services.load(name) for name in services.SERVICES]'

{
  stamp_of "$kind" "$lock"; echo
  if [ "$kind" = dev ]; then stamp_of runtime requirements.lock; echo; fi # the same pins, and more
} >.venv/.installed
say "ready: .venv/bin/market_maker (or: source .venv/bin/activate)"
