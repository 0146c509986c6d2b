#!/bin/sh
# Installs the pdfco binary of this platform, after its checksum was verified:
#
#   curl -fsSL https://github.com/pdfco-mcp/pdfco/releases/latest/download/install.sh | sh
#   sh install.sh [--version 0.1.0] [--to DIR] [--from URL] [--attest]
#
# --to is ~/.local/bin unless you say otherwise; --from is the folder with the archives, for mirrors. The checksum shows
# that the archive arrived whole; --attest also asks GitHub's CLI (`gh`) whether the release's own workflow built it, and
# installs nothing otherwise. All is one function, so that a download that was cut off runs nothing.
set -eu

main() {
  repository=https://github.com/pdfco-mcp/pdfco
  version=
  to=${HOME:?HOME is not set}/.local/bin
  from=
  attest=

  fail() {
    echo "install.sh: $1" >&2
    exit 1
  }

  while [ $# -gt 0 ]; do
    case $1 in
      --version | --to | --from) [ $# -ge 2 ] || fail "$1 needs a value" ;;
    esac
    case $1 in
      --version) version=${2#v} && shift 2 ;;
      --to) to=$2 && shift 2 ;;
      --from) from=${2%/} && shift 2 ;;
      --attest) attest=yes && shift ;;
      *) fail "unknown option $1; there are --version, --to, --from and --attest" ;;
    esac
  done

  case $(uname -s) in
    Linux) os=unknown-linux-musl ;;
    Darwin) os=apple-darwin ;;
    *) fail "no binary for $(uname -s); on Windows take the zip from $repository/releases" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) cpu=x86_64 ;;
    aarch64 | arm64) cpu=aarch64 ;;
    *) fail "no binary for $(uname -m); with a Rust toolchain: cargo install pdfco" ;;
  esac

  fetch() { # address, file: over https alone, unless a mirror on this machine was named
    case $1 in
      https://* | file://* | http://127.0.0.1[:/]* | http://localhost[:/]*) ;;
      *) fail "$1 is not an https address" ;;
    esac
    if command -v curl >/dev/null; then
      case $1 in
        https://*) curl --proto '=https' --proto-redir '=https' --tlsv1.2 -fsSL --retry 3 -o "$2" "$1" ;;
        *) curl -fsS --retry 3 -o "$2" "$1" ;;
      esac
    elif command -v wget >/dev/null; then
      wget -q -O "$2" "$1"
    else
      fail "neither curl nor wget is there"
    fi || fail "cannot fetch $1"
  }

  sha256() { # file
    if command -v sha256sum >/dev/null; then
      sha256sum "$1"
    elif command -v shasum >/dev/null; then
      shasum -a 256 "$1"
    else
      fail "neither sha256sum nor shasum is there, and nothing is installed unverified"
    fi | cut -d ' ' -f 1
  }

  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  trap 'exit 1' HUP INT TERM

  if [ -z "$from" ]; then
    if [ -n "$version" ]; then
      from=$repository/releases/download/v$version
    else
      from=$repository/releases/latest/download
    fi
  fi
  fetch "$from/SHA256SUMS" "$scratch/SHA256SUMS"
  archive=$(sed -n "s/^[0-9a-f]\{64\}  \(pdfco-v[0-9][^ ]*-$cpu-$os\.tar\.gz\)\$/\1/p" "$scratch/SHA256SUMS" | head -n 1)
  [ -n "$archive" ] || fail "the release at $from has no archive for $cpu-$os"
  expected=$(sed -n "s/^\([0-9a-f]\{64\}\)  $archive\$/\1/p" "$scratch/SHA256SUMS")

  fetch "$from/$archive" "$scratch/$archive"
  actual=$(sha256 "$scratch/$archive")
  [ "$actual" = "$expected" ] || fail "$archive is not what SHA256SUMS says (expected $expected, got $actual); nothing was installed"

  if [ -n "$attest" ]; then
    command -v gh >/dev/null || fail "--attest needs GitHub's CLI (gh); nothing was installed"
    gh attestation verify "$scratch/SHA256SUMS" --repo "${repository#https://github.com/}" >/dev/null ||
      fail "the release's checksums are not attested; nothing was installed"
  fi

  tar -xzf "$scratch/$archive" -C "$scratch"
  mkdir -p "$to"
  # Into place in one step, so that a running server keeps its file.
  cp "$scratch/${archive%.tar.gz}/pdfco" "$to/.pdfco.new"
  chmod 755 "$to/.pdfco.new"
  mv -f "$to/.pdfco.new" "$to/pdfco"
  echo "Installed $("$to/pdfco" --version) to $to/pdfco"
  case :$PATH: in
    *":$to:"*) ;;
    *) echo "Add $to to your PATH." ;;
  esac
  [ -n "$attest" ] || echo "The checksum was verified. With GitHub's CLI, --attest also verifies who built it."
}

main "$@"
