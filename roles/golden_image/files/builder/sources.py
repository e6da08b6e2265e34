# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which apt sources an image is built from: those of the host, for the release asked for."""

from __future__ import annotations

import glob
import os
import subprocess

KEYRINGS = {
    "Debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "Ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
}
COMPONENTS = {"Debian": "main", "Ubuntu": "main universe"}
SUFFIXES = ("", "-updates", "-security")


def apt_lines(wanted):
    """Lines for sources.list: the lines given, those of the mirror given, or the host's own."""
    if wanted["sources"]:
        return wanted["sources"]
    keyring = wanted["keyring"] or KEYRINGS[wanted["distribution"]]
    if wanted["mirror"]:
        pairs = mirror_pairs(wanted)
    else:
        pairs = list(host_pairs(wanted))
    signers = {} if wanted["keyring"] else host_signers()
    return [line(uri, suite, signers.get((uri.rstrip("/"), suite), keyring), wanted) for uri, suite in pairs]


def line(uri, suite, keyring, wanted):
    """One line of sources.list, bound to its keyring."""
    return f"deb [signed-by={keyring}] {uri} {suite} {COMPONENTS[wanted['distribution']]}"


def mirror_pairs(wanted):
    """(URI, suite) for a mirror named by the administrator; Debian keeps security updates in an archive of their own."""
    release, security = wanted["release"], wanted["security_mirror"]
    pairs = [(wanted["mirror"], release), (wanted["mirror"], f"{release}-updates")]
    if wanted["distribution"] == "Ubuntu":
        pairs.append((security or wanted["mirror"], f"{release}-security"))
    elif security:
        pairs.append((security, f"{release}-security"))
    return pairs


def host_pairs(wanted):
    """(URI, suite) of the distribution's own archives in the host's apt, moved to the release asked for."""
    form = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    known = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    archives = {tuple(entry.split("|")) for entry in known}
    mine = {(uri, suite) for origin, uri, suite in archives if origin == wanted["distribution"]}
    pairs = {
        (uri, wanted["release"] + suffix)
        for uri, suite in mine
        for suffix in SUFFIXES
        if suite == wanted["host_release"] + suffix
    }
    if not any(suite == wanted["release"] for _uri, suite in pairs):
        raise SystemExit(
            f"golden_image: the apt of this host knows no {wanted['distribution']} archive of {wanted['host_release']};"
            " run apt-get update, or set golden_image_mirror (and golden_image_keyring)"
        )
    return sorted(pairs, key=lambda pair: (pair[1], pair[0]))


def host_signers():
    """(URI, suite) -> keyring file, as far as the host's sources name one."""
    signers = {}
    for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")]:
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                entries = stanzas(file.read()) if path.endswith(".sources") else one_liners(file.read())
            signers.update(entries)
    return signers


def stanzas(text):
    """Signers in the deb822 style; a key written into the file itself has no path and is left out."""
    for block in text.split("\n\n"):
        rows = [row.split(":", 1) for row in block.splitlines() if ":" in row and not row.startswith(("#", " "))]
        fields = {key.strip().lower(): value.strip() for key, value in rows}
        if fields.get("signed-by", "").startswith("/"):
            for uri in fields.get("uris", "").split():
                for suite in fields.get("suites", "").split():
                    yield (uri.rstrip("/"), suite), fields["signed-by"]


def one_liners(text):
    """Signers in the one-line style."""
    for row in text.splitlines():
        if row.startswith("deb ") and "signed-by=" in row:
            options, rest = row[4:].split("]", 1)
            uri, suite = rest.split()[:2]
            yield (uri.rstrip("/"), suite), options.split("signed-by=", 1)[1].split()[0]
