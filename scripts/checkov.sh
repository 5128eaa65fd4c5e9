#!/bin/sh
# The manifests of deploy/kubernetes, rendered, against the rules of checkov. Needs no network but to
# install it, into .checkov; without one it does without, loudly, and fails in CI.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

# CKV_K8S_11, a limit of processors: it slows a process down that could have what nobody uses;
#   gateways and workers have requests, the brokers of a cluster a limit as well.
# CKV_K8S_15 and 43, images by digest, always pulled: the image is built by who installs it.
skipped=CKV_K8S_11,CKV_K8S_15,CKV_K8S_43

wanted=$(cksum <scripts/checkov.txt)" $(pwd)"
if [ "$(cat .checkov/.complete 2>/dev/null)" != "$wanted" ]; then
    echo "checkov: installing into .checkov" >&2
    rm -rf .checkov
    if ! { python3 -m venv .checkov &&
        .checkov/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
            --requirement scripts/checkov.txt; }; then
        echo "****************************************************************" >&2
        echo "* MANIFESTS NOT CHECKED: checkov cannot be installed" >&2
        echo "****************************************************************" >&2
        [ -z "${CI:-}" ]
        exit
    fi
    echo "$wanted" >.checkov/.complete
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/deploy"
cp -R scripts "$work/scripts"
cp -R deploy/kubernetes "$work/deploy/kubernetes"
sh "$work/scripts/kubernetes_secrets.sh" 2>/dev/null
for overlay in small production; do
    kubectl kustomize "$work/deploy/kubernetes/overlays/$overlay" >"$work/$overlay.yaml"
done
.checkov/bin/checkov --framework kubernetes --skip-download --compact --quiet \
    --skip-check "$skipped" --file "$work/small.yaml" "$work/production.yaml" || exit 1
echo "checkov: no complaint about deploy/kubernetes"
