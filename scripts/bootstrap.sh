# shellcheck shell=bash
# Prepares a machine for the collection's own commands; sourced by them, from the root of a clone.
#
#   BOOTSTRAP_PACKAGES      distribution packages that are needed beside Python
#   BOOTSTRAP_REQUIREMENTS  files of Python requirements beside ansible-core
#   BOOTSTRAP_PINS          instead of them a file of tests/pin.sh, which has them and ansible-core with their hashes
#   BOOTSTRAP_CORE          a version of ansible-core, such as 2.16; by default the newest that is supported and runs here
#
# Afterwards `as_root` runs a command as root, `ansible-playbook` and the rest are on PATH, and ANSIBLE_COLLECTIONS_PATH
# shows this clone as the collection. A second run finds everything there and costs less than a second.

say() { printf '%s\n' "$*"; }
fail() { printf 'Sorry: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@" 2>/dev/null || sudo "$@"; fi
}

install_packages() {
  local missing=() package
  for package in python3 python3-venv python3-libvirt ${BOOTSTRAP_PACKAGES:-}; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || fail "this command installs packages with apt; elsewhere install libvirt, QEMU, python3-libvirt and ansible-core yourself and use the playbooks."
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "packages are missing (${missing[*]}); run this as root, or install sudo."
  say "Installing packages of the distribution: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 update >/dev/null || fail "apt-get update failed; is the machine online?"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null ||
    fail "apt-get could not install ${missing[*]}."
}

newest_core() { # PYTHON, such as 311
  case "$1" in
    308 | 309) fail "ansible-core 2.16 and newer need Python 3.10; this machine has an older one." ;;
    310) echo 2.17 ;;
    *) echo 2.19 ;;
  esac
}

make_environment() { # FOLDER
  local folder="$1" core wanted stamp file arguments
  core="${BOOTSTRAP_CORE:-$(newest_core "$(/usr/bin/python3 -c 'import sys; print("%d%02d" % sys.version_info[:2])')")}" || exit
  wanted="$(for file in ${BOOTSTRAP_REQUIREMENTS:-} ${BOOTSTRAP_PINS:-}; do cat "$file"; done; echo "$core")"
  stamp="$folder/stamp-$(printf '%s' "$wanted" | sha256sum | cut -c1-16)"
  [ -e "$stamp" ] && return 0
  say "Making a Python environment with ansible-core $core in $folder"
  arguments=("ansible-core==$core.*")
  for file in ${BOOTSTRAP_REQUIREMENTS:-}; do arguments+=(-r "$file"); done
  if [ -n "${BOOTSTRAP_PINS:-}" ]; then # anew, so that nothing is there but what is pinned
    arguments=(--require-hashes -r "$BOOTSTRAP_PINS")
    [ ! -e "$folder" ] || as_root rm -rf "$folder"
  fi
  mkdir -p "$(dirname "$folder")"
  [ -x "$folder/bin/python" ] || /usr/bin/python3 -m venv --system-site-packages "$folder" || fail "python3 -m venv failed."
  if "$folder/bin/python" -m pip install -q --disable-pip-version-check uv >/dev/null 2>&1; then
    "$folder/bin/uv" pip install -q --python "$folder/bin/python" "${arguments[@]}" 2>/dev/null && touch "$stamp" && return 0
  fi
  "$folder/bin/python" -m pip install -q --disable-pip-version-check "${arguments[@]}" || fail "pip could not install ${arguments[*]}."
  touch "$stamp"
}

show_collection() {
  mkdir -p "$1/ansible_collections/intake"
  ln -sfn "$PWD" "$1/ansible_collections/intake/vms"
}

BOOTSTRAP_HOME="${XDG_CACHE_HOME:-$HOME/.cache}/intake.vms/$(printf '%s' "$PWD" | sha256sum | cut -c1-12)"
install_packages
BOOTSTRAP_VENV="$BOOTSTRAP_HOME/venv${BOOTSTRAP_CORE:+-$BOOTSTRAP_CORE}${BOOTSTRAP_PINS:+-pinned}"
make_environment "$BOOTSTRAP_VENV"
show_collection "$BOOTSTRAP_HOME/collections"
export BOOTSTRAP_HOME
export ANSIBLE_COLLECTIONS_PATH="$BOOTSTRAP_HOME/collections"
# Only the environment and the system: version managers put wrappers on PATH that answer for Pythons that are not there.
export PATH="$BOOTSTRAP_VENV/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
