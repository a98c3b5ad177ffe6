# Sourced by bootstrap.sh: installs the few system packages that are missing, where it may.

# What Qt's window and sound plugins load from the system (ldd on libqxcb.so and the multimedia plugin).
qt_packages="libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libegl1 libpulse0
    libdbus-1-3 libdrm2 libfontconfig1 libgl1 libglib2.0-0 libgssapi-krb5-2 libwayland-client0 libx11-xcb1
    libxcb-image0 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1
    libxkbcommon-x11-0 libxrandr2"
# A screen without a monitor, a window manager, a mouse and keyboard, and a broker.
test_packages="xvfb openbox xdotool rabbitmq-server"

is_installed() {
    [ -z "$(missing_packages "$1")" ]
}

missing_packages() {
    # One query for all. Ubuntu 24.04 renamed some libraries to NAMEt64.
    names=
    for package in "$@"; do names="$names $package ${package}t64"; done
    # shellcheck disable=SC2086  # a list of names
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package} ' $names 2>/dev/null || true)
    for package in "$@"; do
        case " $installed " in
        *" installed $package "* | *" installed ${package}t64 "*) ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

# Prints nothing when root, "sudo -n" when that needs no password; fails otherwise.
root_prefix() {
    [ "$(id -u)" -eq 0 ] && return 0
    command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null && printf 'sudo -n'
}

paste_line() {
    line="sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
    case " $* " in
    *" rabbitmq-server "*) line="$line && sudo systemctl disable --now rabbitmq-server" ;;
    esac
    printf '    %s\n' "$line"
}

apt() {
    # A lock held by unattended-upgrades is waited for; `update` does not wait by itself, hence the retries.
    for attempt in 1 2 3 4 5 6; do
        if $as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q -y -o DPkg::Lock::Timeout=300 \
            -o Dpkg::Use-Pty=0 "$@" >"$apt_log" 2>&1 9<&-; then
            return 0
        fi
        grep -q 'Could not get lock' "$apt_log" || return 1
        say "Another program is using apt; waiting (try $attempt of 6)."
        sleep 10
    done
    return 1
}

install_system_packages() {
    if ! command -v apt-get >/dev/null 2>&1; then return 1; fi
    as_root=$(root_prefix) || return 1
    apt_log=$(mktemp)
    say "Installing system packages: $*"
    status=0
    # A list that is missing or stale shows as a failed install: fetch it, then try once more.
    apt install --no-install-recommends "$@" || {
        apt update && apt install --no-install-recommends "$@"
    } || status=1
    if [ "$status" -ne 0 ]; then tail -n 15 "$apt_log" >&2; fi
    rm -f "$apt_log"
    return "$status"
}

# The packaged broker must neither start nor stay enabled when this script brought it in: the tests run their own.
install_with_quiet_broker() {
    as_root=$(root_prefix) || return 1
    had_epmd=no
    if command -v epmd >/dev/null 2>&1; then had_epmd=yes; fi
    policy=/usr/sbin/policy-rc.d
    own_policy=no
    trap 'remove_own_policy; exit 130' INT
    trap 'remove_own_policy; exit 143' TERM HUP
    trap remove_own_policy EXIT
    # An existing policy is somebody else's and stays; what it lets start is stopped below.
    if [ ! -e "$policy" ]; then
        own_policy=yes
        $as_root sh -c "umask 022; printf '%s\n' '#!/bin/sh' '# vidproc-desktop: removed after the installation' \
'exit 101' >$policy && chmod 755 $policy"
    fi
    status=0
    install_system_packages "$@" || status=1
    remove_own_policy
    trap - INT TERM HUP EXIT
    if is_installed rabbitmq-server; then quieten_broker; fi
    return "$status"
}

remove_own_policy() {
    if [ "${own_policy:-no}" = yes ]; then
        $as_root rm -f "$policy"
        own_policy=no
    fi
}

quieten_broker() {
    if [ -d /run/systemd/system ]; then
        $as_root systemctl disable --now rabbitmq-server >/dev/null 2>&1 || true
    else
        # No init here: unlink the unit, and stop a server that an own policy of this machine let start.
        $as_root systemctl disable rabbitmq-server >/dev/null 2>&1 || true
        $as_root service rabbitmq-server stop >/dev/null 2>&1 9<&- || true
        $as_root update-rc.d rabbitmq-server disable >/dev/null 2>&1 || true
    fi
    # Erlang's port mapper came with the broker: it goes too, unless an Erlang was here before. It refuses to stop
    # while it serves a node.
    if [ "$had_epmd" = no ] && command -v epmd >/dev/null 2>&1; then
        if [ -d /run/systemd/system ]; then
            $as_root systemctl disable --now epmd.socket epmd.service >/dev/null 2>&1 || true
        else
            $as_root systemctl disable epmd.socket epmd.service >/dev/null 2>&1 || true
        fi
        $as_root epmd -kill >/dev/null 2>&1 || true
    fi
    say "The packaged RabbitMQ service is stopped and disabled; the tests start a broker of their own."
}

ensure_system_packages() {
    if [ "$(uname -s)" != Linux ]; then return 0; fi
    wanted=$qt_packages
    if [ "$1" = test ]; then wanted="$qt_packages $test_packages"; fi
    if ! command -v dpkg-query >/dev/null 2>&1; then
        say "This is no Debian or Ubuntu, so system packages are up to you. Needed are the libraries of Qt's xcb"
        say "platform (xcb-cursor, xcb-icccm, xcb-keysyms, EGL, PulseAudio's client)."
        if [ "$1" = test ]; then say "The tests also use Xvfb, openbox, xdotool and RabbitMQ's server; without them they skip."; fi
        return 0
    fi
    # shellcheck disable=SC2086  # lists of names
    missing=$(missing_packages $wanted)
    missing=${missing% }
    if [ -z "$missing" ]; then return 0; fi
    case " $missing " in
    *" rabbitmq-server "*) installer=install_with_quiet_broker ;;
    *) installer=install_system_packages ;;
    esac
    # shellcheck disable=SC2086
    if $installer $missing; then return 0; fi
    say "These system packages are missing and could not be installed from here. Paste this line, then run the same"
    say "command again:"
    # shellcheck disable=SC2086
    paste_line $missing >&2
    if [ "$1" = test ]; then exit 1; fi
    say "Going on without them."
}
