# MariaDB: the data directory made whole or not at all, then the server, which sets the passwords as it starts.
set -eu
umask 077
data=/data/mariadb
if [ ! -d "$data/mysql" ]; then
  echo "Making the data directory"
  rm -rf -- "$data.new"
  mkdir -- "$data.new"
  mariadb-install-db --no-defaults --datadir="$data.new" --auth-root-authentication-method=normal \
    --skip-test-db --skip-name-resolve --skip-log-bin >/dev/null
  sync
  mv -- "$data.new" "$data"
fi
at=/data/run
mkdir -p -- "$at"
rm -f -- "$at"/init.*  # of a start that was killed before anybody read it
mkfifo -- "$at/init.$$"
trap 'rm -f -- "$at/init.$$"' EXIT
sql="CREATE DATABASE IF NOT EXISTS brainpod CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS brainpod@'%';
ALTER USER brainpod@'%' IDENTIFIED BY '$PASSWORD';
GRANT ALL PRIVILEGES ON brainpod.* TO brainpod@'%';
CREATE USER IF NOT EXISTS '${ADMIN:-platform}'@'%';
ALTER USER '${ADMIN:-platform}'@'%' IDENTIFIED BY '$ADMIN_PASSWORD';
GRANT ALL PRIVILEGES ON *.* TO '${ADMIN:-platform}'@'%' WITH GRANT OPTION;
DROP USER IF EXISTS root@localhost;
DROP USER IF EXISTS root@'127.0.0.1';
DROP USER IF EXISTS root@'::1';"
unset PASSWORD ADMIN_PASSWORD
(printf '%s\n' "$sql" > "$at/init.$$"; rm -f -- "$at/init.$$") &
# What time is spent on, told without values, for some 10 MB: of all the performance schema only that is on.
small=
for name in max-mutex-instances max-rwlock-instances max-cond-instances max-file-instances max-table-instances \
  max-table-handles max-socket-instances max-memory-classes max-mutex-classes max-rwlock-classes max-cond-classes \
  max-file-classes max-stage-classes max-file-handles max-index-stat max-table-lock-stat max-program-instances \
  max-prepared-statements-instances max-metadata-locks accounts-size hosts-size users-size setup-objects-size \
  events-waits-history-size events-waits-history-long-size events-stages-history-size \
  events-stages-history-long-size events-statements-history-size events-statements-history-long-size \
  events-transactions-history-size events-transactions-history-long-size session-connect-attrs-size; do
  small="$small --loose-performance-schema-$name=0"
done
# shellcheck disable=SC2086 - words
exec mariadbd --no-defaults --datadir="$data" --port="$PORT" --bind-address="$LISTEN" --socket="$at/mariadb.sock" \
  --pid-file="$at/mariadb.pid" --init-file="$at/init.$$" --skip-name-resolve --character-set-server=utf8mb4 \
  --innodb-buffer-pool-size="$((MEMORY / 2))M" --max-connections=100 --local-infile=OFF --secure-file-priv="$at" \
  --skip-log-bin --slow-query-log=OFF --long-query-time=1 --default-time-zone=+00:00 \
  --performance-schema=ON --performance-schema-digests-size=200 --loose-performance-schema-max-thread-instances=150 \
  --performance-schema-instrument='%=OFF' --performance-schema-instrument='statement/%=ON' $small
