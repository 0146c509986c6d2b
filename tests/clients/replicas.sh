#!/usr/bin/env bash
# Three replicas on one PostgreSQL behind nginx, round robin and without stickiness, driven by the official Python SDKs:
# tests/clients/replicas.sh target/debug/pdfco python-with-mcp-1.x python-with-mcp-2.x
#
# The database is a cluster of its own from the installed binaries, made by a user for whom `initdb` works.
set -euo pipefail
binary=$(realpath "$1")
old_python=$2
python=$3
here=$(realpath "$(dirname "$0")")
room=$(mktemp -d /tmp/pdfco-replicas-XXXXXX)
postgres=

leave() {
  [ -z "$postgres" ] || kill -INT "$postgres" 2>/dev/null || true
  [ -z "$postgres" ] || wait "$postgres" 2>/dev/null || true
  rm -rf "$room"
}
trap leave EXIT

as() { "$@"; }
if [ "$(id -u)" -eq 0 ]; then
  as() { setpriv --reuid postgres --regid postgres --clear-groups -- "$@"; }
  chown postgres:postgres "$room"
fi
bin=$(pg_config --bindir 2>/dev/null || true)
[ -x "$bin/initdb" ] || bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
cd "$room"
as "$bin/initdb" --no-sync --auth=trust --username=pdfco --encoding=UTF8 --locale=C --pgdata "$room/data" >"$room/initdb.log"
port=
while [ -z "$port" ]; do # below those that the system gives to connections
  port=$((20000 + RANDOM % 12000))
  ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || port=
done
# The server itself, so that it can be ended by its own id.
if [ "$(id -u)" -eq 0 ]; then
  setpriv --reuid postgres --regid postgres --clear-groups -- "$bin/postgres" -D "$room/data" -k "$room" -p "$port" \
    -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=32MB >"$room/postgres.log" 2>&1 &
else
  "$bin/postgres" -D "$room/data" -k "$room" -p "$port" -c listen_addresses=127.0.0.1 -c fsync=off \
    -c shared_buffers=32MB >"$room/postgres.log" 2>&1 &
fi
postgres=$!
for _ in $(seq 200); do
  ! "$bin/pg_isready" --quiet --host=127.0.0.1 --port="$port" || break
  sleep 0.1
done
"$bin/pg_isready" --quiet --host=127.0.0.1 --port="$port" || { cat "$room/postgres.log"; exit 1; }
mkdir "$room/home"
chmod 0755 "$room"
timeout 200 "$python" "$here/replicas.py" "$binary" --old-python "$old_python" --home "$room/home" \
  --ledger "postgres://pdfco@127.0.0.1:$port/postgres"
