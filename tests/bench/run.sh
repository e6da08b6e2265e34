#!/usr/bin/env bash
# The benchmark: prepares its tools as the test command does, then measures.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/bootstrap.sh
BOOTSTRAP_REQUIREMENTS="tests/requirements.txt tests/bench/requirements.txt"
source scripts/bootstrap.sh
exec python tests/bench/bench.py "$@"
