#!/bin/sh
# Runs every Maude row of the models and, with --all, Verifpal and ProVerif too (README.md says how to get them).
# Exits 0 when every row has the verdict its table expects.
set -eu
cd "$(dirname "$0")"
(cd maude && ./check.sh uma.maude uma.expect && ./check.sh propagation.maude propagation.expect)
[ "${1:-}" = --all ] || exit 0
verifpal/check.sh
(cd proverif && ./run.sh flow002.pv.in flow002.expect && ./run.sh flow004.pv.in flow004.expect)
