#!/bin/sh
# What deploy/kubernetes needs beside the checkout, in deploy/kubernetes/secrets/files/: the credentials and
# tokens of `make secrets`, as the files that its kustomization reads. Run it again after a change.
set -eu
cd "$(dirname "$0")/.."
sh scripts/secrets.sh

from=deploy/secrets
to=deploy/kubernetes/secrets/files
mkdir -p "$to"
chmod 700 "$to"

# keep FILE: what comes in, for its owner only, whole or not at all.
keep() {
    (umask 077 && cat >"$to/$1.new")
    mv "$to/$1.new" "$to/$1"
}

# setting KEY: its value in the broker's user file.
setting() { sed -n "s/^$1 = //p" "$from/rabbitmq_user.conf"; }

if [ ! -s "$from/rabbitmq_user.conf" ]; then
    echo "kubernetes_secrets: there is no $from/rabbitmq_user.conf" >&2
    exit 1
fi
user=$(setting default_user)
password=$(setting default_pass)
nodes=rabbitmq-server-0.rabbitmq-nodes,rabbitmq-server-1.rabbitmq-nodes,rabbitmq-server-2.rabbitmq-nodes

printf 'amqp://%s:%s@rabbitmq:5672/\n' "$user" "$password" | keep broker_url
# A node that is lost without a word is noticed within 20 s.
printf 'amqp://%s:%s@%s/?heartbeat=5\n' "$user" "$password" "$nodes" | keep cluster_url
keep default_user.conf <"$from/rabbitmq_user.conf"
printf '%s' "$user" | keep username
printf '%s' "$password" | keep password
keep gateway_tokens <"$from/gateway_tokens"
keep client_token <"$from/client_token"
