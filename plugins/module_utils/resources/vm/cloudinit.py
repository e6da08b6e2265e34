# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cloud-init is told: the three NoCloud documents from a few options, and the ISO image they travel in.

The documents are JSON, which is YAML, so a hypervisor needs no YAML library. They hold secrets: they are written to files
that only root reads, and what is shown of them are names and counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re

from ...errors import IntakeError, Refused
from ...files.transfer import partial_path
from ...host.programs import find, run
from . import iso

SPEC = {
    "hostname": {"type": "str"},
    "users": {"type": "list", "elements": "dict"},
    "ssh_authorized_keys": {"type": "list", "elements": "str", "no_log": False},  # public keys
    "packages": {"type": "list", "elements": "str"},
    "user_data": {"type": "raw"},
    "meta_data": {"type": "dict"},
    "network_config": {"type": "dict"},
    "storage": {"type": "str"},
}
SHORT_FORM = ("users", "ssh_authorized_keys", "packages")
LABEL = "cidata"
DOCUMENTS = ("user-data", "meta-data", "network-config")
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
HEADER = "#cloud-config\n"
HOSTNAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z")
WRITERS = ("xorrisofs", "genisoimage", "mkisofs")


def documents(options, name, uuid):
    """{"user-data", "meta-data", perhaps "network-config"}: text. Raises Refused for what cloud-init would not understand.

    The instance-id is the machine's UUID and a hash of the content: cloud-init does its once-per-instance work (users, keys,
    packages, network) again at the boot after a change, and only then. ssh host keys are kept through it.
    """
    check(options, name)
    user_data = options.get("user_data")
    if user_data is None:
        user_data = {**short_form(options, name), "ssh_deletekeys": False}
    text = user_data if isinstance(user_data, str) else HEADER + dump(user_data)
    network = options.get("network_config")
    network_text = dump(network) if network else None
    meta = {"local-hostname": hostname(options, name), **(options.get("meta_data") or {})}
    content = hashlib.sha256(repr((text, dump(meta), network_text)).encode("utf-8", "surrogateescape")).hexdigest()
    meta.setdefault("instance-id", f"{uuid}-{content[:8]}")
    found = {"user-data": text, "meta-data": dump(meta), "network-config": network_text}
    return {key: value for key, value in found.items() if value is not None}


def short_form(options, name):
    """A cloud-config of the short options."""
    config = {"hostname": hostname(options, name).split(".")[0], "manage_etc_hosts": True}
    if "." in hostname(options, name):
        config["fqdn"] = hostname(options, name)
    if options.get("users"):
        default = ["default"] if options.get("ssh_authorized_keys") else []  # cloud-init makes it only if a list of users names it
        config["users"] = default + [{"shell": "/bin/bash", **user} for user in options["users"]]
    for key in ("ssh_authorized_keys", "packages"):
        if options.get(key):
            config[key] = options[key]
    return config


def hostname(options, name):
    """The host name asked for, else one made of the machine's name."""
    if options.get("hostname"):
        return options["hostname"]
    return re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")[:63] or "vm"


def check(options, name):
    """Refuse contradictions and what cannot be meant."""
    where = f"vm {name}: cloud_init"
    both = [key for key in SHORT_FORM if options.get(key)]
    if options.get("user_data") is not None and both:
        raise Refused(f"{where}: user_data takes the place of {', '.join(both)}; say one or the other", "invalid_cloud_init")
    if not isinstance(options.get("user_data"), (str, dict, type(None))):
        raise Refused(f"{where}: user_data is a text or a dictionary", "invalid_cloud_init")
    if not HOSTNAME.match(hostname(options, name)):
        raise Refused(f"{where}: {options['hostname']!r} is not a host name", "invalid_hostname")
    for user in options.get("users") or ():
        if not user.get("name"):
            raise Refused(f"{where}: every user needs a name", "invalid_cloud_init")
    keys = list(options.get("ssh_authorized_keys") or ())
    for user in options.get("users") or ():
        keys += user.get("ssh_authorized_keys") or ()
    if any(not isinstance(key, str) or "\n" in key.strip() or " " not in key.strip() for key in keys):
        raise Refused(f"{where}: an ssh key is one line such as: ssh-ed25519 AAAA... comment", "invalid_ssh_key")
    network = options.get("network_config")
    if network and network.get("network", network).get("version") not in (1, 2):
        raise Refused(f"{where}: network_config needs version 1 or 2", "invalid_network_config")


def dump(data):
    """JSON with its keys in order, so that the same content is the same text."""
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"


def show(found):
    """What may be shown of documents: names and counts, and a short hash of what is not shown.

    The hash is salted with the instance-id of its own document set by being taken over all of it, so it says only whether
    two seeds are the same.
    """
    meta = loaded(found.get("meta-data"))
    config = loaded(found["user-data"][len(HEADER) :]) if found["user-data"].startswith(HEADER) else {}
    users = [user.get("name") if isinstance(user, dict) else user for user in config.get("users") or ()]
    shown = {
        "hostname": meta.get("local-hostname"),
        "users": users or None,
        "ssh_authorized_keys": len(config.get("ssh_authorized_keys") or ()) or None,
        "packages": config.get("packages"),
        "instance_id": meta.get("instance-id"),
    }
    return {key: value for key, value in shown.items() if value}


def loaded(text):
    """A document as a dict, {} where it is no JSON dict."""
    try:
        data = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def read_seed(path):
    """The documents of an existing seed, or None where there is none that can be read."""
    try:
        return iso.read_files(path) or None
    except (OSError, ValueError):
        return None


def write_seed(path, found):
    """Write the documents as an ISO 9660 image with the label cloud-init looks for; only its owner may read it.

    Raises IntakeError, reason `program_missing`, where no program that writes such images is installed.
    """
    writer = find(*WRITERS)
    if not writer:
        raise IntakeError("no program writes ISO images on this host; install the package xorriso", "program_missing")
    parts = {name: part_of(path, name) for name in found}
    try:
        for name, text in found.items():
            with open(os.open(parts[name], NEW, 0o600), "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
        os.close(os.open(path, NEW, 0o600))
        run([writer, "-quiet", "-o", path, "-V", LABEL, "-J", "-r", "-graft-points", *(graft_of(*one) for one in parts.items())])
    finally:
        discard_parts(path)


def part_of(path, document):
    """Where a document lies while the image at `path` is written: a partial file too, named so that the next run finds it."""
    return partial_path(os.path.dirname(path), f"{hashlib.sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.{document}")


def graft_of(document, part):
    """A file and its name in the image, as mkisofs(8) reads them."""
    return f"{document}=" + part.replace("\\", "\\\\").replace("=", "\\=")


def discard_parts(path):
    """Leave no document behind, also none of a run that was killed."""
    for document in DOCUMENTS:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part_of(path, document))
