#!/bin/sh
# Renew the three hashed lock files from pyproject.toml. Needs uv (it is among the development packages).
# The set with every extra is solved first and holds the other two: what is tested is what a server installs.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --no-strip-extras \
        --python-version 3.11 pyproject.toml --extra browse --extra otel --group build "$@"
}
server="--extra postgres --extra kubernetes --extra s3 --extra aws"
compile $server -o requirements-server.lock
compile -c requirements-server.lock -o requirements.lock
compile $server --group dev -c requirements-server.lock -o requirements-dev.lock
