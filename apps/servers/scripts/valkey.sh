# Valkey, or Redis: every write is on the disk within a second.
set -eu
umask 077
mkdir -p -- /data/valkey
server=$(command -v valkey-server || command -v redis-server)
# Who is let in, by the digest of the password. The users that pods have at a shared server (apps/infrastructure/
# key_users.py) are added by the server itself, and stay.
acl=/data/valkey/users.acl
digest() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }
rm -f -- "$acl".*  # of a start or a save that was killed
{
  echo "user default on #$(digest "$PASSWORD") ~* &* +@all -shutdown -replicaof -module -debug -acl -config +config|get"
  echo "user ${ADMIN:-platform} on #$(digest "$ADMIN_PASSWORD") ~* &* +@all"
  if [ -f "$acl" ]; then grep -E '^user p[0-9a-z]{16}_[0-9a-f]{12} ' "$acl" || :; fi
} > "$acl.new"
sync -- "$acl.new" 2>/dev/null || sync
mv -- "$acl.new" "$acl"
unset PASSWORD ADMIN_PASSWORD
exec "$server" - <<CONFIG
port $PORT
bind $LISTEN
protected-mode no
dir /data/valkey
aclfile $acl
appendonly yes
maxmemory $((MEMORY * 3 / 4))mb
maxmemory-policy noeviction
CONFIG
