#!/bin/sh
# Random credentials for the broker and tokens for the gateway, in deploy/secrets or in the folder
# that is named. Without a name also the folders that compose.yaml mounts, and in .env who the
# results shall belong to. Leaves alone what is there already: a broker keeps the password of its
# first start on its volume.
set -eu
cd "$(dirname "$0")/.."

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

sha256() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

# keep FILE: what comes in, readable by all, whole or not at all.
keep() {
    cat >"$1.new"
    chmod 444 "$1.new"
    mv "$1.new" "$1"
}

# token NAME ROLE: makes the token of that name unless it is there; its line of the tokens file.
token() {
    [ -s "$secrets/$1_token" ] || printf 'coffeeshop_%s\n' "$(random)" | keep "$secrets/$1_token"
    echo "$1 $2 sha256:$(tr -d '\n' <"$secrets/$1_token" | sha256)"
}

secrets=${1:-deploy/secrets}
url=$secrets/broker_url
user=$secrets/rabbitmq_user.conf

# The folder keeps others out. The files are readable by all: compose mounts them as they are, and
# the containers' users are not the one who runs this.
mkdir -p "$secrets"
chmod 700 "$secrets"
if [ ! -s "$url" ]; then
    printf 'amqp://coffeeshop:%s@rabbitmq:5672/\n' "$(random)" | keep "$url"
    echo "secrets: new credentials in $secrets" >&2
fi
password=$(sed -n 's,^amqp://coffeeshop:\([0-9a-f]*\)@.*,\1,p' "$url")
if [ -z "$password" ]; then
    echo "secrets: $url is not of this script's making; write $user yourself" >&2
elif [ ! -s "$user" ]; then
    printf 'default_user = coffeeshop\ndefault_pass = %s\n' "$password" | keep "$user"
fi
# Made once: lines that somebody adds later stay.
if [ ! -s "$secrets/gateway_tokens" ]; then
    { token client client && token admin admin; } | keep "$secrets/gateway_tokens"
fi

# Of Grafana, in the profile `monitoring`, whose user is admin.
[ -s "$secrets/grafana_password" ] || random | keep "$secrets/grafana_password"

[ $# = 0 ] || exit 0
mkdir -p .data results
if [ "$(id -u)" = 0 ]; then
    # The client never runs as root, and a run of `make try` as root may have been here before.
    find results -user root -exec chown 1000:1000 {} +
elif ! grep -qs '^USER_ID=' .env; then
    [ ! -s .env ] || [ -z "$(tail -c 1 .env)" ] || echo >>.env
    printf 'USER_ID=%s\nGROUP_ID=%s\n' "$(id -u)" "$(id -g)" >>.env
fi
