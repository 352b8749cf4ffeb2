#!/usr/bin/env bash
# Writes what the image is made from, each version with its hashes: scripts/requirements.txt, what it holds beside
# torch, and scripts/requirements-build.txt, what builds our wheel. Run it after changing pyproject.toml's
# dependencies. Needs Python 3.11, as the image has.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CPU_INDEX=https://download.pytorch.org/whl/cpu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check pip-tools==7.6.2

compile() {
    "$work/env/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@"
}

# torch itself is left out: see the Dockerfile.
write() {
    echo '# Written by scripts/lock.sh.'
    awk '/^[^ ]/ { skip = /^(torch==|#)/ } NF && !skip' "$1"
}

compile --output-file "$work/build.txt" --only-build-deps --build-deps-for wheel pyproject.toml
compile --output-file "$work/run.txt" --extra-index-url "$CPU_INDEX" --constraint scripts/torch.txt \
    --extra space pyproject.toml
if grep -q '^nvidia-' "$work/run.txt"; then
    echo "lock: $CPU_INDEX did not answer, and torch's CUDA build got in; try again later" >&2
    exit 1
fi
write "$work/build.txt" >scripts/requirements-build.txt
write "$work/run.txt" >scripts/requirements.txt
