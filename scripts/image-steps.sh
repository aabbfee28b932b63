#!/usr/bin/env bash
# Runs the steps of the Dockerfile in order in an empty folder, for machines without a Docker engine: each stage gets a
# folder that stands for its root, and absolute paths in the steps are rewritten into it. Base images are this machine's
# own Python 3.11 and Node; users, ports and labels mean nothing here. At the end the last stage's program is started and
# asked for its version.
#
#   scripts/image-steps.sh [FOLDER]      an empty or missing folder; a temporary one, removed afterwards, by default
set -euo pipefail
cd "$(dirname "$0")/.."

readonly context="$PWD"
if [ $# -gt 0 ]; then
  mkdir -p "$1"
  work="$(cd "$1" && pwd)"
  [ -z "$(ls -A "$work")" ] || { echo "$work is not empty" >&2; exit 2; }
else
  work="$(mktemp -d)"
  trap 'rm -rf "$work"' EXIT
fi
readonly work
# Nothing of the caller's environments may leak into the image's.
unset PYTHONPATH VIRTUAL_ENV NODE_PATH
declare -A roots=()
root="" dir="/" stage=0
environment=()
health="" entrypoint="" command=""

say() { printf '\n== %s\n' "$*" >&2; }

# One instruction a line: comments dropped, continued lines joined.
instructions() { sed -e '/^[[:space:]]*#/d' "$context/Dockerfile" | sed -e ':a' -e '/\\$/{N;s/\\\n[[:space:]]*/ /;ba' -e '}' | sed '/^[[:space:]]*$/d'; }

# A path of the image, absolute or below WORKDIR, as a path of this machine.
place() { case "$1" in /*) printf '%s%s' "$root" "$1" ;; *) printf '%s%s/%s' "$root" "$dir" "$1" ;; esac; }

# The image's own folders inside a command or value, rewritten into the stage's.
rewritten() { sed -E "s#(^|[ =:\"'>])/(srv|var/lib|run|etc)/deskwire#\1$root/\2/deskwire#g" <<<"$1"; }

# What `docker build` would send: git knows the files, .dockerignore lets in what the Dockerfile may copy.
allowed() {
  local path="$1" line verdict=1
  while IFS= read -r line; do
    case "$line" in
      '' | '#'*) ;;
      '!'*) [[ "$path" == "${line#!}" || "$path" == "${line#!}"/* || "${line#!}" == "$path"/* ]] && verdict=0 ;;
      '*') verdict=1 ;;
      '**/'*) [[ "/$path" == */${line#'**/'} || "/$path" == */${line#'**/'}/* ]] && verdict=1 ;;
      *) [[ "$path" == "$line" || "$path" == "$line"/* ]] && verdict=1 ;;
    esac
  done <"$context/.dockerignore"
  return $verdict
}

copy() {
  local from="$context" target sources=()
  if [[ "$1" == --from=* ]]; then
    from="${roots[${1#--from=}]}"
    shift
  fi
  target="$(place "${*: -1}")"
  sources=("${@:1:$#-1}")
  if [[ "${*: -1}" == */ || ${#sources[@]} -gt 1 ]]; then mkdir -p "$target"; else mkdir -p "$(dirname "$target")"; fi
  for source in "${sources[@]}"; do
    if [ "$from" != "$context" ]; then
      mkdir -p "$target"
      cp -a "$from/${source#/}/." "$target/"
      continue
    fi
    allowed "$source" || { echo ".dockerignore keeps $source out" >&2; exit 1; }
    if [ -d "$source" ]; then
      mkdir -p "$target"
      # Of a folder only what git has or would take, less what .dockerignore names.
      git ls-files --cached --others --exclude-standard -- "$source" | while IFS= read -r path; do
        { allowed "$path" && [ -e "$path" ]; } || continue
        mkdir -p "$(dirname "$target/${path#"$source"/}")"
        cp -p "$path" "$target/${path#"$source"/}"
      done
    else
      cp -p "$source" "$target"
    fi
  done
}

run() {
  mkdir -p "$root$dir"
  # Accounts are the image's alone.
  local line
  line="$(sed -E 's/useradd [^&]*&& //; s/install -d -o [^ ]+ -g [^ ]+/mkdir -p/' <<<"$1")"
  (cd "$root$dir" && env "${environment[@]}" bash -euo pipefail -c "$(rewritten "$line")")
}

list() { python3 -c 'import json, shlex, sys; print(shlex.join(json.loads(sys.argv[1])))' "$1"; }

while IFS= read -r line; do
  word="${line%% *}" rest="${line#* }"
  say "$line"
  case "$word" in
    FROM)
      read -ra parts <<<"$rest"
      root="$work/${parts[2]:-$stage}" dir="/" environment=("TMPDIR=${TMPDIR:-/tmp}")
      roots["${parts[2]:-$stage}"]="$root"
      mkdir -p "$root"
      case "$rest" in
        python:3.11*) command -v python3.11 >/dev/null || { echo "Python 3.11 is missing" >&2; exit 1; }
          mkdir -p "$work/bin" && ln -sf "$(python3.11 -c 'import sys; print(sys.executable)')" "$work/bin/python"
          environment+=("PATH=$work/bin:$PATH") ;;
        node:*) command -v npm >/dev/null || { echo "Node is missing" >&2; exit 1; } ;;
        *) echo "no stand-in for the base image $rest" >&2; exit 1 ;;
      esac
      stage=$((stage + 1)) ;;
    WORKDIR) dir="$rest" && mkdir -p "$root$dir" ;;
    COPY) read -ra parts <<<"$rest" && copy "${parts[@]}" ;;
    RUN) run "$rest" ;;
    ENV)
      for pair in $rest; do
        value="$(rewritten "${pair#*=}")"
        environment+=("${pair%%=*}=${value//\$PATH/$work/bin:$PATH}")
      done ;;
    HEALTHCHECK) health="$(list "${rest#*CMD }")" ;;
    ENTRYPOINT) entrypoint="$(list "$rest")" ;;
    CMD) command="$(list "$rest")" ;;
    USER | EXPOSE | STOPSIGNAL | LABEL | ARG) ;;
    *) echo "an instruction that these steps do not know: $word" >&2; exit 1 ;;
  esac
done < <(instructions)

# Programs installed in an earlier stage name that stage's folder in their first line: in an image both are the same.
say "the image's program"
bin="$root/srv/deskwire/.venv/bin"
"$bin/python" - "$root" "${roots[build]}" <<'PYTHON'
import pathlib, sys
now, then = sys.argv[1], sys.argv[2]
env = pathlib.Path(now, "srv/deskwire/.venv")
for path in [*env.glob("bin/*"), *env.glob("lib/*/site-packages/*.pth"), env / "pyvenv.cfg"]:
    if path.is_file() and not path.is_symlink():
        data = path.read_bytes()
        if then.encode() in data and data[:4] != b"\x7fELF":
            path.write_bytes(data.replace(then.encode(), now.encode()))
PYTHON
run "$entrypoint --version"
run "$entrypoint $command --help" >/dev/null
printf 'size: %s\n' "$(du -sh "$root" | cut -f1)"

if run "$health" 2>/dev/null; then
  echo "the health check says healthy though nothing runs" >&2
  exit 1
fi
printf 'steps done, health check refuses without a server\n'
