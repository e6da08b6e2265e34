# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for get-pip where its server is out of reach: the wheel Python carries installs pip from the package index."""

import ensurepip
import os
import runpy
import sys

folder = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")
if not os.path.isdir(folder):  # Debian keeps the wheels elsewhere
    folder = "/usr/share/python-wheels"
wheel = next(name for name in sorted(os.listdir(folder)) if name.startswith("pip-"))
sys.path.insert(0, os.path.join(folder, wheel))
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.argv = ["pip", "install", "--upgrade"] + wanted
runpy.run_module("pip", run_name="__main__", alter_sys=True)
