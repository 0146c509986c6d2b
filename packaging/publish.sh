#!/usr/bin/env bash
# Publishes what a release built, and leaves alone what is there already, so that it can be run again after a failure:
#
#   packaging/publish.sh npm FILE.tgz…   in the order given; what is there must be the same file
#   packaging/publish.sh crate           the crate of this checkout
#
# Who may do that is for the registry to say (packaging/README.md). Needs npm and jq, or cargo.
set -Eeuo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
  echo "publish.sh: $1" >&2
  exit 1
}

npm_package() { # file
  local file=$1 name ours theirs
  name=$(tar -xzOf "$file" package/package.json | jq -er '"\(.name)@\(.version)"')
  ours=sha512-$(openssl dgst -sha512 -binary "$file" | openssl base64 -A)
  # An unknown package is an error to npm, an unknown version of a known one is nothing at all.
  theirs=$(npm view "$name" dist.integrity 2>/dev/null) || theirs=
  if [ -z "$theirs" ]; then
    local options=(--access public)
    # In a job that may prove what it is.
    [ -z "${ACTIONS_ID_TOKEN_REQUEST_URL:-}" ] || options+=(--provenance)
    npm publish "${options[@]}" "$file"
    echo "$name: published"
  elif [ "$theirs" = "$ours" ]; then
    echo "$name: is there already, the same file"
  else
    fail "$name is there already and is another file ($theirs, here $ours); give this release a new version"
  fi
}

crate() {
  local version
  version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
  # Away from this checkout, whose own crate would be the answer.
  if (cd / && cargo info --quiet "pdfco@$version" >/dev/null 2>&1); then
    echo "pdfco@$version: is there already"
  else
    # That it compiles by itself was seen (check.sh crate); no build scripts run beside the token.
    (cd "$root" && cargo publish --locked --no-verify)
  fi
}

case ${1:-} in
  npm)
    shift
    [ $# -gt 0 ] || fail "no files named"
    for file in "$@"; do
      [ -s "$file" ] || fail "no file at $file"
    done
    for file in "$@"; do npm_package "$(cd "$(dirname "$file")" && pwd)/$(basename "$file")"; done
    ;;
  crate) crate ;;
  *) fail "npm or crate, please" ;;
esac
