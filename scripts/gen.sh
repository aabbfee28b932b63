#!/usr/bin/env bash
# Generates the Python and TypeScript stubs, the descriptor set and the reference from protos/.
#   scripts/gen.sh          writes generated/ and docs/api/
#   scripts/gen.sh --release  also keeps the contract as the released one, which later ones must not break
#   scripts/gen.sh --check  fails when they are stale, when the contract breaks a lint rule, or when it breaks a released one
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/third_party_protos.sh
bin=$PWD/.venv/bin
# One at a time, and beside the old files: whoever imports them meanwhile never finds half of them.
mkdir -p .cache
exec 9>.cache/gen.lock
flock 9
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
[ "${1:-}" != --release ] || "$bin/buf" build protos --output protos/released.binpb
if [ "${1:-}" = --check ]; then
  "$bin/buf" lint
  "$bin/buf" format --diff --exit-code >/dev/null || { echo "protos/ is not formatted: run 'make format'" >&2; exit 1; }
  "$bin/buf" breaking protos --against protos/released.binpb
fi
python=$target/generated/python
mkdir -p "$python" "$target/generated/ts" "$target/docs/api"
mapfile -t protos < <(cd protos && find deskwire -name '*.proto' | LC_ALL=C sort)
PATH=$bin:$PATH "$bin/python" -m grpc_tools.protoc -Iprotos -Ithird_party/protos \
  --python_out="$python" --grpc_python_out="$python" --mypy_out="$python" --mypy_grpc_out="$python" \
  "${protos[@]}" buf/validate/validate.proto 2> >(grep -v "^Writing mypy" >&2)
rm -f "$python"/buf/validate/validate_pb2_grpc.*
find "$python/deskwire" "$python/buf" -type d -exec sh -c ': >"$1/__init__.py"' _ {} \;
touch "$python/deskwire/py.typed" "$python/buf/py.typed"
"$bin/python" -m grpc_tools.protoc -Iprotos -Ithird_party/protos --include_imports --include_source_info \
  --descriptor_set_out="$target/generated/descriptor.full.binpb" "${protos[@]}" google/rpc/status.proto google/rpc/error_details.proto
"$bin/python" scripts/api_docs.py "$target/generated/descriptor.full.binpb" "$target/docs/api"
version=$("$bin/python" -c 'import tomllib; print(tomllib.load(open("generated/python/pyproject.toml", "rb"))["project"]["version"])')
"$bin/python" scripts/openapi.py "$target/generated/descriptor.full.binpb" "$version" "$python/deskwire/openapi.json"
rm "$target/generated/descriptor.full.binpb"
"$bin/python" -m grpc_tools.protoc -Iprotos -Ithird_party/protos --include_imports \
  --descriptor_set_out="$target/generated/descriptor.binpb" "${protos[@]}" google/rpc/status.proto google/rpc/error_details.proto
es=clients/web/node_modules/.bin/protoc-gen-es
[ -x "$es" ] || (cd clients/web && npm ci --no-audit --no-fund --silent)
"$bin/python" -m grpc_tools.protoc -Iprotos -Ithird_party/protos --plugin=protoc-gen-es="$es" \
  --es_out="$target/generated/ts" --es_opt=target=ts "${protos[@]}" buf/validate/validate.proto google/api/annotations.proto google/api/http.proto \
  google/rpc/error_details.proto google/rpc/status.proto
parts=(generated/python/deskwire generated/python/buf generated/ts generated/descriptor.binpb docs/api)
if [ "${1:-}" = --check ]; then
  stale=0
  for part in "${parts[@]}"; do
    diff -r --exclude=__pycache__ --exclude=package.json "$part" "$target/$part" >/dev/null || { echo "$part is stale: run 'make gen'" >&2; stale=1; }
  done
  exit $stale
fi
for part in "${parts[@]}"; do
  # What is no longer generated goes; what differs is replaced whole.
  if [ -d "$part" ]; then
    (cd "$part" && find . -type f -not -path '*/__pycache__/*' -not -name package.json -print0) | while IFS= read -r -d '' file; do
      [ -e "$target/$part/$file" ] || rm "$part/$file"
    done
  fi
  (cd "$target" && find "$part" -type f -print0) | while IFS= read -r -d '' file; do
    cmp -s "$target/$file" "$file" || { mkdir -p "$(dirname "$file")" && cp "$target/$file" "$file.new" && mv "$file.new" "$file"; }
  done
done
