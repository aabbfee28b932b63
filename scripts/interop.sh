#!/usr/bin/env bash
# Runs the providers' tests against the LiteLLM proxy, which lives in an environment of its own (it wants other versions
# of the vendors' libraries). Arguments go to pytest. INTEROP_ENV names the environment's folder; made where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly environment="${INTEROP_ENV:-.cache/interop}"
readonly log="${INTEROP_LOG:-.cache/interop.log}"
readonly version=1.106.2
mkdir -p .cache

if ! "$environment/bin/python" -c "import litellm.proxy.proxy_server" >/dev/null 2>&1; then
  "${PYTHON:-python3}" -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check "litellm[proxy]==$version"
fi

free_port() { .venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

port="$(free_port)"
key="sk-interop-$(.venv/bin/python -c 'import secrets; print(secrets.token_hex(16))')"

env -i PATH="$PATH" HOME="$PWD/.cache" PYTHONPATH="$PWD/tests/interop" LITELLM_MASTER_KEY="$key" \
  LITELLM_LOCAL_MODEL_COST_MAP=True DISABLE_ADMIN_UI=True NO_DOCS=True \
  "$environment/bin/litellm" --config tests/interop/litellm.yaml --host 127.0.0.1 --port "$port" --telemetry False \
  >"$log" 2>&1 &
proxy=$!
trap 'kill "$proxy" 2>/dev/null; wait "$proxy" 2>/dev/null || true' EXIT

ready() {
  .venv/bin/python - "http://127.0.0.1:$port/health/liveliness" <<'PYTHON' 2>/dev/null
import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=1)
PYTHON
}
for _ in $(seq 120); do
  ready && break
  kill -0 "$proxy" 2>/dev/null || { echo "the proxy ended:" >&2; tail -n 20 "$log" >&2; exit 1; }
  sleep 0.5
done
ready || { echo "the proxy did not become ready; see $log" >&2; exit 1; }

DESKWIRE_INTEROP_URL="http://127.0.0.1:$port" DESKWIRE_INTEROP_KEY="$key" \
  .venv/bin/python -m pytest tests/interop "$@"
