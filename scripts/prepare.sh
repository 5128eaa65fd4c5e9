#!/bin/sh
# What compose.yaml's service `prepare` does, once, as root and before all others: the credentials of
# this installation on the volumes of those that need them, and folders that the client can use.
# Twice is harmless. `prepare.sh CHECKOUT DATA SECRETS`
set -eu
checkout=$1 data=$2 secrets=$3

say() { echo "prepare: $*" >&2; }

# copy FROM TO: whole or not at all, readable by the service's user.
copy() {
    cp "$1" "$2.new"
    chmod 444 "$2.new"
    mv -f "$2.new" "$2"
}

# Files of `make secrets` in the checkout take the place of those on the volume.
for file in "$checkout"/deploy/secrets/*; do
    case "$file" in *_token | *_tokens | *_password | */broker_url | */rabbitmq_user.conf)
        [ ! -s "$file" ] || copy "$file" "$secrets/all/$(basename "$file")" ;;
    esac
done
sh "$checkout/scripts/secrets.sh" "$secrets/all"

copy "$checkout/deploy/rabbitmq.conf" "$secrets/rabbitmq/50-coffeeshop.conf"
copy "$secrets/all/rabbitmq_user.conf" "$secrets/rabbitmq/60-user.conf"
copy "$secrets/all/broker_url" "$secrets/broker/broker_url"
copy "$secrets/all/gateway_tokens" "$secrets/gateway/gateway_tokens"
copy "$secrets/all/client_token" "$secrets/client/client_token"
copy "$secrets/all/admin_token" "$secrets/admin/admin_token"
copy "$secrets/all/grafana_password" "$secrets/grafana/grafana_password"

# The results belong to whom .env names, else to who owns the checkout, but never to root: the client
# does not run as root.
owner=$(stat -c %u "$checkout/compose.yaml") group=$(stat -c %g "$checkout/compose.yaml")
[ "$owner" != 0 ] || owner=1000 group=1000
owner=${USER_ID:-$owner} group=${GROUP_ID:-$group}
mkdir -p "$checkout/results"
# What an engine, or a run of `make try` as root, left behind. Files of others are left alone.
find "$checkout/results" -user root -exec chown "$owner:$group" {} + ||
    say "cannot give $checkout/results to user $owner"
[ -n "$(ls -A "$data")" ] || chown "$owner:$group" "$data" ||
    say "cannot give the data folder to user $owner"

# The next `docker compose` reads it. The first may have begun as user 1000, who is then let in.
if ! grep -qs '^USER_ID=' "$checkout/.env" && [ -z "${USER_ID:-}" ]; then
    [ ! -s "$checkout/.env" ] || [ -z "$(tail -c 1 "$checkout/.env")" ] || echo >>"$checkout/.env"
    printf 'USER_ID=%s\nGROUP_ID=%s\n' "$owner" "$group" >>"$checkout/.env"
    chown "$owner:$group" "$checkout/.env" || say "cannot give $checkout/.env to user $owner"
    if [ "$owner" != 1000 ]; then chmod a+rwxt "$checkout/results"; fi
fi

port=${COFFEESHOP_GATEWAY_PORT:-9000}
say "the web page is http://127.0.0.1:$port/; its token: docker compose run --rm token"
say "analyse .data/NAME: docker compose run --rm client --data-folder NAME --verbose"
say "other commands: docker compose exec gateway sh -c 'coffeeshop --help'"
