#!/usr/bin/env bash
# Opens the page of jobs in a real browser, offline: tests/clients/page.sh target/debug/pdfco [folder for screenshots]
#
# The browser is Chromium as the system's packages have it (`apt-get install chromium`), or whatever CHROMIUM names;
# npm brings the driver, which goes at the end.
set -euo pipefail

DRIVER_VERSION=1.65.1

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  echo "usage: $0 path/to/pdfco [folder for screenshots]" >&2
  exit 2
fi
binary=$(realpath "$1")
shots=${2:+$(realpath -m "$2")}
[ -z "$shots" ] || mkdir -p "$shots"
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$browser" ] || {
  echo "no Chromium here: apt-get install chromium, or name one in CHROMIUM" >&2
  exit 1
}
# shellcheck source=tests/clients/room.sh
. "$(dirname "$0")/room.sh"
bring "playwright-core@$DRIVER_VERSION"
cp "$(dirname "$0")/page.mjs" "$room/"
CHROMIUM="$browser" PDFCO_SHOTS="$shots" PDFCO_ROOM="$room/home" timeout 300 node "$room/page.mjs" "$binary"
