# In an image: not as root, which no server likes, but as the first of the users $2 that the image has. $1: the script.
set -eu
if [ "$(id -u)" != 0 ]; then exec sh -c "$1"; fi
user=
for name in $2; do
  if id -u "$name" >/dev/null 2>&1; then user=$name; break; fi
done
if [ -z "$user" ]; then
  echo "The image has none of the users it should: $2." >&2
  exit 78
fi
[ "$(stat -c %U /data)" = "$user" ] || chown -R "$user:$user" /data
for program in gosu su-exec; do
  if command -v "$program" >/dev/null; then exec "$program" "$user" sh -c "$1"; fi
done
exec setpriv --reuid="$(id -u "$user")" --regid="$(id -g "$user")" --clear-groups sh -c "$1"
