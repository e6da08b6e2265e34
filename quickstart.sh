#!/usr/bin/env bash
# From a clone to a running virtual machine, and back.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ./quickstart.sh [--network NAME] [--image-url URL] [--ssh-key FILE] [--verbose]
       ./quickstart.sh --remove [--verbose]
       ./quickstart.sh --run COMMAND...

Makes this machine a hypervisor, then a storage, an image, a volume and a virtual machine; boots it, waits until its
guest agent answers, and shows what there is. Running it again changes nothing.

  --network NAME    connect it to this libvirt network, such as default, which must be active; otherwise to QEMU's
                    user-mode network, where it can reach out and nobody can reach it
  --image-url URL   download a cloud image instead of building one from the distribution's packages
  --ssh-key FILE    a public key that may log in as the image's user (debian), over a network of --network
  --verbose         show Ansible's own output in full
  --remove          take the machine, its disks, the volume, the image and the storage away again
  --run COMMAND...  run a command with this clone's Ansible and collection, such as: --run ansible-doc intake.vms.intake_vm
TEXT
}

mistaken() {
  printf 'quickstart.sh: %s (./quickstart.sh --help lists the options)\n' "$*" >&2
  exit 2
}

value() { # the flag, and what follows it
  case "${2:-}" in
    "" | --*) mistaken "$1 needs a value" ;;
  esac
}

state=present verbose=() command=()
export QUICKSTART_NETWORK="" QUICKSTART_IMAGE_URL="" QUICKSTART_SSH_KEY=""
while [ $# -gt 0 ]; do
  case "$1" in
    --remove) state=absent ;;
    --network) value "$@" && QUICKSTART_NETWORK="$2" && shift ;;
    --image-url) value "$@" && QUICKSTART_IMAGE_URL="$2" && shift ;;
    --ssh-key)
      value "$@"
      [ -r "$2" ] || mistaken "--ssh-key: there is no file $2 that can be read"
      QUICKSTART_SSH_KEY="$(cat "$2")" && shift
      ;;
    --verbose) verbose=(-v) && QUICKSTART_CALLBACK=default ;;
    --run)
      shift
      [ $# -gt 0 ] || mistaken "--run needs a command"
      command=("$@") && break
      ;;
    -h | --help) usage && exit 0 ;;
    *) mistaken "does not know $1" ;;
  esac
  shift
done

started="$PWD" BOOTSTRAP_PACKAGES="" BOOTSTRAP_REQUIREMENTS=""
cd "$(dirname "$0")"
# shellcheck source=scripts/bootstrap.sh
source scripts/bootstrap.sh
export ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_INVENTORY_UNPARSED_WARNING=0 ANSIBLE_DISPLAY_SKIPPED_HOSTS=0

if [ ${#command[@]} -gt 0 ]; then
  cd "$started"
  exec "${command[@]}"
fi

# root needs no become, and perhaps has no sudo; a user's sudo may want a password
become=() QUICKSTART_BECOME=" -b"
if [ "$(id -u)" -eq 0 ]; then
  become=(-e ansible_become=false) QUICKSTART_BECOME=""
elif ! sudo -n true 2>/dev/null; then
  say "sudo wants your password, which Ansible now asks for:"
  become=(--ask-become-pass) QUICKSTART_BECOME=" -b -K"
fi
export QUICKSTART_BECOME ANSIBLE_STDOUT_CALLBACK="${QUICKSTART_CALLBACK:-intake.vms.plain}"
start=$SECONDS
ansible-playbook -i localhost, -e ansible_python_interpreter=/usr/bin/python3 -e "quickstart_state=$state" \
  "${become[@]}" "${verbose[@]}" playbooks/quickstart.yml
say "Done in $((SECONDS - start)) s."
if [ "$state" = absent ]; then
  say "What stays: the packages of the distribution (libvirt, QEMU and their like; apt-get autoremove knows them),"
  say "and the Python environment in $BOOTSTRAP_HOME (remove that folder when you no longer need it)."
fi
