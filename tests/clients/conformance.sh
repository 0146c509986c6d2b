#!/usr/bin/env bash
# The official conformance suite, offline: tests/clients/conformance.sh target/debug/pdfco target/debug/examples/conformance
#
# Against the product itself: every scenario that asks for no fixture of its own tools, in the two newest revisions.
# Against the example, which is the product's server with the suite's fixtures: all that the suite has for a server of
# these revisions, what it scores and what it does not, the extension of tasks included. There is no file of expected
# failures: one check that fails, fails the run, and in the example so does one that warns or is skipped; of the product
# the suite skips and warns of what takes a fixture, which is shown.
set -euo pipefail

SUITE_VERSION=0.2.0-alpha.12
OLD_REVISION=(server-initialize ping completion-complete tools-list resources-list prompts-list
  dns-rebinding-protection server-sse-multiple-streams server-session-lifecycle server-sse-polling)
NEW_REVISION=(completion-complete tools-list resources-list prompts-list sep-2164-resource-not-found
  dns-rebinding-protection caching server-sse-multiple-streams http-header-validation
  input-required-result-unsupported-methods input-required-result-validate-input
  input-required-result-missing-input-response input-required-result-ignore-extra-params)
# An extension, which `--requirements` runs without scoring it: asked for by name as well.
TASKS=(tasks-lifecycle tasks-capability-negotiation tasks-wire-fields tasks-request-state-removal tasks-mrtr-input
  tasks-request-headers tasks-dispatch-and-envelope tasks-status-notifications tasks-required-task-error
  tasks-mrtr-composition)
# The suite does not test these notifications: its scenario does nothing but say that it is skipped.
SKIPPED_BY_THE_SUITE=tasks-status-notifications

if [ $# -ne 2 ]; then
  echo "usage: $0 path/to/pdfco path/to/examples/conformance" >&2
  exit 2
fi
product=$(realpath "$1")
example=$(realpath "$2")
# shellcheck source=tests/clients/room.sh
. "$(dirname "$0")/room.sh"
bring "$NODE" "@modelcontextprotocol/conformance@$SUITE_VERSION"
export PATH="$room/node_modules/.bin:$PATH"

passed=0
lacks=
verdict() { # what, folder of results, scenarios that must be there…
  local what=$1
  shift
  node - "$SKIPPED_BY_THE_SUITE" "$lacks" "$@" >"$room/verdict" 2>&1 <<'JS' || {
const [skipped, lacks, folder, ...wanted] = process.argv.slice(2);
const fs = require("node:fs");
const runs = fs.readdirSync(folder).map((run) => ({
  scenario: run.replace(/^server-/, "").replace(/-\d{4}-\d{2}-\d{2}T[\d-]+Z$/, ""),
  checks: JSON.parse(fs.readFileSync(`${folder}/${run}/checks.json`, "utf8")),
}));
let passed = 0;
const wrong = wanted.filter((name) => !runs.some((run) => run.scenario === name)).map((name) => `${name} did not run`);
for (const { scenario, checks } of runs) {
  if (checks.length === 0) wrong.push(`${scenario} checked nothing`);
  for (const check of checks) {
    if (check.status === "SUCCESS") passed += 1;
    else if (check.status === "SKIPPED" && scenario === skipped) console.log(`${scenario} is skipped by the suite itself`);
    else if (check.status !== "FAILURE" && check.status !== "INFO" && lacks === "fixtures")
      console.log(`${check.status} without a fixture: ${check.id}`);
    else if (check.status !== "INFO") wrong.push(`${scenario}: ${check.status} ${check.id}: ${check.errorMessage}`);
  }
}
for (const line of wrong) console.log(line);
console.log(`${passed} checks of ${runs.length} scenario${runs.length === 1 ? "" : "s"} passed, ${wrong.length} wrong`);
process.exit(wrong.length === 0 && runs.length > 0 ? 0 : 1);
JS
    cat "$room/verdict"
    echo "not ok - $what"
    exit 1
  }
  passed=$((passed + 1))
  echo "ok - $what ($(paste -sd ';' "$room/verdict" | sed 's/;/; /g'))"
}
suite() { # what, arguments of the suite…; then `--` and the scenarios that must be among the results
  local what=$1 arguments=() results
  shift
  while [ "$1" != -- ]; do
    arguments+=("$1")
    shift
  done
  shift
  results=$(mktemp -d "$room/results.XXXX")
  if ! (cd "$room" && timeout 300 conformance server --url "$url" -o "$results" "${arguments[@]}") >"$room/suite.log" 2>&1; then
    tail -n 60 "$room/suite.log"
    echo "not ok - $what"
    exit 1
  fi
  verdict "$what" "$results" "$@"
}
each() { # who, revision, scenarios…
  local who=$1 revision=$2 scenario
  shift 2
  for scenario in "$@"; do
    # An extension is not on the list of any revision, hence --force.
    suite "$who, $revision $scenario" --scenario "$scenario" --spec-version "$revision" --force -- "$scenario"
  done
}

settings=("HOME=$room/home" PDFCO_LEDGER=memory)
lacks=fixtures
start env "${settings[@]}" "$product" serve --simulate --http 127.0.0.1:0
each product 2025-11-25 "${OLD_REVISION[@]}"
each product 2026-07-28 "${NEW_REVISION[@]}"
stop
lacks=nothing
start env "${settings[@]}" "$example"
suite "example, all of 2025-11-25" --requirements 2025-11-25 --
suite "example, all of 2026-07-28" --requirements 2026-07-28 -- "${TASKS[@]}"
each example 2026-07-28 "${TASKS[@]}"
echo "$passed passed, 0 failed"
