#!/bin/sh
# Renews requirements.lock from pyproject.toml. Pass --upgrade for the newest versions that pyproject.toml allows.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-annotate --generate-hashes \
    --group dev --group bench pyproject.toml --no-emit-package deskwire-api --no-emit-package deskwire-client \
    --custom-compile-command scripts/lock.sh "$@" -o requirements.lock
# What an override in pyproject.toml rules out is still listed, with a marker that is never true.
.venv/bin/python - <<'PYTHON'
import pathlib
import re

lock = pathlib.Path("requirements.lock")
entries = re.split(r"(?m)^(?=\S)", lock.read_text())
lock.write_text("".join(entry for entry in entries if "sys_platform == 'never'" not in entry.partition("\n")[0]))
PYTHON
