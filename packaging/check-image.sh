#!/usr/bin/env bash
# Uses an image as people do, with Docker: packaging/check-image.sh IMAGE
#
# A session as the image's own user, one as this machine's user with a folder of theirs, and a ledger that is there again in
# the next container.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
documents=$(dirname "$here")/fixtures/documents
image=${1:?which image?}
docker=${DOCKER:-docker}

fail() {
  echo "not ok - $1" >&2
  exit 1
}

scratch=$(mktemp -d)
volume=pdfco-check-$$
trap '"$docker" volume rm --force "$volume" >/dev/null; rm -rf "$scratch"' EXIT
me=(--user "$(id -u):$(id -g)" --volume "$volume:/data" --volume "$scratch:/files")

python3 "$here/session.py" /fixtures "$docker" run -i --rm --volume "$documents:/fixtures:ro" "$image" serve /fixtures --simulate
echo "ok - a session as the image's user"

"$docker" volume create "$volume" >/dev/null
"$docker" run --rm "${me[@]}" "$image" call html-to-pdf --html '<p>hello</p>' --simulate --save-to /files --json >"$scratch/call.json" ||
  fail "a call as this user: $(cat "$scratch/call.json")"
[ -n "$(find "$scratch" -name '*.pdf' -size +0 -user "$(id -u)")" ] || fail "no result in this user's folder: $(cat "$scratch/call.json")"
echo "ok - a result in this user's folder"

job=$(jq -er .data.job_id "$scratch/call.json")
"$docker" run --rm "${me[@]}" "$image" jobs list --simulate --json | grep -qF "$job" || fail "the next container does not know $job"
echo "ok - the next container knows the job"
