#!/bin/sh
# Renew the two hashed lock files from pyproject.toml. Needs uv (it is among the development packages).
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --no-strip-extras \
        --python-version 3.11 pyproject.toml --extra browse --extra otel --group build "$@"
}
compile -o requirements.lock
compile --group dev -c requirements.lock -o requirements-dev.lock
