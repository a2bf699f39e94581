#!/bin/sh
# Starts Redis or Valkey with one user per part of the pipeline: `sh redis.sh valkey-server OPTIONS…`.
# Each user has only the permissions that its part needs, on database 0; tests fail if a permission is missing.
# The reconciler and outbound use `api`: they need fewer permissions. Passwords come from the environment; only hashes are written.
set -eu
umask 077

for password in "$REDIS_ADMIN_PASSWORD" "$REDIS_API_PASSWORD" "$REDIS_WORKER_PASSWORD" "$REDIS_FLOWER_PASSWORD"; do
  if [ "${ENVIRONMENT:-}" = production ] && [ "$password" = tsad ]; then
    echo "A Redis password is still the default: set REDIS_{ADMIN,API,WORKER,FLOWER}_PASSWORD" >&2
    exit 78 # EX_CONFIG
  fi
done

hash() { printf %s "$1" | sha256sum | cut -d " " -f 1; }

connection="resetchannels -@all +ping +hello +select +client|setinfo +client|setname +reset +quit"
atomic="+multi +exec +discard +watch +unwatch +eval +evalsha +script|load +script|exists +get +set +del"
metrics="~tsad:metrics +hincrbyfloat ~tsad:latency:* +lpush +ltrim"
fits="~fit ~fit??[369] +lpush +llen" # a queue is four lists, one per priority; only one is used
# Events, and remote control, which Flower uses to query workers. PSUBSCRIBE needs exactly the granted pattern.
events="&/0.celeryev/* &/0.celery.pidbox +publish +subscribe +unsubscribe +psubscribe +punsubscribe"
celery="~_kombu.binding* ~celeryev.* ~*.celery.pidbox* +lpush +rpush +rpop +brpop +llen +exists +pexpire +time"
bindings="+sadd +srem +smembers +zadd +zrem +zrangebyscore"
unacked="~unacked ~unacked_index ~unacked_mutex +hset +hget +hdel +zrange"

users="${TMPDIR:-/tmp}/users.acl"
cat > "$users" <<END
user default on nopass -@all +ping
user admin on #$(hash "$REDIS_ADMIN_PASSWORD") ~* &* +@all
user api on #$(hash "$REDIS_API_PASSWORD") $connection $atomic $metrics $fits ~tsad:workers ~tsad:rate:* +lrange +hgetall +zcount +time
user worker on #$(hash "$REDIS_WORKER_PASSWORD") $connection $atomic $metrics $fits $events $celery $bindings $unacked ~tsad:workers +zremrangebyscore
user flower on #$(hash "$REDIS_FLOWER_PASSWORD") $connection $atomic $events $celery $bindings $unacked %R~fit %R~fit??[369]
END
unset REDIS_ADMIN_PASSWORD REDIS_API_PASSWORD REDIS_WORKER_PASSWORD REDIS_FLOWER_PASSWORD password
exec "$@" --aclfile "$users"
