#!/bin/sh
# The configurations of docs/web-server.md are held against real servers: Debian's packages, where they are missing.
set -eu
command -v nginx >/dev/null 2>&1 && command -v caddy >/dev/null 2>&1 && command -v apache2 >/dev/null 2>&1 && exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "install nginx (with gzip_static), caddy and apache2 so that they are on the PATH: the tests need them" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends nginx-light apache2-bin caddy >/dev/null
