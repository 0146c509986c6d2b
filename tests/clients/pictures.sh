#!/usr/bin/env bash
# Makes the pictures of the documents, offline: tests/clients/pictures.sh target/debug/pdfco [folder, docs/images by default]
#
# The job card in the bridge of ext-apps, the page of jobs in Chromium, and a terminal of 80 columns in tmux. It needs
# Chromium and tmux (`apt-get install chromium tmux`) and Node.js with npm; what npm brings goes at the end.
set -euo pipefail

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  echo "usage: $0 path/to/pdfco [folder]" >&2
  exit 2
fi
binary=$(realpath "$1")
root=$(cd "$(dirname "$0")/../.." && pwd)
images=$(realpath -m "${2:-$root/docs/images}")
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
for need in "${browser:-chromium}" tmux node npm; do
  command -v "$need" >/dev/null || { echo "$need is missing" >&2; exit 1; }
done
room=$(mktemp -d)
end() {
  [ -z "${simulator:-}" ] || kill "$simulator" 2>/dev/null || true
  tmux -L "pdfco-$$" kill-server 2>/dev/null || true
  rm -rf "$room"
}
trap end EXIT

cp "$root"/tests/clients/card/package.json "$root"/tests/clients/card/*.mjs "$root/tests/clients/pictures.mjs" "$room/"
(cd "$room" && npm install --no-audit --no-fund --no-package-lock --loglevel=error)

# A home of its own, a simulator that stays, and a terminal.
home=$room/home
mkdir -p "$home/bin" "$room/shots" "$images"
ln -s "$binary" "$home/bin/pdfco"
cp "$root"/fixtures/documents/{report,invoice,handbook}.pdf "$home/"
alone=(env -i HOME="$home" PATH="$home/bin:/usr/bin:/bin" TERM=xterm-256color LANG=C.UTF-8 PDFCO_CHECK_WORTH_SECONDS=0.05)
"${alone[@]}" pdfco simulate --json >"$room/simulator.json" 2>/dev/null &
simulator=$!
for _ in $(seq 100); do [ -s "$room/simulator.json" ] && break; sleep 0.1; done
read -r url key < <(node -e 'const { url, key } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8").split("\n")[0]); console.log(url, key)' "$room/simulator.json")
alone+=(PDFCO_BASE_URL="$url" PDFCO_API_KEY="$key")
in_home() { (cd "$home" && "${alone[@]}" "$@"); }
in_home pdfco call pdf-to-text --url report.pdf --quiet >/dev/null
in_home pdfco call pdf-to-csv --url invoice.pdf --quiet >/dev/null
in_home pdfco call pdf-split --url handbook.pdf --pages 1-2,3-4 --save-to parts --quiet >/dev/null
in_home pdfco call pdf-to-text --url invoice.pdf --profiles '{"Simulate":{"outcome":"failed","checks":0,"message":"Invalid Password."}}' --quiet >/dev/null 2>&1 || true
in_home pdfco call pdf-to-xlsx --url invoice.pdf --background --profiles '{"Simulate":{"seconds":600}}' --quiet >/dev/null

shot_of_terminal() { # name, then the lines to type
  local name=$1
  shift
  tmux -L "pdfco-$$" new-session -d -s shot -x 80 -y 24 "cd '$home' && ${alone[*]@Q} PS1='$ ' bash --norc"
  for line in "$@"; do
    tmux -L "pdfco-$$" send-keys -t shot "$line" Enter
    sleep 3
  done
  tmux -L "pdfco-$$" capture-pane -t shot -p -e >"$room/$name.ansi"
  tmux -L "pdfco-$$" kill-session -t shot
}
shot_of_terminal terminal clear pdfco 'pdfco jobs list'

(cd "$room" && PDFCO_FIXTURES="$root/fixtures/documents" CHROMIUM="$browser" timeout 300 node session.mjs "$binary" "$room/shots")
(cd "$room" && CHROMIUM="$browser" PDFCO_HOME="$home" PDFCO_BASE_URL="$url" PDFCO_API_KEY="$key" \
  timeout 120 node pictures.mjs "$binary" "$room" "$images")
cp "$room/shots/card-success-light.png" "$images/card.png"
cp "$room/shots/card-many.png" "$images/card-dark.png"
ls -l "$images"
