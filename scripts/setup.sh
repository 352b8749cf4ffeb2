#!/usr/bin/env bash
# Makes .venv, or does nothing where it is up to date. Needs Python 3.11 or newer with its venv module, and git.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
STAMP=$VENV/setup.stamp
CPU_INDEX=https://download.pytorch.org/whl/cpu

say() { printf 'setup: %s\n' "$*"; }

stop() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# What the environment was made from. The folder is part of it: console scripts name their interpreter by its
# full path, so that a copied .venv would run the old one.
fingerprint() { { cat pyproject.toml scripts/setup.sh scripts/torch.txt && pwd -P; } | cksum; }

# Prints the first Python that is new enough; runs each one, since a name on PATH may be an empty shim.
find_python() {
    local name version seen=''
    for name in python3 python3.13 python3.12 python3.11; do
        version=$("$name" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$name"
            return
        fi
        seen="$seen $name ($version)"
    done
    if [ -z "$seen" ]; then
        stop 'no Python found; Python 3.11 or newer is needed.' \
            'Install it with: sudo apt-get install python3 python3-venv'
    fi
    stop "found only$seen; Python 3.11 or newer is needed." \
        'Install it with: sudo apt-get install python3.11 python3.11-venv' \
        '(Debian 12, Ubuntu 24.04 and later have a new enough python3 of their own.)'
}

check_tools() {
    local python=$1
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        stop "$python has no venv module; it makes the environment." \
            "Install it with: sudo apt-get install $python-venv"
    fi
    if ! git --version >/dev/null 2>&1; then
        stop 'git is missing.' 'Install it with: sudo apt-get install git'
    fi
}

# One line per package, where pip prints four.
calm() {
    sed -u -n -E \
        -e '/\.metadata/d' \
        -e 's/^ *(Downloading|Using cached) ([^ ]*\/)?([^ /]+)( \(.*\))?$/  \3\4/p' \
        -e 's/^Processing (.*\/)?([^/]+\.whl)$/  \2/p' \
        -e 's/^Installing collected packages:.*/setup: installing what was downloaded/p'
}

pip_install() { "$VENV/bin/python" -m pip install --disable-pip-version-check "$@"; }

# From the CPU index where it answers, at once from PyPI where it does not: with retries that took up to 77 s.
# Without dependencies, so that nothing else is looked up there. A download that broke is tried once more.
install_torch() {
    say "getting $(cat scripts/torch.txt), CPU build"
    pip_install --retries 0 --timeout 15 --no-deps --extra-index-url "$CPU_INDEX" -r scripts/torch.txt ||
        pip_install --no-deps -r scripts/torch.txt ||
        stop 'pip could not install torch; it says why above.' 'Try again with: make setup'
}

# Read from its version file: a CUDA build cannot be imported before its libraries are there, and here is the
# last moment to do without those.
report_torch() {
    local cuda
    cuda=$("$VENV/bin/python" -c '
import importlib.util, runpy
folder = importlib.util.find_spec("torch").submodule_search_locations[0]
print(runpy.run_path(folder + "/version.py")["cuda"] or "")')
    if [ -n "$cuda" ]; then
        say "this torch is built for CUDA $cuda, since $CPU_INDEX did not answer."
        say 'It works on the CPU too, but its libraries are gigabytes. To wait for the small build:'
        say 'stop here, rm -rf .venv, and make setup later.'
    fi
}

main() {
    if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(fingerprint)" ] && [ -x "$VENV/bin/python" ]; then
        return
    fi
    local python
    python=$(find_python)
    check_tools "$python"
    rm -f "$STAMP"
    if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        say "making $VENV with $("$python" --version)"
        "$python" -m venv --clear "$VENV"
    fi
    install_torch
    report_torch
    say 'getting the other packages'
    pip_install -r scripts/torch.txt -e '.[dev]' | calm ||
        stop 'pip could not install the packages; it says why above.' 'Go on where it stopped with: make setup'
    fingerprint >"$STAMP"
    say "ready in ${SECONDS} s"
}

main
