# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the database in sentences in which no password is left, in whatever form it was given."""

from __future__ import annotations

import pytest

from ansible_collections.intake.vms.plugins.plugin_utils.database.client import dsn_of, plain

URIS = ("s3cr3t", "s3c%40r3t", "s3c@r3t", "s3cr@3t", "@s3cr3t", "s3c/r3t", "s3c:r3t")


@pytest.mark.parametrize("password", URIS)
@pytest.mark.parametrize("said", ["{dsn}: nonsense", "cannot resolve {rest}127.0.0.1", "password {password} is wrong"])
def test_no_part_of_a_password_in_a_uri_is_said(password, said):
    dsn = f"postgresql://joe:{password}@127.0.0.1:1/inventory"
    text = plain(Exception(said.format(dsn=dsn, password=password, rest=f"{password.rpartition('@')[2]}@")), dsn)
    assert "r3t" not in text and "3t@" not in text and "s3c" not in text


@pytest.mark.parametrize(
    "dsn", ["host=db password=s3cr3t", "host=db password = 's3c r3t'", "password='s3c\\'r3t' host=db", "postgresql://joe@db/x?password=s3cr3t"]
)
def test_no_password_of_a_connection_string_is_said(dsn):
    assert "3t" not in plain(Exception(f"{dsn}: nonsense\nsecond line"), dsn)


def test_what_is_no_secret_is_said():
    assert plain(Exception("host db does not answer\nmore"), "host=db user=joe") == "host db does not answer"
    assert plain(KeyError(), "host=db") == "KeyError"
    assert "127.0.0.1" in plain(Exception("at 127.0.0.1 port 1"), "postgresql://joe:s3cr3t@127.0.0.1:1/x")


def test_where_the_database_is_said(monkeypatch):
    monkeypatch.setenv("INTAKE_INVENTORY_DSN", " host=environment ")
    assert (dsn_of("host=variable"), dsn_of(None), dsn_of("")) == ("host=variable", "host=environment", "host=environment")
    monkeypatch.setenv("INTAKE_INVENTORY_DSN", "  ")
    assert dsn_of(None) is None
