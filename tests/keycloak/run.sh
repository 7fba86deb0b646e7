#!/usr/bin/env bash
# A Keycloak beside our provider: run by hand, and no part of the gate. Needs countersign-interop-tests in target/debug,
# what tests/interop/install.sh needs, and Java 17 or later with Maven, whose repository has the server.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=26.4.7
sha256=dd9834c023460be856f731423d86228c23b5d002194a2064642bec0cc6573eaa
folder=target/keycloak
mkdir -p "$folder"

archive="$folder/keycloak-quarkus-dist-$version.zip"
if [ ! -f "$archive" ]; then
  mvn --batch-mode --quiet dependency:copy -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" \
    -DoutputDirectory="$folder"
fi
echo "$sha256  $archive" | sha256sum --check --quiet
home="$PWD/$folder/keycloak-$version"
[ -d "$home" ] || python3 -m zipfile -e "$archive" "$folder"
chmod +x "$home"/bin/*.sh

source tests/interop/install.sh
cp tests/keycloak/*.mjs "$scripts"
KEYCLOAK_HOME=$home target/debug/countersign-interop-tests "$python" "$node" "$scripts" keycloak.mjs
