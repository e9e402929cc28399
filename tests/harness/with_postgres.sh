#!/bin/sh
# Runs a command with a private, empty, throw-away PostgreSQL cluster; its conninfo is in
# ATTUNE_TEST_DATABASE (encoding UTF8, no schema). The cluster listens on a unix socket
# only and is removed when the command ends, however it ends. Exit status: the command's; 77 (a skipped
# test) where no PostgreSQL server is installed.
# usage: with_postgres.sh COMMAND [ARGUMENT...]
set -eu

bin=
for dir in "$(dirname "$(command -v initdb || echo /nowhere/initdb)")" \
    $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n); do
  [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && [ -x "$dir/pg_ctl" ] && bin=$dir
done
if [ -z "$bin" ]; then
  echo "with_postgres.sh: no PostgreSQL server found: install the package postgresql" >&2
  exit 77
fi

# PostgreSQL refuses to run as root.
as_owner() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --init-groups env HOME="$dir" "$@"
  else
    "$@"
  fi
}

for name in $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p'); do unset "$name"; done

# A short path: a unix socket's has at most 107 bytes.
dir=$(mktemp -d /tmp/attune-pg.XXXXXX)
child=
stop() {
  status=$?
  set +e
  trap '' EXIT HUP INT TERM
  [ -n "$child" ] && kill "$child" 2>/dev/null && wait "$child" 2>/dev/null
  [ -f "$dir/data/postmaster.pid" ] && as_owner "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1
  rm -rf "$dir"
  exit "$status"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

chmod 0700 "$dir"
[ "$(id -u)" = 0 ] && chown postgres:postgres "$dir"
here=$PWD
cd "$dir"
as_owner "$bin/initdb" -D "$dir/data" -U postgres --encoding=UTF8 --locale=C --auth=trust --no-sync \
  >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; exit 99; }
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
fsync = off
full_page_writes = off
shared_buffers = 64MB
max_wal_size = 2GB
max_connections = 60
CONF
as_owner "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 start >/dev/null \
  || { cat "$dir/server.log" >&2; exit 99; }
cd "$here"

ATTUNE_TEST_DATABASE="host=$dir user=postgres dbname=postgres"
ATTUNE_TEST_POSTGRES_BIN=$bin
export ATTUNE_TEST_DATABASE ATTUNE_TEST_POSTGRES_BIN
"$@" &
child=$!
status=0
wait "$child" || status=$?
child=
exit "$status"
