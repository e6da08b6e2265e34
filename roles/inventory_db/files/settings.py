# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether PostgreSQL will take settings with which it would else not start again: an order on stdin, run as its user."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import ssl
import stat
import sys


def main():
    """Ends with a sentence about the first that would fail."""
    order = json.load(sys.stdin)
    try:
        for network in order["networks"]:
            ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        sys.exit(f"inventory_db_networks: {error}")
    if order["certificate"]:
        certificate(order["certificate"], order["key"])
    if order["port"]:
        port(int(order["port"]))


def certificate(path, key):
    """Both are readable, belong together, and nobody else can read the key (PostgreSQL wants it so)."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, key, password=lambda: "")
        found = os.stat(key)
    except (OSError, ValueError) as error:
        sys.exit(f"inventory_db_ssl_certificate and inventory_db_ssl_key: the user postgres cannot use {path} with {key}: {error}")
    if found.st_uid not in (0, os.geteuid()) or stat.S_IMODE(found.st_mode) & (0o037 if found.st_uid == 0 else 0o077):
        sys.exit(f"inventory_db_ssl_key: {key} is to belong to postgres with mode 0600, or to root with mode 0640")


def port(number):
    """Free, so that the cluster can have it."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", number))
        except (OSError, OverflowError) as error:
            sys.exit(f"inventory_db_port: {number} cannot be had: {error}")


if __name__ == "__main__":
    main()
