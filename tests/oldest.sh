#!/usr/bin/env bash
# The unit tests and the syntax of the playbooks with the oldest ansible-core that is supported.
set -euo pipefail
cd "$(dirname "$0")/.."

BOOTSTRAP_CORE=2.16 BOOTSTRAP_PINS=tests/constraints-oldest.txt
# shellcheck source=scripts/bootstrap.sh
source scripts/bootstrap.sh
export PYTHONPATH="$ANSIBLE_COLLECTIONS_PATH"
python -m pytest -q -p no:cacheprovider tests/unit
for playbook in playbooks/*.yml; do ansible-playbook --syntax-check -i localhost, "$playbook"; done
