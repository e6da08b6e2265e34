#!/usr/bin/env bash
# Renews the pins of the tests' tools: the newest releases that their requirements allow, with hashes, for Python 3.10 to 3.13.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=scripts/bootstrap.sh
source scripts/bootstrap.sh
command -v uv >/dev/null || fail "only uv can do this, and pip could not install it."

pin() { # FILE REQUIREMENTS, with those of the input
  uv pip compile -q --universal --python-version 3.10 --upgrade --generate-hashes --no-annotate --no-emit-index-url \
    --custom-compile-command tests/pin.sh --output-file "$1" "$2" -
}

for minor in 10 11 12 13; do
  echo "ansible-core==$(newest_core "3$minor").*; python_version == '3.$minor'"
done | pin tests/constraints.txt tests/requirements.txt
echo "ansible-core==2.16.*" | pin tests/constraints-oldest.txt tests/requirements-oldest.txt
