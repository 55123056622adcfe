#!/bin/sh
# The tests of examples need R, which runs and parses those in R. Debian's package is installed where there is none.
set -eu
command -v Rscript >/dev/null 2>&1 && exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "install R so that 'Rscript' is on the PATH: the tests of examples need it" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends r-base-core >/dev/null
