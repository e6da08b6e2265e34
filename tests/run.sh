#!/usr/bin/env bash
# The tests, from nothing: prepares the machine, runs the stages named as arguments (STAGES without any, ALL for "all"), sums up in the last line.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

STAGES=(lint sanity unit oldest integration runner molecule lab)
ALL=(lint sanity unit oldest integration runner molecule lab_all nfs)
ON_REQUEST=(lab_all nfs coverage) # slow, so only by name
BOOTSTRAP_PINS=tests/constraints.txt
BOOTSTRAP_PACKAGES="libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils
 e2fsprogs xfsprogs btrfs-progs dosfstools mtools fdisk parted lvm2 mdadm cryptsetup-bin xorriso zstd xz-utils virtinst
 ovmf swtpm swtpm-tools mmdebstrap cpio iproute2 git openssh-client shellcheck sudo postgresql"
# shellcheck source=scripts/bootstrap.sh
source scripts/bootstrap.sh

OUTPUT="$BOOTSTRAP_HOME/test-output"
PASSED=0 FAILED=0 SKIPPED=0 STARTED=() ROWS=()
PYTEST=(python -m pytest)
rm -f "$OUTPUT"/*.xml
mkdir -p "$OUTPUT"
export ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_INVENTORY_UNPARSED_WARNING=0 ANSIBLE_NOCOLOR=1 PY_COLORS=0 LC_ALL=C.UTF-8

# --- what a stage is made of -------------------------------------------------------------------------------------------

check() { # a tool that passes or fails as one
  local name="$1" log="$OUTPUT/$1.log"
  shift
  if "$@" >"$log" 2>&1; then
    PASSED=$((PASSED + 1)) && say "  ok      $name"
  else
    FAILED=$((FAILED + 1)) && say "  FAILED  $name: $*" && tail -n 60 "$log"
  fi
}

tests() { # pytest, each test counted
  local name="$1" code
  shift
  as_root env PATH="$PATH" HOME="$HOME" ANSIBLE_COLLECTIONS_PATH="$ANSIBLE_COLLECTIONS_PATH" PYTHONPATH="$ANSIBLE_COLLECTIONS_PATH" \
    LC_ALL=C.UTF-8 "${PYTEST[@]}" -q -p no:cacheprovider --junit-xml="$OUTPUT/$name.xml" "$@"
  code=$?
  add "$name" $code
}

add() { # NAME CODE: the tests in its JUnit file, or one failure where pytest did not come to its end
  local counts
  if [ -e "$OUTPUT/$1.xml" ] && [ "$2" -le 1 ] && read -r -a counts < <(python tests/report.py count "$OUTPUT/$1.xml"); then
    PASSED=$((PASSED + counts[0])) FAILED=$((FAILED + counts[1])) SKIPPED=$((SKIPPED + counts[2]))
  else
    FAILED=$((FAILED + 1))
  fi
}

perform() { # STAGE: with a row for the table
  local start=$SECONDS passed=$PASSED failed=$FAILED skipped=$SKIPPED
  say "--- $1"
  "stage_$1"
  say "--- $1 took $((SECONDS - start)) s"
  ROWS+=("$1 $((SECONDS - start)) $((PASSED - passed)) $((FAILED - failed)) $((SKIPPED - skipped))")
}

# --- the machine -------------------------------------------------------------------------------------------------------

answers() { as_root virsh -q -c qemu:///system uri >/dev/null 2>&1; }

start_daemon() { # NAME: without systemd; its process ends with the tests
  local pid_file="$OUTPUT/$1.pid"
  as_root python3 tests/reaper.py "/usr/sbin/$1" -d -p "$pid_file" && STARTED+=("$pid_file")
}

start_libvirt() {
  mend_kvm
  answers && return 0
  if [ -d /run/systemd/system ]; then
    as_root systemctl start virtlogd.socket libvirtd.socket libvirtd.service
  else
    say "Starting virtlogd and libvirtd for the tests"
    start_daemon virtlogd
    start_daemon libvirtd
  fi
  for _try in $(seq 50); do answers && return 0; sleep 0.2; done
  fail "libvirtd does not answer on qemu:///system."
}

mend_kvm() { # without udev the device may be root's alone; libvirt then probes QEMU anew at each call
  if [ -c /dev/kvm ] && getent group kvm >/dev/null && [ "$(stat -c %G /dev/kvm)" != kvm ]; then
    as_root chgrp kvm /dev/kvm && as_root chmod 660 /dev/kvm
  fi
}

stop_started() {
  local pid_file
  for pid_file in "${STARTED[@]}"; do
    as_root kill "$(as_root cat "$pid_file")" 2>/dev/null
  done
}
trap stop_started EXIT

# --- the stages --------------------------------------------------------------------------------------------------------

stage_lint() {
  check ruff ruff check --no-cache .
  check yamllint yamllint --strict .
  check ansible-lint ansible-lint --offline --profile production
  check antsibull-docs antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=all --disallow-unknown-collection-refs .
  check changelog antsibull-changelog lint
  check builder ansible-builder introspect --sanitize .
}

get_pip() { # ansible-test fetches get-pip; where its server is out of reach, pip's own wheel does the same
  local cache="$HOME/.ansible/test/cache" version
  mkdir -p "$cache"
  for version in 23_1_2 24_2 25_2; do
    [ -e "$cache/get_pip_$version.py" ] || cp tests/get_pip.py "$cache/get_pip_$version.py"
  done
}

stage_sanity() { # in a copy, since ansible-test wants the collection's real path
  local copy="$OUTPUT/sanity/ansible_collections/intake/vms"
  python - "https://ci-files.testing.ansible.com" <<'PYTHON' || get_pip
import sys
import urllib.error
import urllib.request

try:
    urllib.request.urlopen(sys.argv[1], timeout=3)
except urllib.error.HTTPError:
    pass
except OSError:
    sys.exit(1)
PYTHON
  rm -r "$OUTPUT/sanity" 2>/dev/null
  mkdir -p "$copy"
  git ls-files -z -co --exclude-standard | xargs -0 cp --parents -t "$copy"
  check sanity env -C "$copy" ansible-test sanity --color no --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
}

stage_unit() { tests unit tests/unit -n 2; }

stage_oldest() { # where this Python runs it
  if python -c 'import sys; sys.exit(sys.version_info[:2] > (3, 12))'; then
    check ansible-core-2.16 bash tests/oldest.sh
  else
    SKIPPED=$((SKIPPED + 1)) && say "  skipped ansible-core-2.16: it does not run on this Python"
  fi
}

stage_integration() { start_libvirt; tests integration tests/integration -n 2 --dist loadfile; }

stage_runner() { start_libvirt; tests runner tests/runner; }

molecule_test() { # SCENARIO [FLAGS]
  as_root env -C extensions PATH="$PATH" HOME="$HOME" ANSIBLE_COLLECTIONS_PATH="$ANSIBLE_COLLECTIONS_PATH" LC_ALL=C.UTF-8 molecule test -s "$@"
}

stage_lab() { tests lab tests/lab -m core -n "$(labs)" --dist loadfile; } # on NFS 4.2: a mount, a server that is gone, a live migration, a power cut

labs() { # how many may run beside each other: each has two hosts of 2 GiB, and a core's worth of work
  awk '/^MemAvailable/ { print ($2 > 12 * 1024 * 1024 ? 2 : 1) }' /proc/meminfo
}

stage_lab_all() { # where this machine cannot run a lab (77), its tests skip themselves and the scenario is skipped here
  local log="$OUTPUT/lab-image.log" code=0
  tests lab_all tests/lab -n "$(labs)" --dist loadfile
  as_root env PATH="$PATH" HOME="$HOME" python -B tests/lab/lab.py image >"$log" 2>&1 || code=$?
  if [ $code -eq 77 ]; then
    say "  skipped molecule-lab: $(tail -n 1 "$log")"
  else
    check molecule-lab molecule_test shared_storage
  fi
}

stage_nfs() { # what tests/integration says of storages, on NFS 4.2 and 3
  local code=0 version
  as_root env PATH="$PATH" HOME="$HOME" LC_ALL=C.UTF-8 python -B tests/lab/suite.py --results "$OUTPUT" || code=$?
  if [ $code -eq 77 ]; then
    say "  skipped: this machine cannot run a lab"
  else
    for version in 4.2 3; do add "nfs-$version" 0; done
  fi
}

stage_molecule() { start_libvirt; check molecule molecule_test provision --destroy never; }

# shellcheck source=tests/coverage.sh
source tests/coverage.sh

# -----------------------------------------------------------------------------------------------------------------------

[ $# -gt 0 ] || set -- "${STAGES[@]}"
[ "$*" != all ] || set -- "${ALL[@]}"
for stage in "$@"; do
  declare -F "stage_$stage" >/dev/null || fail "there is no stage $stage; there are: ${STAGES[*]} ${ON_REQUEST[*]}, and all"
done
for stage in "$@"; do perform "$stage"; done
say ""
python tests/report.py table "$OUTPUT" "${ROWS[@]}"
say ""
say "$PASSED passed, $FAILED failed"
[ "$FAILED" -eq 0 ]
