#!/usr/bin/env bash
# Brings the contract's imported .proto files into third_party/protos (git-ignored): google/api and google/rpc out of the
# installed googleapis-common-protos, buf/validate out of protovalidate's source archive.
set -euo pipefail
cd "$(dirname "$0")/.."
out=third_party/protos
version=1.2.0
sha256=4cb9a5065f32abc9baf2cf25c5bd09a139f7dffb7b8692f636a8e3e6883bb9a2
[ -f "$out/.version-$version" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
common=$(.venv/bin/python -c 'import google.api, os; print(os.path.dirname(list(google.api.__path__)[0]))')
mkdir -p "$work/protos/google/api" "$work/protos/google/rpc" "$work/protos/buf/validate"
cp "$common"/api/{annotations,http}.proto "$work/protos/google/api/"
cp "$common"/rpc/{status,error_details}.proto "$work/protos/google/rpc/"
echo "protovalidate==$version --hash=sha256:$sha256" >"$work/requirements.txt"
.venv/bin/python -m pip download --quiet --no-deps --no-binary :all: --require-hashes \
  --no-build-isolation --dest "$work" -r "$work/requirements.txt"
tar -xzf "$work/protovalidate-$version.tar.gz" -C "$work"
cp "$work/protovalidate-$version"/upstream/proto/protovalidate/buf/validate/validate.proto "$work/protos/buf/validate/" 2>/dev/null ||
  cp "$(find "$work/protovalidate-$version" -path '*buf/validate/validate.proto' | head -n 1)" "$work/protos/buf/validate/"
touch "$work/protos/.version-$version"
mkdir -p third_party
rm -rf "$out"
mv "$work/protos" "$out"
