# Functions for the steps that check that a few packages work alone. This file is sourced, and is not a step itself.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
npm_quiet=(--no-audit --no-fund --loglevel=error)

# copy_out <package>…: copies these packages and the shared compiler options to a separate workspace.
copy_out() {
  mkdir -p "$place/alone/packages"
  cp "$repository/tsconfig.base.json" "$place/alone/"
  local name
  for name in "$@"; do
    tar -C "$repository/packages" --exclude=node_modules --exclude=dist --exclude=.turbo -cf - "$name" |
      tar -C "$place/alone/packages" -xf -
  done
}

# try_out <folder>: builds the package, checks the types of its tests, and runs them.
try_out() {
  (cd "$1" && npm run build && npm run typecheck && npm test)
}

# consume <package>…: packs the packages, and installs only these tarballs in the empty ESM project $place/consumer.
consume() {
  local name tarballs=()
  mkdir -p "$place/tarballs" "$place/consumer"
  for name in "$@"; do
    tarballs+=("$place/tarballs/$(cd "$place/alone/packages/$name" && npm pack --silent --pack-destination "$place/tarballs" | tail -n 1)")
  done
  printf '{ "name": "consumer", "private": true, "type": "module" }\n' >"$place/consumer/package.json"
  (cd "$place/consumer" && npm install "${npm_quiet[@]}" "${tarballs[@]}")
}
