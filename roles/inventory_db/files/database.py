# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles, database and rights of the inventory, from an order on stdin; answers on stdout, as JSON, which steps were needed.

Also whether the running server has read its files. PostgreSQL is given verifiers and never sees a password; whether one is still
right is told from the verifier it keeps.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from pathlib import Path

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")
ITERATIONS = 4096
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "10", "PGAPPNAME": "intake.vms"}
FILES = ("conf.d/intake_inventory.conf", "pg_hba.conf")
MIGHT = ("superuser", "createrole", "createdb", "replication", "bypassrls")

# Reading the files marks the settings that only wait for a restart, which is no error.
SERVER = """DO $$ BEGIN PERFORM count(*) FROM pg_file_settings; END $$;
SELECT json_build_object(
  'standby', pg_is_in_recovery(),
  'tls', current_setting('ssl') = 'on',
  'faults', (SELECT json_agg(said) FROM (
    SELECT format('%s line %s: %s', sourcefile, sourceline, error) AS said FROM pg_file_settings
      WHERE error NOT LIKE '%without restarting%' AND (name IS NULL OR name NOT IN (SELECT name FROM pg_settings WHERE pending_restart))
    UNION ALL SELECT format('pg_hba.conf line %s: %s', line_number, error) FROM pg_hba_file_rules WHERE error NOT LIKE '%cannot match because%') AS faults),
  'waiting', (SELECT json_agg(name) FROM pg_settings WHERE pending_restart AND name IN ('port', 'listen_addresses')),
  'folder', regexp_replace(current_setting('hba_file'), '[^/]*$', ''),
  'started', extract(epoch FROM pg_postmaster_start_time()),
  'loaded', extract(epoch FROM pg_conf_load_time()),
  'encoding', (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = :'database'),
  'rights', (SELECT json_agg(json_build_array(coalesce(rolname, ''), privilege_type))
    FROM pg_database CROSS JOIN aclexplode(coalesce(datacl, acldefault('d', datdba))) AS given LEFT JOIN pg_roles ON pg_roles.oid = grantee
    WHERE datname = :'database'),
  'roles', (SELECT json_object_agg(rolname, json_build_object('verifier', coalesce(rolpassword, ''), 'login', rolcanlogin, 'superuser', rolsuper,
    'createrole', rolcreaterole, 'createdb', rolcreatedb, 'replication', rolreplication, 'bypassrls', rolbypassrls,
    'member', (SELECT json_agg(quote_ident(above.rolname) ORDER BY above.rolname)
      FROM pg_auth_members JOIN pg_roles AS above ON above.oid = roleid WHERE member = pg_authid.oid)))
    FROM pg_authid WHERE rolname = ANY(string_to_array(:'names', ' '))));
"""
PUBLIC = """SELECT count(*) FROM pg_namespace CROSS JOIN aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
  WHERE nspname = 'public' AND grantee = 0 AND privilege_type = 'CREATE';
"""
QUIET = "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic';\n"
CREATE_ROLE = "CREATE ROLE :\"role\" LOGIN PASSWORD :'verifier';\n"
SET_PASSWORD = "ALTER ROLE :\"role\" LOGIN PASSWORD :'verifier';\n"
CREATE_DATABASE = "CREATE DATABASE :\"database\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';\n"
REVOKE = 'REVOKE ALL ON DATABASE :"database" FROM PUBLIC;\n'
REVOKE_SCHEMA = "REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n"
GRANT = {"CONNECT": 'GRANT CONNECT ON DATABASE :"database" TO :"role";\n', "CREATE": 'GRANT CREATE ON DATABASE :"database" TO :"role";\n'}


def main():
    """Read all, plan all, apply unless check mode."""
    order = json.load(sys.stdin)
    names = [order["database"], *order["passwords"]]
    if not all(NAME.fullmatch(name) for name in names):
        sys.exit("inventory_db: names of the database and its roles are lower-case letters, digits and _")
    have = read(order)
    refuse(order, have)
    steps = plan(order, have)
    if not order["check"]:
        for _said, database, text, values in steps:
            psql(order, text, database, values)
    print(json.dumps({"steps": [said for said, _database, _text, _values in steps], "unread": unread(have)}))


def psql(order, text, database="postgres", values=None):
    """What psql says. Values are its variables and quoted by it; they and the statements go by stdin, where nobody sees them."""
    lines = "".join(f"\\set {name} '{value}'\n" for name, value in (values or {}).items())
    command = ["psql", "--cluster", order["cluster"], "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database]
    command += ["--port", str(order["port"])] if order["port"] else []
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    done = subprocess.run(command, input=QUIET + lines + text, cwd="/", env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"inventory_db: PostgreSQL said: {VERIFIER.sub('***', done.stderr).strip()}")
    return done.stdout.strip()


def read(order):
    """The roles with their verifiers, the database and who has rights on it."""
    have = json.loads(psql(order, SERVER, values=named(order, names=" ".join(order["passwords"]))))
    have["roles"], have["rights"] = have["roles"] or {}, [tuple(right) for right in have["rights"] or ()]
    have["public"] = bool(have["encoding"]) and psql(order, PUBLIC, order["database"]) != "0"
    return have


def named(order, **more):
    """Variables of psql."""
    return {"database": order["database"], **more}


def refuse(order, have):
    """End before anything has moved."""
    if have["standby"]:
        sys.exit(f"inventory_db: the cluster {order['cluster']} is a standby; run the role on its primary")
    if order["needs_tls"] and not have["tls"]:
        sys.exit(
            "inventory_db: networks are admitted with TLS only, and this server has none (ssl is off, or its certificate could not be read); "
            "set inventory_db_ssl_certificate and inventory_db_ssl_key, or inventory_db_require_ssl: false"
        )
    if have["faults"]:
        sys.exit(f"inventory_db: the cluster would not start again with its files: {'; '.join(have['faults'])}")
    if have["encoding"] not in (None, "UTF8"):
        sys.exit(f"inventory_db: the database {order['database']} has the encoding {have['encoding']}, needed is UTF8; name another database")
    for name, role in sorted(have["roles"].items()):
        refuse_powers(name, [word for word in MIGHT if role[word]], role["member"])


def refuse_powers(name, might, member):
    """A role that may more than the inventory needs is there for something else: whether it loses that is not for us to say."""
    if might:
        away = f"ALTER ROLE {name} {' '.join(f'NO{word.upper()}' for word in might)}"
        sys.exit(f"inventory_db: the role {name} has {', '.join(might)}, so it is there for more than the inventory; name another role, or say {away}")
    if member:
        away = f"REVOKE {', '.join(member)} FROM {name}"
        sys.exit(f"inventory_db: the role {name} is a member of {', '.join(member)}, so it may more than the inventory needs; name another role, or say {away}")


def unread(have):
    """Which of the files that the role writes the running server has not taken in: those of a run that did not come to its end."""
    written = {name: Path(have["folder"], name).stat().st_mtime for name in FILES if Path(have["folder"], name).exists()}
    settings, rules = (written.get(name, 0) for name in FILES)
    restart = bool(have["waiting"]) and settings > have["started"]
    return {"restart": restart, "reload": not restart and max(settings, rules) > have["loaded"]}


def plan(order, have):
    """[(what is said, database, statements, values)]: roles, the database, rights."""
    steps = []
    for name, password in order["passwords"].items():
        role = have["roles"].get(name)
        if role is None or not role["login"] or not matches(role["verifier"], password):
            said = f"role {name}" if role is None else f"login and password of role {name}"
            steps.append((said, "postgres", SET_PASSWORD if role else CREATE_ROLE, {"role": name, "verifier": verifier(password)}))
    if not have["encoding"]:
        steps.append((f"database {order['database']}", "postgres", CREATE_DATABASE + REVOKE, named(order)))
        steps.append(("rights of PUBLIC on the schema public taken away", order["database"], REVOKE_SCHEMA, {}))
    elif any(not name for name, _right in have["rights"]):
        steps.append((f"rights of PUBLIC on the database {order['database']} taken away", "postgres", REVOKE, named(order)))
    if have["public"]:
        steps.append(("rights of PUBLIC on the schema public taken away", order["database"], REVOKE_SCHEMA, {}))
    for name in order["passwords"]:
        for right in ("CONNECT", "CREATE") if name == order["owner"] else ("CONNECT",):
            if (name, right) not in have["rights"]:
                steps.append((f"right of {name}: {right}", "postgres", GRANT[right], named(order, role=name)))
    return steps


def keys(password, salt, iterations):
    """(stored key, server key) of RFC 5802. Passwords are ASCII, which SASLprep leaves as it is."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client, server = (hmac.new(salted, text, hashlib.sha256).digest() for text in (b"Client Key", b"Server Key"))
    return hashlib.sha256(client).digest(), server


def verifier(password):
    """A new one, in the form PostgreSQL keeps."""
    salt = os.urandom(16)
    texts = [base64.b64encode(value).decode() for value in (salt, *keys(password, salt, ITERATIONS))]
    return "SCRAM-SHA-256${}:{}${}:{}".format(ITERATIONS, *texts)


def matches(kept, password):
    """True where the kept verifier is that of the password."""
    found = VERIFIER.fullmatch(kept)
    if not found:
        return False
    stored, _server = keys(password, base64.b64decode(found[2]), int(found[1]))
    return hmac.compare_digest(stored, base64.b64decode(found[3]))


if __name__ == "__main__":
    main()
