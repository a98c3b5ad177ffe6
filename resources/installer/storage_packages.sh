#!/bin/sh
# What `make test-storage` needs: an object storage whose S3 interface verifies signatures. Nothing of it stays running.
set -eu
packages="swift-proxy swift-account swift-container swift-object memcached"
missing=
for package in $packages; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "make test-storage needs these packages of Debian or Ubuntu:$missing" >&2
    echo "    sudo apt-get install -y --no-install-recommends$missing" >&2
    echo "    sudo systemctl disable --now memcached swift-proxy swift-account swift-container swift-object" >&2
    exit 1
fi
# shellcheck disable=SC2086  # a list of names
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
if [ -d /run/systemd/system ]; then
    # shellcheck disable=SC2086  # the services are named like the packages
    systemctl disable --now $packages >/dev/null 2>&1 || true
fi
