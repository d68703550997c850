# Valkey, or Redis: every write is on the disk within a second.
set -eu
umask 077
mkdir -p -- /data/valkey
server=$(command -v valkey-server || command -v redis-server)
exec "$server" - <<CONFIG
port $PORT
bind $LISTEN
protected-mode no
dir /data/valkey
appendonly yes
maxmemory $((MEMORY * 3 / 4))mb
maxmemory-policy noeviction
user default on >$PASSWORD ~* &* +@all -shutdown -replicaof -module -debug -acl -config +config|get
user ${ADMIN:-platform} on >$ADMIN_PASSWORD ~* &* +@all
CONFIG
