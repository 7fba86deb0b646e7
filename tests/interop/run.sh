#!/usr/bin/env bash
# Foreign implementations against ours. Needs the programs in target/debug, what install.sh needs, and Chromium with its
# driver. The ports are 8441 to 8443, 8450 to 8453 and 9515.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=target/interop
bin=target/debug
rm -rf "$folder"

source tests/interop/install.sh

$python tests/interop/batch.py "$bin/countersign"
"$bin/countersign-interop-tests" "$python" "$node" "$scripts"

# From here on, the three programs from files of `countersign demo --write`.

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
$python tests/interop/requesting_party.py "$folder"
mkdir -p target/pages
$python tests/interop/browser.py "$folder" target/pages

# The dashboard of examples/results-service, with everybody that its own script starts.
npm="$node $(dirname "$node")/../lib/node_modules/npm/bin/npm-cli.js"
for flow in 000 001; do
  log=target/dashboard-$flow.log
  NPM="$npm" BUILT=1 examples/results-service/start "$flow" >"$log" 2>&1 &
  starter=$!
  pids+=("$starter")
  for _ in $(seq 600); do
    grep -q '^Open ' "$log" && break
    kill -0 "$starter" 2>/dev/null || { cat "$log" && exit 1; }
    sleep 0.1
  done
  $python tests/interop/dashboard.py "$flow" "target/results-service/$flow" target/pages
  kill "$starter"
  wait "$starter" || true
done
