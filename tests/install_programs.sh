#!/bin/sh
# Programs that the tests drive and no wheel brings: those that are missing are installed from Debian, all at once.
set -eu
missing="" packages=""
want() { # a program, and the packages that bring it
    command -v "$1" >/dev/null 2>&1 && return
    missing="$missing $1"
    shift
    packages="$packages $*"
}
want chromium chromium fonts-dejavu-core # the browser tests
want nginx nginx-light                   # docs/web-server.md is held against these three
want apache2 apache2-bin
want caddy caddy
want Rscript r-base-core # examples in R
[ -n "$packages" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "the tests need these on the PATH:$missing (nginx with gzip_static)" >&2
    exit 1
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $packages >/dev/null
