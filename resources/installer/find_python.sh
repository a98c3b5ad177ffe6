# Sourced by bootstrap.sh: finds a Python that is at least 3.12 and really runs. Sets found_python.
#
# A name on PATH proves nothing: pyenv puts a `python3.12` there that only prints an error. So every candidate is run.

python_advice="Vidproc Desktop needs Python 3.12 or newer, and none was found on this machine.
Get one with your system's packages (Debian 13, Ubuntu 24.04 and later: apt-get install python3-venv), with
pyenv (pyenv install 3.12) or with uv (uv python install 3.12), then run the same command again.
If it is in an unusual place: make run PYTHON=/path/to/python3.12"

# Runs and is new enough.
is_new_enough() {
    "$1" -I -c 'import sys, venv, ssl, sqlite3; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

# Can also make an environment with pip in it (Debian splits that off).
has_pip() {
    "$1" -I -c 'import ensurepip' >/dev/null 2>&1
}

python_candidates() {
    # The versions that are tested come first.
    for name in python3.12 python3.13 python3.14; do
        command -v "$name" 2>/dev/null || true
    done
    for versions in "${PYENV_ROOT:-/nonexistent}/versions" "${HOME:-/nonexistent}/.pyenv/versions"; do
        for minor in 3.12 3.13 3.14; do
            for folder in "$versions/$minor"*; do
                if [ -x "$folder/bin/python3" ]; then printf '%s\n' "$folder/bin/python3"; fi
            done
        done
    done
    for name in /usr/local/bin/python3.12 /usr/local/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.13; do
        if [ -x "$name" ]; then printf '%s\n' "$name"; fi
    done
    command -v python3 2>/dev/null || true
    command -v python 2>/dev/null || true
}

find_uv() {
    for name in "$(command -v uv 2>/dev/null || true)" "${HOME:-}/.local/bin/uv" "${HOME:-}/.cargo/bin/uv"; do
        if [ -n "$name" ] && [ -x "$name" ]; then
            printf '%s\n' "$name"
            return 0
        fi
    done
    return 1
}

uv_python() {
    uv=$(find_uv) || return 1
    "$uv" python find '>=3.12' 2>/dev/null && return 0
    say "No Python 3.12 here; asking uv for one."
    "$uv" python install 3.12 9<&- >&2 || return 1
    "$uv" python find '>=3.12' 2>/dev/null
}

find_python() {
    found_python=
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON does not run, or is older than 3.12."
        has_pip "$PYTHON" || fail "PYTHON=$PYTHON has no ensurepip; install its venv package."
        found_python=$PYTHON
        return 0
    fi
    without_pip=
    candidates=$(python_candidates)
    old_ifs=$IFS
    IFS='
'
    for candidate in $candidates; do
        IFS=$old_ifs
        is_new_enough "$candidate" || continue
        if has_pip "$candidate"; then
            found_python=$candidate
            return 0
        fi
        : "${without_pip:=$candidate}"
    done
    IFS=$old_ifs
    if [ -n "$without_pip" ]; then
        package=$("$without_pip" -I -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        if install_system_packages "$package" && has_pip "$without_pip"; then
            found_python=$without_pip
            return 0
        fi
        python_advice="$without_pip would do, but its package for making environments is missing. Paste this line, then run
the same command again:
$(paste_line "$package")"
    fi
    found_python=$(uv_python) && is_new_enough "$found_python"
}
