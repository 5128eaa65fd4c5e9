#!/bin/sh
# What compose.yaml needs beside the checkout: random credentials for the broker, the folders it
# mounts, and in .env who the results shall belong to. Leaves alone what is there already: a broker
# keeps the password of its first start on its volume.
set -eu
cd "$(dirname "$0")/.."

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

secrets=deploy/secrets
url=$secrets/broker_url
user=$secrets/rabbitmq_user.conf

# The folder keeps others out. The files are readable by all: compose mounts them as they are, and
# the containers' users are not the one who runs this.
mkdir -p "$secrets"
chmod 700 "$secrets"
if [ ! -s "$url" ]; then
    printf 'amqp://coffeeshop:%s@rabbitmq:5672/\n' "$(random)" >"$url.new"
    chmod 444 "$url.new"
    mv "$url.new" "$url"
    echo "secrets: new credentials in $secrets" >&2
fi
password=$(sed -n 's,^amqp://coffeeshop:\([0-9a-f]*\)@.*,\1,p' "$url")
if [ -z "$password" ]; then
    echo "secrets: $url is not of this script's making; write $user yourself" >&2
elif [ ! -s "$user" ]; then
    printf 'default_user = coffeeshop\ndefault_pass = %s\n' "$password" >"$user.new"
    chmod 444 "$user.new"
    mv "$user.new" "$user"
fi

mkdir -p .data results
if [ "$(id -u)" = 0 ]; then
    find results -prune -user root -exec chown 1000:1000 {} + # the client never runs as root
elif [ ! -e .env ]; then
    printf 'USER_ID=%s\nGROUP_ID=%s\n' "$(id -u)" "$(id -g)" >.env
fi
