# PostgreSQL: the data directory made whole or not at all, the passwords set anew, then the server.
set -eu
umask 077
if ! id -un >/dev/null 2>&1; then
  echo "PostgreSQL refuses users without a name. Where there are no sandboxes, start the platform as an ordinary user." >&2
  exit 78
fi
data=/data/postgres
if [ ! -s "$data/PG_VERSION" ]; then
  echo "Making the data directory"
  rm -rf -- "$data.new"
  printf '%s' "$ADMIN_PASSWORD" |
    initdb -D "$data.new" -U "${ADMIN:-postgres}" -E UTF8 --locale=C.UTF-8 -A scram-sha-256 --pwfile=/dev/stdin --no-instructions >/dev/null
  printf 'host all all all scram-sha-256\n' > "$data.new/pg_hba.conf"
  postgres --single -D "$data.new" -c exit_on_error=on postgres >/dev/null <<SQL
CREATE ROLE brainpod LOGIN
CREATE DATABASE brainpod OWNER brainpod
REVOKE ALL ON DATABASE postgres FROM PUBLIC
SQL
  sync
  mv -- "$data.new" "$data"
fi
rm -f -- "$data/postmaster.pid"
# A value that is refused stands in no log.
postgres --single -D "$data" -c exit_on_error=on -c log_min_error_statement=panic postgres >/dev/null <<SQL
ALTER ROLE brainpod LOGIN PASSWORD '$PASSWORD'
ALTER ROLE "${ADMIN:-postgres}" LOGIN PASSWORD '$ADMIN_PASSWORD'
SQL
unset PASSWORD ADMIN_PASSWORD
# What time is spent on, told without values; in the platform's own database, where apps have no business.
programs=$(dirname -- "$(readlink -f -- "$(command -v postgres)")")
load=
if [ -e "$programs/../lib/pg_stat_statements.so" ] || [ -e "$programs/../lib/postgresql/pg_stat_statements.so" ]; then
  load=pg_stat_statements
  printf 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements\n' | postgres --single -D "$data" postgres >/dev/null
fi
# Who connects and says nothing is waited for that long, at the end too.
postgres -D "$data" -p "$PORT" -c "listen_addresses=$LISTEN" -c unix_socket_directories= \
  -c "shared_buffers=$((MEMORY / 4))MB" -c "effective_cache_size=$((MEMORY / 2))MB" -c max_connections=100 -c authentication_timeout=20s \
  -c "maintenance_work_mem=$((MEMORY / 16))MB" -c log_line_prefix= -c log_min_duration_statement=1000 \
  -c timezone=UTC -c log_timezone=UTC "-cshared_preload_libraries=$load" \
  ${load:+-c pg_stat_statements.track_utility=off -c pg_stat_statements.max=500} &
server=$!
# TERM asks a postmaster to wait for its clients, and pooled connections never leave: INT ends them in order.
trap 'kill -INT "$server" 2>/dev/null || true' TERM INT
code=0
while kill -0 "$server" 2>/dev/null; do
  code=0
  wait "$server" || code=$?
done
exit "$code"
