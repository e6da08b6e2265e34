#!/usr/bin/env bash
# From a clone to a running virtual machine, and back.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  cat <<'TEXT'
usage: ./quickstart.sh [--remove] [--network NAME] [--image-url URL] [--ssh-key FILE] [--verbose]

Makes this machine a hypervisor, then a storage, an image, a volume and a virtual machine; boots it, waits until its
guest agent answers, and shows what there is. Running it again changes nothing.

  --remove          take the machine, its disks, the volume, the image and the storage away again
  --network NAME    connect it to this libvirt network, such as default; otherwise to QEMU's user-mode network
  --image-url URL   download a cloud image instead of building one from the distribution's packages
  --ssh-key FILE    a public key that may log in
  --verbose         show Ansible's own output in full
TEXT
}

BOOTSTRAP_PACKAGES="" BOOTSTRAP_REQUIREMENTS=""
variables=() state=present verbose=()
while [ $# -gt 0 ]; do
  case "$1" in
    --remove) state=absent ;;
    --network) variables+=(-e "quickstart_network=${2:?--network needs a name}") && shift ;;
    --image-url) variables+=(-e "quickstart_image_url=${2:?--image-url needs a URL}") && shift ;;
    --ssh-key) variables+=(-e "{\"quickstart_ssh_keys\": [\"$(cat "${2:?--ssh-key needs a file}")\"]}") && shift ;;
    --verbose) verbose=(-v) && export QUICKSTART_CALLBACK=default ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

# shellcheck source=scripts/bootstrap.sh
source scripts/bootstrap.sh
export ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_INVENTORY_UNPARSED_WARNING=0 ANSIBLE_DISPLAY_SKIPPED_HOSTS=0
export ANSIBLE_STDOUT_CALLBACK="${QUICKSTART_CALLBACK:-intake.vms.plain}"
export QUICKSTART_ANSIBLE="ANSIBLE_COLLECTIONS_PATH=$ANSIBLE_COLLECTIONS_PATH $BOOTSTRAP_HOME/venv/bin/ansible"

# become is only needed, and sudo may only be there, for a user who is not root
if [ "$(id -u)" -eq 0 ]; then variables+=(-e ansible_become=false); fi
start=$SECONDS
ansible-playbook -i localhost, -e ansible_python_interpreter=/usr/bin/python3 -e "quickstart_state=$state" \
  "${variables[@]}" "${verbose[@]}" playbooks/quickstart.yml
say "Done in $((SECONDS - start)) s."
if [ "$state" = absent ]; then
  say "What stays: the packages of the distribution (libvirt, QEMU and their like; apt-get autoremove knows them),"
  say "and the Python environment in $BOOTSTRAP_HOME (remove that folder when you no longer need it)."
fi
