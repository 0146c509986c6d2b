#!/usr/bin/env bash
# Single sign-on with clients and an authorization server that were not written here:
# tests/clients/oauth.sh target/debug/pdfco [python with the SDK of 2026-07-28]
#
# The conformance suite has scenarios of authorization for clients and for authorization servers, and none for a server
# that takes tokens, which is what pdfco is.
set -euo pipefail
binary=$(realpath "$1")
python=${2:-}
here=$(realpath "$(dirname "$0")")
# shellcheck source=tests/clients/room.sh
. "$here/room.sh"
packages=$(sed -n 's/^    "\(.*\)": "\(.*\)",\{0,1\}$/\1@\2/p' "$here/oauth/package.json")
# shellcheck disable=SC2086 # one word each
bring "$NODE" $packages
cp "$here/oauth/"* "$room/"
(cd "$room" && timeout 120 node_modules/.bin/node check.mjs "$binary" "$python")
# And the person's own sign-in, from a terminal.
(cd "$room" && timeout 120 node_modules/.bin/node login.mjs "$binary")
