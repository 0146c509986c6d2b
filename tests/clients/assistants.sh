#!/usr/bin/env bash
# Starts real assistants' command lines, none written here, in an empty home, with what `pdfco setup` wrote for them, and
# asks each for the health of its servers: over stdio, and over HTTP with a token and a key in headers. No account is used.
#
#   bash tests/clients/assistants.sh target/debug/pdfco
#
# A client that cannot be installed or does not start on this machine is named and left out; one that starts and does not
# connect fails the run. At least two must connect.
set -Eeuo pipefail

binary=$(realpath "${1:?the binary}")
room=$(mktemp -d)
server=""
status=0
trap 'status=$?; [ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$room"; exit $status' EXIT

token=assistants-0123456789-0123456789-0123456789
key=sim_assistants
connected=() left_out=()

export HOME="$room/home" XDG_CONFIG_HOME="$room/home/.config" XDG_DATA_HOME="$room/home/.local/share"
export GEMINI_CLI_TRUST_WORKSPACE=true DISABLE_AUTOUPDATER=1 NO_COLOR=1
mkdir -p "$HOME"
cd "$HOME"

fail() {
  echo "FAILED: $1" >&2
  exit 1
}

installed() { # package, command: prints the command's path; false when it cannot be had here
  local folder="$room/npm/$2"
  mkdir -p "$folder"
  (cd "$folder" && npm init -y >/dev/null && timeout 240 npm install --no-audit --no-fund --loglevel=error "$1" >/dev/null 2>&1) || return 1
  timeout 60 "$folder/node_modules/.bin/$2" --version </dev/null >/dev/null 2>&1 || return 1
  echo "$folder/node_modules/.bin/$2"
}

# `setup` writes stdio entries; what clients take for HTTP is added by their own commands or files.
"$binary" serve --http 127.0.0.1:0 --simulate --http-token "$token" >"$room/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  address=$(grep -o 'http://127.0.0.1:[0-9]*/mcp' "$room/server.log" | head -n 1 || true)
  [ -z "$address" ] || break
  sleep 0.1
done
[ -n "${address:-}" ] || fail "the server did not say where it listens: $(cat "$room/server.log")"

# Offline: the entry must start the simulator and not the service.
export PDFCO_API_KEY="$key" PDFCO_SIMULATE=true PDFCO_LEDGER="$room/ledger.sqlite"

expect() { # client, what it printed, what must be in it
  if grep -qiE "$3" <<<"$2"; then
    connected+=("$1")
    echo "ok: $1"
  else
    fail "$1 is not connected: $2"
  fi
}

claude() {
  local run=$1
  "$binary" setup claude-code >/dev/null
  timeout 60 "$run" mcp add --transport http pdfco-http "$address" \
    --header "Authorization: Bearer $token" --header "x-api-key: $key" </dev/null >/dev/null
  local listed
  listed=$(timeout 90 "$run" mcp list </dev/null 2>&1 || true)
  expect "Claude Code, stdio" "$(grep '^pdfco:' <<<"$listed")" connected
  expect "Claude Code, HTTP" "$(grep '^pdfco-http:' <<<"$listed")" connected
}

gemini() {
  local run=$1
  "$binary" setup gemini >/dev/null
  timeout 60 "$run" mcp add --scope user --transport http pdfco-http "$address" \
    --header "Authorization: Bearer $token" --header "x-api-key: $key" </dev/null >/dev/null 2>&1
  local listed
  listed=$(timeout 90 "$run" mcp list </dev/null 2>&1 || true)
  expect "Gemini CLI, stdio" "$(grep -E 'pdfco: ' <<<"$listed")" ' connected'
  expect "Gemini CLI, HTTP" "$(grep -E 'pdfco-http: ' <<<"$listed")" ' connected'
}

opencode() {
  local run=$1 file="$XDG_CONFIG_HOME/opencode/opencode.json"
  "$binary" setup opencode >/dev/null
  python3 - "$file" "$address" "$token" "$key" <<'PYTHON'
import json, sys
file, address, token, key = sys.argv[1:]
with open(file) as opened:
    settings = json.load(opened)
settings["mcp"]["pdfco-http"] = {
    "type": "remote", "url": address, "enabled": True, "oauth": False,
    "headers": {"Authorization": f"Bearer {token}", "x-api-key": key},
}
with open(file, "w") as opened:
    json.dump(settings, opened)
PYTHON
  local listed
  listed=$(timeout 90 "$run" mcp list </dev/null 2>&1 || true)
  expect "opencode, stdio" "$(grep -E 'pdfco( |$|.\[)' <<<"$listed" | grep -v http)" 'connected'
  expect "opencode, HTTP" "$(grep -E 'pdfco-http' <<<"$listed")" 'connected'
}

codex() {
  local run=$1
  "$binary" setup codex >/dev/null
  cat >>"$HOME/.codex/config.toml" <<TOML

[mcp_servers.pdfco-http]
url = "$address"
http_headers = { "Authorization" = "Bearer $token", "x-api-key" = "$key" }
TOML
  # `codex mcp list` shows its configuration alone; its own server for editors starts the servers and says what they are.
  local listed
  listed=$(timeout 90 python3 - "$run" <<'PYTHON' 2>&1 || true
import json, subprocess, sys
codex = subprocess.Popen([sys.argv[1], "app-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
for message in (
    {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "check", "version": "1", "title": "check"}}},
    {"method": "initialized"},
    {"id": 2, "method": "mcpServerStatus/list", "params": {}},
):
    codex.stdin.write(json.dumps(message) + "\n")
    codex.stdin.flush()
for line in codex.stdout:
    answer = json.loads(line)
    if answer.get("id") == 2:
        for server in answer.get("result", {}).get("data", []):
            print(server["name"], (server.get("serverInfo") or {}).get("name"), len(server.get("tools") or {}), "tools")
        if "error" in answer:
            print(answer["error"])
        break
codex.kill()
PYTHON
  )
  expect "Codex, stdio" "$(grep '^pdfco ' <<<"$listed")" ' pdfco [1-9][0-9]* tools'
  expect "Codex, HTTP" "$(grep '^pdfco-http ' <<<"$listed")" ' pdfco [1-9][0-9]* tools'
}

for client in claude:@anthropic-ai/claude-code gemini:@google/gemini-cli opencode:opencode-ai codex:@openai/codex; do
  name=${client%%:*}
  if run=$(installed "${client#*:}" "$name"); then
    "$name" "$run"
  else
    left_out+=("$name")
    echo "LEFT OUT: $name (${client#*:}) cannot be installed or started on this machine"
  fi
  rm -rf "$room/npm/$name"
done

[ "${#connected[@]}" -ge 2 ] || fail "fewer than two clients connected"
echo "${#connected[@]} connected, ${#left_out[@]} left out"
