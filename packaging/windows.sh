#!/usr/bin/env bash
# The Windows binary, built and used on Linux: packaging/windows.sh [STEP…]
#
#   lint    clippy over everything that is compiled for Windows
#   use     the binary under Wine: the demo, a session over stdio, a ledger kept between calls, paths that are refused
#   tests   the crate's own tests and those that drive the binary, under Wine
#
# Without steps: lint and use. A step whose tools are missing is skipped and says so. Everything happens in a temporary
# folder, without a screen. Needed: rustup target add x86_64-pc-windows-gnu; apt-get install gcc-mingw-w64-x86-64 wine64.
# The release itself is built and tested on Windows (.github/workflows), with another linker: this is for where there is none.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
target=x86_64-pc-windows-gnu
documents=$root/fixtures/documents

fail() {
  echo "not ok - $1" >&2
  exit 1
}

ok() { echo "ok - $1"; }

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(lint use)
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
binary=$CARGO_TARGET_DIR/$target/debug/pdfco.exe
scratch=$(mktemp -d)
export WINEPREFIX=$scratch/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree=;mshtml='
unset DISPLAY WAYLAND_DISPLAY
wine=
finish() {
  [ -z "$wine" ] || timeout 20 "$wine" wineboot --kill >/dev/null 2>&1 || true
  # Its server writes its registry down while it ends.
  local _
  for _ in 1 2 3 4 5; do
    rm -rf "$scratch" 2>/dev/null && return
    sleep 1
  done
  echo "$scratch could not be removed" >&2
}
trap finish EXIT

# No real key or settings take part.
for name in ${!PDFCO_@} X_API_KEY; do unset "$name"; done

missing() { # what a step needs; gives what is not here
  local sysroot
  sysroot=$(rustc --print sysroot 2>/dev/null || true)
  [ -d "$sysroot/lib/rustlib/$target" ] || echo -n "rust target $target; "
  command -v x86_64-w64-mingw32-gcc >/dev/null || echo -n "x86_64-w64-mingw32-gcc; "
  [ "$1" = lint ] || [ -n "$(wine_program)" ] || echo -n "wine; "
}

wine_program() {
  command -v wine64 || { [ ! -x /usr/lib/wine/wine64 ] || echo /usr/lib/wine/wine64; }
}

windows() { # a Windows in an empty folder, once
  wine=$(wine_program)
  [ -d "$WINEPREFIX" ] && return
  timeout 120 "$wine" wineboot -i >/dev/null 2>&1 || fail "Wine does not start"
  local system=$WINEPREFIX/drive_c/windows/system32
  # Rust takes its random numbers from a library that Wine before 9 does not have.
  if [ ! -e "$system/bcryptprimitives.dll" ]; then
    cat >"$scratch/random.c" <<'C'
#include <windows.h>
#include <ntsecapi.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return RtlGenRandom(data, (ULONG)length); }
C
    x86_64-w64-mingw32-gcc -shared -o "$system/bcryptprimitives.dll" "$scratch/random.c" -ladvapi32
  fi
}

pdfco() { timeout 120 "$wine" "$binary" "$@" 2>>"$scratch/stderr.log"; }

lint() { (cd "$root" && cargo clippy --locked --target "$target" --all-targets -- -D warnings) && ok "clippy for $target"; }

use() {
  (cd "$root" && cargo build --locked --quiet --target "$target")
  windows
  cd "$scratch"
  local version
  version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
  [ "$(pdfco --version | tr -d '\r')" = "pdfco $version" ] || fail "--version: $(pdfco --version)"
  pdfco demo >demo.txt || fail "demo: $(tail -n 5 demo.txt)"
  ok "pdfco.exe $version runs the demo"
  timeout 120 python3 "$here/session.py" "$documents" "$wine" "$binary" serve "$documents" --simulate 2>>"$scratch/stderr.log" ||
    fail "a session over stdio"
  export PDFCO_LEDGER='C:\pdfco\ledger.sqlite' PDFCO_API_KEY=sim_windows
  timeout 300 "$wine" "$binary" simulate --json >simulator.json 2>>"$scratch/stderr.log" &
  local simulator=$!
  until [ -s simulator.json ]; do
    kill -0 "$simulator" 2>/dev/null || fail "the simulator did not start"
    sleep 0.1
  done
  PDFCO_BASE_URL=$(jq -r .url simulator.json)
  export PDFCO_BASE_URL
  for _ in 1 2; do
    [ "$(pdfco call pdf-to-text --url "$documents/report.pdf" --wait --json | jq -r .data.status)" = success ] || fail "a call"
  done
  kill "$simulator"
  [ "$(pdfco jobs list --json | jq .data.total)" = 2 ] || fail "the ledger did not keep two jobs"
  unset PDFCO_LEDGER PDFCO_API_KEY PDFCO_BASE_URL
  ok "a ledger keeps its jobs between calls"
  local path message
  while IFS=$'\t' read -r path message; do
    pdfco call pdf-to-text --url "$path" --simulate --json >refused.json && fail "$path is taken"
    jq -e --arg words "$message" '.data.error.message | contains($words)' refused.json >/dev/null ||
      fail "$path: $(cat refused.json)"
  done <<'PATHS'
NUL	names a device
scans\com1.pdf	names a device
\\.\PhysicalDrive0	names a device
C:\windows\win.ini:stream	alternate stream
C:win.ini	leaves open which folder
report.pdf.	ends with a dot or a space
..\nothing.pdf	does not exist
PATHS
  ok "what is no plain file is refused by name"
  pdfco setup claude-desktop --print | jq -e '.mcpServers.pdfco.command | test("^[A-Z]:\\\\.*pdfco.exe$")' >/dev/null ||
    fail "setup claude-desktop --print"
  ok "the entry for an assistant names the program with its drive"
}

tests() {
  windows
  # Wine starts the programs; what is left out needs a shell or a terminal of Unix.
  (cd "$root" && CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=$wine cargo test --locked --target "$target" --lib \
    --test integration -- meta::modules cli::commands cli::setup wire::downloads mcp::stdio engine::ledger)
  ok "tests under Wine"
}

for step in "${steps[@]}"; do
  begin=$SECONDS
  case $step in lint | use | tests) ;; *) fail "unknown step $step" ;; esac
  lacking=$(missing "$step")
  if [ -n "$lacking" ]; then
    echo "SKIPPED: $step was NOT done, missing: ${lacking%; }"
    continue
  fi
  "$step"
  echo "--- $step: $((SECONDS - begin)) s"
done
