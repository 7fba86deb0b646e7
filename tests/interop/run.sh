#!/usr/bin/env bash
# Foreign implementations against the three programs, from files of `countersign demo --write`.
# Needs the programs in target/debug, python3 with venv, PyPI, and Chromium with its driver. The ports are 8441 to 8443
# and 9515.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=target/interop
bin=target/debug
rm -rf "$folder"

[ -x target/interop-venv/bin/pip ] || python3 -m venv target/interop-venv
target/interop-venv/bin/pip install --quiet --disable-pip-version-check -r tests/interop/requirements.txt

target/interop-venv/bin/python tests/interop/batch.py "$bin/countersign"

"$bin/countersign" demo --write "$folder" >/dev/null
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
for server in sts uma-server resource-server; do
  "$bin/$server" "$folder/$server.toml" 2>"$folder/$server.log" &
  pids+=($!)
done
for port in 8441 8442 8443; do
  for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue 2
    sleep 0.1
  done
  echo "nothing listens on port $port" && cat "$folder"/*.log && exit 1
done
target/interop-venv/bin/python tests/interop/requesting_party.py "$folder"
target/interop-venv/bin/python tests/interop/browser.py "$folder" target/sign-in.png
