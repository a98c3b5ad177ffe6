#!/bin/sh
# Prepares this checkout: system packages, a Python that is new enough, and .venv with pinned packages.
#
#   bootstrap.sh desktop    what `make run` needs
#   bootstrap.sh test       that, and what the tests need
#
# A second run finds everything in place and returns in a fraction of a second. PYTHON=/path/to/python3.12 chooses
# the interpreter. Nothing outside this folder is changed except the system packages named below.
set -eu

kind=${1:?"usage: bootstrap.sh desktop|test"}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
root=$(CDPATH='' cd -- "$here/../.." && pwd -P)
cd "$root"
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV PIP_REQUIRE_VIRTUALENV PIP_USER PIP_TARGET PIP_PREFIX
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# One set-up at a time: a second `make` in the same checkout waits for the first.
if command -v flock >/dev/null 2>&1; then
    exec 9<pyproject.toml
    flock 9
fi

. "$here/system_packages.sh"
. "$here/find_python.sh"

case $kind in
desktop) extras=desktop ;;
test) extras=desktop,test ;;
*) fail "bootstrap.sh: '$kind' is neither 'desktop' nor 'test'." ;;
esac

ensure_system_packages "$kind"

venv=$root/.venv
python=$venv/bin/python
stamps=$venv/.ready

venv_is_sound() {
    # A moved folder keeps the old path in its scripts, a removed interpreter leaves a dead link.
    [ -f "$stamps/location" ] && [ "$(cat "$stamps/location")" = "$venv" ] || return 1
    [ "$(cat "$stamps/version" 2>/dev/null)" = "$("$python" -I -c 'import sys; print(sys.version)' 2>/dev/null)" ]
}

packages_are_current() {
    # Copies instead of a checksum: exact, and the same on every system. `test` contains `desktop`.
    for stamp in "$@"; do
        if cmp -s pyproject.toml "$stamps/$stamp.pyproject" && cmp -s constraints.txt "$stamps/$stamp.constraints"; then
            return 0
        fi
    done
    return 1
}

if venv_is_sound; then
    case $kind in
    desktop) packages_are_current desktop test && exit 0 ;;
    test) packages_are_current test && exit 0 ;;
    esac
    if [ -n "${PYTHON:-}" ]; then say "Keeping the interpreter of .venv; 'make clean' first to change it."; fi
else
    find_python || fail "$python_advice"
    if [ -e "$venv" ]; then say "The environment in .venv no longer works here; building it anew."; fi
    say "Making .venv with $found_python ($("$found_python" -c 'import platform; print(platform.python_version())'))."
    rm -rf "$venv"
    "$found_python" -m venv "$venv" 9<&- || fail "Could not make $venv; is this folder writable and the disk not full?"
    mkdir -p "$stamps"
    printf '%s\n' "$venv" >"$stamps/location"
    "$python" -I -c 'import sys; print(sys.version)' >"$stamps/version"
fi

say "Installing the Python packages of [$extras] (the first time this downloads a few hundred megabytes)."
rm -f "$stamps/$kind".*
if [ -t 2 ]; then quiet=; else quiet=--quiet; fi
# shellcheck disable=SC2086  # an empty $quiet has to vanish
PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
    "$python" -m pip install $quiet -c constraints.txt -e ".[$extras]" 9<&- >&2 ||
    fail "The Python packages could not be installed; pip's message above says why. Run the same command again to go on."
cp pyproject.toml "$stamps/$kind.pyproject"
cp constraints.txt "$stamps/$kind.constraints"
