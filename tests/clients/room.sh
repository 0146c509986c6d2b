# A temporary room for the checks of this folder, which source this file: a home, tools from npm, a server, and nothing
# left of any of them at the end.
# shellcheck shell=bash

# The tools need Node 22; this npm package brings one, so that an older Node on the machine is enough.
# shellcheck disable=SC2034 # for those who source this
NODE=node@22.23.3

room=$(mktemp -d)
mkdir "$room/home"
server=
# Where the server answers.
url=

stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  server=
}

leave() {
  stop
  rm -rf "$room"
}
trap leave EXIT

bring() { # npm packages…: their commands are in $room/node_modules/.bin
  echo '{"private": true}' >"$room/package.json"
  npm install --prefix "$room" --no-audit --no-fund --no-package-lock --loglevel=error "$@" >"$room/npm.log" 2>&1 || {
    cat "$room/npm.log"
    echo "npm could not install $*"
    return 1
  }
}

start() { # command…: a server over HTTP; fails with what it said when it does not listen
  # A free port: port 0 is bound by the server, which says on stderr where it listens.
  : >"$room/server.errors"
  "$@" 2>>"$room/server.errors" &
  server=$!
  url=
  for _ in $(seq 100); do
    url=$(sed -n 's|^Listening on \(http://[^ ]*/mcp\).*|\1|p' "$room/server.errors")
    [ -z "$url" ] || return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  cat "$room/server.errors"
  echo "the server did not start"
  return 1
}
