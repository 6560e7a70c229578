#!/bin/sh
# The first process of the lab: makes its private corners, runs the command it is given, and collects orphans.
# What it mounts and starts is in namespaces of its own and ends with it.
set -eu

mkdir -p /run/netns /run/systemd/nspawn
mount -t tmpfs -o mode=755 lab /run/netns
mount -t tmpfs -o mode=755 lab /run/systemd/nspawn
# No name server of the machine can be reached from here; tests may write into this file.
resolv=$(mktemp)
mount --bind "$resolv" "$(readlink -f /etc/resolv.conf)"
rm "$resolv"
ip link set lo up

"$@" && code=0 || code=$?
exit "$code"
