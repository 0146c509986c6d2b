#!/usr/bin/env bash
# Drives the binary through the MCP Inspector's command line, offline: tests/clients/inspector.sh target/debug/pdfco
#
# The Inspector 2.x needs Node 22; the npm package `node` brings one, so that an older Node on the machine is enough.
# Both are installed into a temporary folder, which goes at the end.
set -euo pipefail

INSPECTOR_VERSION=2.12.0
NODE_VERSION=22.23.3

if [ $# -ne 1 ]; then
  echo "usage: $0 path/to/pdfco" >&2
  exit 2
fi
binary=$(realpath "$1")
documents=$(realpath "$(dirname "$0")/../../fixtures/documents")
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
passed=0

ok() {
  passed=$((passed + 1))
  echo "ok - $1"
}

bad() { # what does not hold, what was seen
  echo "not ok - $1"
  printf '  seen: %s\n' "$2" | head -c 4000
  echo
  if [ -s "$room/errors" ]; then
    echo "# stderr, its end:"
    tail -n 20 "$room/errors"
  fi
  echo "$passed passed, 1 failed"
  exit 1
}

holds() { # title, jq test, JSON
  if jq -e "$2" >/dev/null <<<"$3"; then ok "$1"; else bad "$1" "$3"; fi
}

inspect() { # Inspector options; answers with JSON on stdout and the Inspector's exit code
  (
    cd "$room"
    export HOME="$room/home" PATH="$room/node_modules/.bin:$PATH"
    timeout 120 mcp-inspector --cli --format json "$@" \
      -e "HOME=$room/home" -e "PDFCO_LEDGER=$room/ledger.sqlite" -e "PDFCO_FILES=$documents:$room" \
      -e "PDFCO_DOWNLOAD_DIR=$room/out" -- "$binary" serve --simulate
  ) 2>"$room/errors"
}

mkdir "$room/home"
echo '{"private": true}' >"$room/package.json"
npm install --prefix "$room" --no-audit --no-fund --no-package-lock --loglevel=error \
  "node@$NODE_VERSION" "@modelcontextprotocol/inspector@$INSPECTOR_VERSION" >"$room/npm.log" 2>&1 ||
  bad "npm installs the Inspector" "$(cat "$room/npm.log")"
echo "# MCP Inspector $INSPECTOR_VERSION on Node $("$room/node_modules/.bin/node" --version)"

for era in legacy modern; do
  code=0
  tools=$(inspect --protocol-era "$era" --method tools/list --strict) || code=$?
  [ "$code" -eq 0 ] || bad "tools/list, $era, without a schema that some client refuses (exit code $code)" "$tools"
  holds "tools/list, $era: submit_job, wait_job_completion and get_job_check are there" \
    '[.result.tools[].name] | contains(["submit_job", "wait_job_completion", "get_job_check"])' "$tools"
done

code=0
answer=$(inspect --method tools/call --tool-name submit_job \
  --tool-args-json "{\"operation\":\"pdf_to_text\",\"url\":\"$documents/invoice.pdf\"}") || code=$?
[ "$code" -eq 0 ] || bad "submit_job (exit code $code)" "$answer"
holds "submit_job: success" '.result.structuredContent.status == "success" and (.result.isError | not)' "$answer"
holds "submit_job: the text of the invoice is in the answer" \
  '.result.structuredContent.output.text | contains("NW-2026-0417")' "$answer"

code=0
answer=$(inspect --method tools/call --tool-name submit_job --tool-arg operation=pdf_to_nothing url=x) || code=$?
[ "$code" -eq 5 ] || bad "an unknown operation is a tool error (exit code $code, not 5)" "$answer"
holds "submit_job of an unknown operation: an error with a kind" \
  '.result.isError and (.result.structuredContent.content.kind | type == "string")' "$answer"

echo "$passed passed, 0 failed"
