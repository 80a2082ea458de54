#!/bin/sh
# Entrypoint of the image: what depends on the other containers' names.
set -eu
if [ -n "${BUS_USER:-}" ]; then # the password comes as a file that only this container sees
  REDIS_URL="redis://$BUS_USER:$(cat /run/bus/password)@redis:6379"
  export REDIS_URL
fi
case ${MM_VENUE:-} in sim | replay)
  export MM_VENUE_URL="${MM_VENUE_URL:-http://venue:3001}" ;;
esac
exec "$@"
