#!/usr/bin/env bash
# Makes packages out of one binary: packaging/build.sh [--binary PATH] [--target TRIPLE] [--out DIR] [STEP…]
#
#   notices      THIRD-PARTY-NOTICES.txt, in the repository's folder: the licenses of what is in the binary
#   archive      the binary with manual page, completions and licenses, as releases, Homebrew and binstall take it
#   mcpb         the bundle for Claude Desktop
#   npm          the npm package of this platform
#   wheel        the wheel of this platform (needs maturin; the binary must be cargo's own, it is not built again)
#   launcher     the npm package that people install: it starts the binary of their platform
#   server-json  server.json for the registry, with the checksums of the bundles in DIR
#   homebrew     the formula, with the checksums of the four archives in DIR
#   sums         SHA256SUMS of everything in DIR; wherever it is named, it comes last
#
# Without steps: archive, mcpb, npm, wheel, launcher, server-json, sums. The binary is target/dist/pdfco, the target
# what that binary is for on this machine, DIR target/packages. Needs jq, npm, tar and python3. Notices that are missing, or
# are those of other dependencies, are made first, with cargo-about, which is installed into target/tools if it is not there.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

fail() {
  echo "build.sh: $1" >&2
  exit 1
}

# A Mac's own bash is 3.2 (an empty array counts as unset there) and its tools are BSD's; on Windows jq ends lines with CR.
absolute() { # path that need not be there
  case $1 in
    /* | [A-Za-z]:*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$PWD/$1" ;;
  esac
}

jq() { command jq "$@" | tr -d '\r'; }

# No companion files with a Mac's file attributes in the archives.
export COPYFILE_DISABLE=1

target_dir=$(absolute "${CARGO_TARGET_DIR:-$root/target}")
binary=""
target=""
out=""
steps=""
while [ $# -gt 0 ]; do
  case $1 in
    --binary | --target | --out) [ $# -ge 2 ] || fail "$1 needs a value" ;;
  esac
  case $1 in
    --binary) binary=$2 && shift 2 ;;
    --target) target=$2 && shift 2 ;;
    --out) out=$2 && shift 2 ;;
    -*) fail "unknown option $1" ;;
    *) steps="$steps $1" && shift ;;
  esac
done
binary=$(absolute "${binary:-$target_dir/dist/pdfco}")
out=$(absolute "${out:-$target_dir/packages}")
mkdir -p "$out"

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
[ -n "$version" ] || fail "no version in Cargo.toml"

if [ -z "$target" ]; then
  # What runs here: the static Linux builds stand for every Linux.
  case $(uname -s) in
    Linux) target=$(uname -m)-unknown-linux-musl ;;
    Darwin) target=$(uname -m | sed s/arm64/aarch64/)-apple-darwin ;;
    *) target=x86_64-pc-windows-msvc ;;
  esac
fi

row() { # field of this target in targets.json; universal2 is both Apple targets in one
  # On Windows jq may end its lines as that system does.
  jq -er --arg target "$target" --arg field "$1" '.[] | select(.target == $target) | .[$field] // ""' \
    "$here/targets.json" | tr -d '\r' || fail "targets.json has no $target"
}

exe=pdfco
case $target in
  *windows*)
    exe=pdfco.exe
    binary=${binary%.exe}.exe
    ;;
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

digest() { # file
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

made() { echo "made $(basename "$1") ($(wc -c <"$1" | tr -d ' ') bytes)"; }

need_binary() { [ -x "$binary" ] || fail "no binary at $binary; build it with cargo build --profile dist, or name one with --binary"; }

# Beside the licenses, where Docker and maturin find it too; git ignores it.
notices_file=$root/THIRD-PARTY-NOTICES.txt

notices() {
  "$here/tools.sh" cargo-about
  command -v cargo-about >/dev/null || PATH="$target_dir/tools/bin:$PATH"
  (cd "$root" && cargo fetch --quiet --locked)
  (cd "$root" && cargo-about generate --fail --locked --offline --config "$here/about.toml" "$here/notices.hbs") >"$scratch/notices"
  # Which dependencies these are, so that no one packs another version's.
  { printf 'Third-party notices of pdfco %s (Cargo.lock %s)\n\n' "$version" "$(digest "$root/Cargo.lock")" && cat "$scratch/notices"; } \
    >"$scratch/$(basename "$notices_file")"
  mv "$scratch/$(basename "$notices_file")" "$notices_file"
  made "$notices_file"
}

need_notices() {
  [ -e "$notices_file" ] &&
    [ "$(head -n 1 "$notices_file")" = "Third-party notices of pdfco $version (Cargo.lock $(digest "$root/Cargo.lock"))" ] ||
    notices
}

zipped() { # folder whose contents are packed, file
  # Files only, since some readers stumble over entries for folders; with who may execute what; the same bytes each time.
  python3 - "$1" "$2" <<'PYTHON'
import pathlib, sys, zipfile
folder, file = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (2020, 1, 1, 0, 0, 0))
        entry.create_system = 3
        entry.external_attr = (0o100755 if path.stat().st_mode & 0o100 else 0o100644) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        packed.writestr(entry, path.read_bytes())
PYTHON
}

archive() {
  need_binary
  need_notices
  local name="pdfco-v$version-$target" folder file
  folder="$scratch/$name"
  mkdir -p "$folder/completions"
  install -m 0755 "$binary" "$folder/$exe"
  cp "$root/README.md" "$root/docs/CHANGELOG.md" "$root/.github/SECURITY.md" "$root/LICENSE-MIT" "$root/LICENSE-APACHE" \
    "$notices_file" "$root/.env.example" "$folder/"
  local shell
  "$binary" man >"$folder/pdfco.1"
  for shell in bash zsh fish powershell elvish; do
    "$binary" completions "$shell" >"$folder/completions/pdfco.$shell"
  done
  if [ "$exe" = pdfco.exe ]; then
    file="$out/$name.zip"
    mkdir "$scratch/zip" && mv "$folder" "$scratch/zip/"
    zipped "$scratch/zip" "$file"
  else
    file="$out/$name.tar.gz"
    # GNU's words for "no one in particular", or BSD's.
    tar -czf "$file" -C "$scratch" --owner=0 --group=0 "$name" 2>/dev/null ||
      tar -czf "$file" -C "$scratch" --uid 0 --gid 0 "$name"
  fi
  made "$file"
}

mcpb() {
  need_binary
  need_notices
  local name folder="$scratch/mcpb" os file
  case $target in
    universal2-apple-darwin) name=darwin-universal os=darwin ;;
    *) name=$(row mcpb) os=$(row os) ;;
  esac
  [ -n "$name" ] || fail "macOS gets one bundle for both processors: make it from a universal binary with --target universal2-apple-darwin"
  mkdir -p "$folder/server" "$folder/icons"
  install -m 0755 "$binary" "$folder/server/$exe"
  cp "$here/icons/icon-512.png" "$folder/icon.png"
  cp "$here"/icons/icon-{16,32,64,128,256}.png "$folder/icons/"
  cp "$root/README.md" "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$notices_file" "$folder/"
  # One bundle for one system: the manifest names only what is inside.
  jq --arg os "$os" --arg exe "$exe" '
    .server.entry_point = "server/" + $exe
    | .server.mcp_config.command = "${__dirname}/server/" + $exe
    | .server.mcp_config.platform_overrides |= with_entries(select(.key == $os))
    | .compatibility.platforms = [$os]' "$here/mcpb/manifest.json" >"$folder/manifest.json"
  file="$out/pdfco-$version-mcp-$name.mcpb"
  zipped "$folder" "$file"
  made "$file"
}

packed() { # folder of an npm package
  local file
  file=$(cd "$1" && npm pack --silent --pack-destination "$out" 2>/dev/null | tail -n 1)
  [ -s "$out/$file" ] || fail "npm pack made nothing of $1"
  made "$out/$file"
}

npm_platform() {
  need_binary
  need_notices
  local folder="$scratch/npm-platform" name
  name=$(row npm)
  mkdir -p "$folder/bin"
  install -m 0755 "$binary" "$folder/bin/$exe"
  cp "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$notices_file" "$folder/"
  # shellcheck disable=SC2016 # the backticks are Markdown
  printf '# @pdfco-mcp/pdfco-%s\n\nThe binary of `pdfco` for %s. Install `pdfco` instead.\n' \
    "$name" "$name" >"$folder/README.md"
  jq --arg name "@pdfco-mcp/pdfco-$name" --arg os "$(row os)" --arg cpu "$(row cpu)" --arg file "bin/$exe" --arg notices "$(basename "$notices_file")" \
    --arg what "The binary of pdfco for $name" '
    {name: $name, version, description: $what, license, homepage, repository, bugs,
     files: [$file, $notices], os: [$os], cpu: [$cpu], preferUnplugged: true}' "$here/npm/package.json" >"$folder/package.json"
  packed "$folder"
}

launcher() {
  local folder="$scratch/npm-launcher"
  mkdir -p "$folder"
  cp -R "$here/npm/bin" "$here/npm/package.json" "$folder/"
  cp "$root/README.md" "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$folder/"
  packed "$folder"
}

wheel() {
  need_binary
  need_notices
  local maturin="${MATURIN:-maturin}" profile folder arguments on_target tags expected file
  command -v "$maturin" >/dev/null || fail "maturin is not there: pip install maturin"
  # Cargo finds its own work done: the profile and the target are those that the binary was built with.
  profile=$(basename "$(dirname "$binary")")
  folder=$(dirname "$(dirname "$binary")")
  arguments=(--auditwheel skip) on_target=
  expected=$(digest "$binary")
  if [ "$(basename "$folder")" = "$target" ]; then
    arguments+=(--target "$target")
    on_target=yes
    folder=$(dirname "$folder")
  fi
  [ "$profile" != debug ] || profile=dev
  case $target in
    *linux*) if [ -n "$on_target" ]; then read -ra tags <<<"$(row wheel)"; else tags=(linux); fi ;;
    *) tags=(pypi) ;;
  esac
  (cd "$root" && CARGO_TARGET_DIR="$folder" "$maturin" build --quiet --profile "$profile" "${arguments[@]}" \
    --compatibility "${tags[@]}" --out "$scratch/wheel")
  file=$(find "$scratch/wheel" -name '*.whl')
  # Compared with what the binary was before maturin had its way with it.
  python3 - "$file" "$expected" <<'PYTHON' || fail "the binary in the wheel is not the one at $binary; on a Mac, build that with MACOSX_DEPLOYMENT_TARGET as it is here"
import hashlib, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
name, = [name for name in wheel.namelist() if "/scripts/pdfco" in name]
sys.exit(hashlib.sha256(wheel.read(name)).hexdigest() != sys.argv[2])
PYTHON
  [ "$(digest "$binary")" = "$expected" ] || fail "maturin built $binary anew; build it with MACOSX_DEPLOYMENT_TARGET as it is here"
  mv "$file" "$out/"
  made "$out/$(basename "$file")"
}

sums() {
  local file
  rm -f "$out/SHA256SUMS"
  for file in "$out"/*; do
    printf '%s  %s\n' "$(digest "$file")" "$(basename "$file")"
  done >"$scratch/SHA256SUMS"
  mv "$scratch/SHA256SUMS" "$out/SHA256SUMS"
  made "$out/SHA256SUMS"
}

server_json() {
  local file entries="[]" releases
  releases=$(jq -r .repository.url "$root/packaging/mcp-registry/server.json")/releases/download/v$version
  for file in "$out"/*.mcpb; do
    [ -e "$file" ] || continue
    entries=$(jq --arg url "$releases/$(basename "$file")" --arg sum "$(digest "$file")" --arg version "$version" \
      '. + [{registryType: "mcpb", identifier: $url, version: $version, fileSha256: $sum, transport: {type: "stdio"}}]' <<<"$entries")
  done
  jq --argjson bundles "$entries" '.packages += $bundles' "$root/packaging/mcp-registry/server.json" >"$scratch/server.json"
  mv "$scratch/server.json" "$out/server.json"
  made "$out/server.json"
}

homebrew() {
  local text one
  text=$(sed "s/@VERSION@/$version/g" "$here/homebrew/pdfco.rb")
  for one in {aarch64,x86_64}-{apple-darwin,unknown-linux-musl}; do
    text=${text//@SHA256_$one@/$(digest "$out/pdfco-v$version-$one.tar.gz")}
  done
  printf '%s\n' "$text" >"$out/pdfco.rb"
  made "$out/pdfco.rb"
}

last=
for step in ${steps:-archive mcpb npm wheel launcher server-json sums}; do
  case $step in
    notices | archive | mcpb | wheel | launcher | homebrew) "$step" ;;
    npm) npm_platform ;;
    server-json) server_json ;;
    # A sum of everything is made when everything is there.
    sums) last=yes ;;
    *) fail "unknown step $step" ;;
  esac
done
[ -z "$last" ] || sums
