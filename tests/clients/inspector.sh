#!/usr/bin/env bash
# Drives the binary through the MCP Inspector's command line, offline, over stdio and HTTP:
#
#     tests/clients/inspector.sh target/debug/pdfco
#
# The Inspector comes from npm into a temporary folder, which goes at the end.
set -euo pipefail

INSPECTOR_VERSION=2.12.0

if [ $# -ne 1 ]; then
  echo "usage: $0 path/to/pdfco" >&2
  exit 2
fi
binary=$(realpath "$1")
documents=$(realpath "$(dirname "$0")/../../fixtures/documents")
token=
# shellcheck source=tests/clients/room.sh
. "$(dirname "$0")/room.sh"
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

way=stdio
inspect() { # Inspector options; answers with JSON on stdout and the Inspector's exit code
  local to=("${settings[@]/#/-e}" -- "$binary" serve --simulate)
  [ "$way" = stdio ] ||
    to=(--transport http --server-url "$url" --header ${token:+"Authorization: Bearer $token"} "x-api-key: sim_inspector")
  (
    cd "$room"
    export HOME="$room/home" PATH="$room/node_modules/.bin:$PATH"
    timeout 120 mcp-inspector --cli --format json "$@" "${to[@]}"
  ) 2>"$room/errors"
}

settings=("HOME=$room/home" "PDFCO_LEDGER=$room/ledger.sqlite" "PDFCO_FILES=$documents:$room"
  "PDFCO_DOWNLOAD_DIR=$room/out")
bring "$NODE" "@modelcontextprotocol/inspector@$INSPECTOR_VERSION" || bad "npm installs the Inspector" "see above"
echo "# MCP Inspector $INSPECTOR_VERSION on Node $("$room/node_modules/.bin/node" --version)"
start env "${settings[@]}" PDFCO_LEDGER=memory "$binary" serve --simulate --http 127.0.0.1:0 ||
  bad "the server listens" "see above"

for way in stdio http; do
  for era in legacy modern; do
    code=0
    tools=$(inspect --protocol-era "$era" --method tools/list --strict) || code=$?
    [ "$code" -eq 0 ] || bad "$way, $era: tools/list without a schema that some client refuses (exit code $code)" "$tools"
    holds "$way, $era: tools/list has submit_job, wait_job_completion and get_job_check" \
      '[.result.tools[].name] | contains(["submit_job", "wait_job_completion", "get_job_check"])' "$tools"

    code=0
    answer=$(inspect --protocol-era "$era" --method tools/call --tool-name submit_job \
      --tool-args-json "{\"operation\":\"pdf_to_text\",\"url\":\"$documents/invoice.pdf\"}") || code=$?
    [ "$code" -eq 0 ] || bad "$way, $era: submit_job (exit code $code)" "$answer"
    holds "$way, $era: submit_job brings the text of the invoice" \
      '.result.structuredContent | .status == "success" and (.output.text | contains("NW-2026-0417"))' "$answer"
  done

  code=0
  answer=$(inspect --method tools/call --tool-name submit_job --tool-arg operation=pdf_to_nothing url=x) || code=$?
  [ "$code" -eq 5 ] || bad "$way: an unknown operation is a tool error (exit code $code, not 5)" "$answer"
  holds "$way: submit_job of an unknown operation is an error with a kind" \
    '.result.isError and (.result.structuredContent.content.kind | type == "string")' "$answer"

  answer=$(inspect --method resources/list) || bad "$way: resources/list (exit code $?)" "$answer"
  holds "$way: resources/list has the jobs" '[.result.resources[].uri | startswith("job://")] | length > 0 and all' "$answer"
  answer=$(inspect --method prompts/list) || bad "$way: prompts/list (exit code $?)" "$answer"
  holds "$way: prompts/list has the two prompts" '.result.prompts | length == 2' "$answer"
done

start env "${settings[@]}" PDFCO_LEDGER=memory PDFCO_HTTP_TOKEN="the-token-of-this-check-0123456789" "$binary" serve --simulate \
  --http 127.0.0.1:0 || bad "the guarded server listens" "see above"
token="not-the-token"
code=0
answer=$(inspect --method tools/list) || code=$?
if [ "$code" -eq 0 ] || ! grep -q auth_required "$room/errors"; then
  bad "http: a wrong token is refused, and the client learns why (exit code $code)" "$answer"
fi
ok "http: a wrong token is refused, and the client learns why"

echo "$passed passed, 0 failed"
