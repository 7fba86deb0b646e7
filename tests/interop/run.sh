#!/usr/bin/env bash
# Foreign implementations against ours. Needs the programs in target/debug, what install.sh needs, and Chromium with its
# driver. The ports are 8441 to 8445, 8450 to 8453 and 9515.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=target/interop
bin=target/debug
rm -rf "$folder"

source tests/interop/install.sh

# A program on a foreign library, which is no part of the workspace and takes the headers of the system's OpenSSL.
cargo build --quiet --locked --manifest-path tests/interop/openid/Cargo.toml --target-dir target/openid
cp target/openid/debug/openid_uma2 "$scripts"

$python tests/interop/batch.py "$bin/countersign"
"$bin/countersign-interop-tests" "$python" "$node" "$scripts"

pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT

# serve FOLDER NAME...: starts servers from their files, and waits until they listen.
serve() {
  local folder=$1 name program port
  shift
  for name; do
    case $name in
      uma-server | resource-server) program=$name ;;
      results-service) program=countersign-example-results-service ;;
      *) program=sts ;;
    esac
    "$bin/$program" "$folder/$name.toml" >"$folder/$name.log" 2>&1 &
    pids+=($!)
  done
  for name; do
    port=$(sed -n 's/^listen = "127.0.0.1:\([0-9]*\)"$/\1/p' "$folder/$name.toml")
    for _ in $(seq 100); do
      (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue 2
      sleep 0.1
    done
    echo "nothing listens on port $port" && cat "$folder/$name.log" && exit 1
  done
}

# Ends them.
rest() {
  kill "${pids[@]}"
  wait "${pids[@]}" || true
  pids=()
}

# From here on, the three programs from files of `countersign demo --write`.
"$bin/countersign" demo --write "$folder" >/dev/null
sed -i 's/^redirect_uris = \["http:\/\/127.0.0.1\/callback"\]$/&\npost_logout_redirect_uris = ["http:\/\/127.0.0.1\/gone"]/' "$folder/sts.toml"
serve "$folder" sts uma-server resource-server
$python tests/interop/requesting_party.py "$folder"
mkdir -p target/pages
$python tests/interop/browser.py "$folder" target/pages
rest

# Bob is asked, and told of it at an endpoint of his, and answers on his pages; he signs in at a provider of his own.
rm -rf "$folder"
"$bin/countersign" demo --write "$folder" >/dev/null
$python tests/interop/console.py prepare "$folder"
serve "$folder" idp sts uma-server resource-server
$python tests/interop/console.py "$folder" target/pages "$bin/countersign"
rest
$python tests/interop/letter.py target/pages "$bin/countersign"

# The dashboard of examples/results-service, with everybody that its own script starts.
npm="$node $(dirname "$node")/../lib/node_modules/npm/bin/npm-cli.js"
trusted() { sed -n 's/.*-spki-list=\([^ ]*\) .*/\1/p' "target/dashboard-$1.log"; }
for flow in 000 001; do
  log=target/dashboard-$flow.log
  NODE="$node" NPM="$npm" BUILT=1 examples/results-service/start "$flow" >"$log" 2>&1 &
  pids+=($!)
  for _ in $(seq 600); do
    grep -q '^Sign in ' "$log" && break
    kill -0 "${pids[0]}" 2>/dev/null || { cat "$log" && exit 1; }
    sleep 0.1
  done
  $python tests/interop/dashboard.py "$flow" "target/results-service/$flow" target/pages "$(trusted "$flow")"
  rest
done

# Once more with tokens of a second, and refresh tokens of a few: a session of the dashboard ends by itself.
folder=target/results-service/000
sed -i 's/^refresh = 28800$/refresh = 4/' "$folder/sts.toml"
printf '\n[lifetimes]\naccess_token = 1\n' >>"$folder/sts.toml"
serve "$folder" idp sts results-service
$python tests/interop/dashboard.py 000-by-time "$folder" target/pages "$(trusted 000)"
rest

# And with a new broker, where Alice has an account with the address that the University knows her by.
folder=target/results-service/001
rm -rf "$folder"/accounts "$folder"/broker.db*
sed -i '/^users = \[\]$/d; /^passwords = false$/d; s/^email_domains = \[\]$/email_domains = ["university.example"]/' "$folder/broker.toml"
{
  printf '\n[[users]]\nusername = "alice"\nsubject = "local-1001"\nname = "Alice Liddell"\n'
  printf 'email = "alice@university.example"\nemail_verified = true\n'
  grep '^password = ' "$folder/idp.toml"
} >>"$folder/broker.toml"
serve "$folder" idp college broker results-service
$python tests/interop/broker_pages.py "$folder" target/pages
