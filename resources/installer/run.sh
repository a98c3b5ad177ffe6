#!/bin/sh
# What `make run` does once .venv is ready: the window, or the same job from the command line without a display.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
bin=$root/.venv/bin

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [ "$(uname -s)" = Darwin ]; then
    exec "$bin/vidproc-desktop" "$@"
fi

if [ $# -gt 0 ]; then
    printf 'No display here, so these files are enhanced from the command line.\n'
    exec "$bin/vidproc" enhance "$@"
fi

demo=$root/demo
printf 'No display here, so the command line does the job on a noisy sample that is made now, in %s.\n' "$demo"
mkdir -p "$demo"
"$bin/python" -m resources.sample_maker "$demo/noisy-sample.mp4"
exec "$bin/vidproc" enhance "$demo/noisy-sample.mp4" -o "$demo/enhanced" --data-dir "$demo/state"
