#!/usr/bin/env bash
# Installs tools of the packages that cargo builds, those that are not on the PATH, into target/tools:
# packaging/tools.sh [cargo-about] [cargo-deny]
set -Eeuo pipefail
root=$(dirname "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)")
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /* | [A-Za-z]:*) ;; *) target=$PWD/$target ;; esac
tools=$target/tools

# Quick to make, and quick enough to use: cargo-about compares every license with every text it knows. What both depend on
# is built once.
export CARGO_TARGET_DIR=$tools/build CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=1

for tool in "$@"; do
  ! PATH="$tools/bin:$PATH" command -v "$tool" >/dev/null || continue
  case $tool in
    cargo-about) cargo install --quiet --debug --locked --root "$tools" --features cli cargo-about@0.9.3 ;;
    cargo-deny) cargo install --quiet --debug --locked --root "$tools" cargo-deny@0.20.2 ;;
    *) echo "tools.sh: unknown tool $tool" >&2 && exit 1 ;;
  esac
done
