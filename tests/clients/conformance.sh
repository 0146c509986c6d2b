#!/usr/bin/env bash
# The official conformance suite against the product itself, offline: tests/clients/conformance.sh target/debug/pdfco
#
# Every scenario that asks for no fixture of its own tools, in the two newest revisions. The suite needs Node 22; the
# npm package `node` brings one.
set -euo pipefail

SUITE_VERSION=0.2.0-alpha.12
NODE_VERSION=22.23.3
OLD_REVISION=(server-initialize ping completion-complete tools-list resources-list prompts-list
  dns-rebinding-protection server-sse-multiple-streams server-session-lifecycle server-sse-polling)
NEW_REVISION=(completion-complete tools-list resources-list prompts-list sep-2164-resource-not-found
  dns-rebinding-protection caching server-sse-multiple-streams http-header-validation
  input-required-result-unsupported-methods input-required-result-validate-input)

if [ $# -ne 1 ]; then
  echo "usage: $0 path/to/pdfco" >&2
  exit 2
fi
binary=$(realpath "$1")
room=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$room"
}
trap finish EXIT

mkdir "$room/home"
echo '{"private": true}' >"$room/package.json"
npm install --prefix "$room" --no-audit --no-fund --no-package-lock --loglevel=error \
  "node@$NODE_VERSION" "@modelcontextprotocol/conformance@$SUITE_VERSION" >"$room/npm.log" 2>&1 || {
  cat "$room/npm.log"
  echo "npm could not install the suite" >&2
  exit 1
}
export PATH="$room/node_modules/.bin:$PATH"

# A free port: port 0 is bound by the server, which says on stderr where it listens.
HOME="$room/home" PDFCO_LEDGER=memory "$binary" serve --simulate --http 127.0.0.1:0 2>"$room/errors" &
server=$!
url=
for _ in $(seq 100); do
  url=$(sed -n 's|^Listening on \(http://[^ ]*/mcp\).*|\1|p' "$room/errors")
  [ -z "$url" ] || break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
[ -n "$url" ] || {
  cat "$room/errors"
  echo "the server did not start" >&2
  exit 1
}

passed=0
run() { # revision, scenarios…
  local revision=$1 scenario
  shift
  for scenario in "$@"; do
    if (cd "$room" && timeout 90 conformance server --url "$url" --scenario "$scenario" --spec-version "$revision") \
      >"$room/$scenario.log" 2>&1; then
      passed=$((passed + 1))
      echo "ok - $revision $scenario ($(grep -o 'Passed: [0-9/]*' "$room/$scenario.log" | tail -n 1))"
    else
      echo "not ok - $revision $scenario"
      tail -n 60 "$room/$scenario.log"
      echo "$passed passed, 1 failed"
      exit 1
    fi
  done
}
run 2025-11-25 "${OLD_REVISION[@]}"
run 2026-07-28 "${NEW_REVISION[@]}"
echo "$passed passed, 0 failed"
