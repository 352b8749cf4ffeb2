#!/usr/bin/env bash
# Builds the real Dockerfile and runs its image on a mounted workspace, without a Docker engine: buildah builds it on
# a Debian base that debootstrap makes. Run as root on Debian, with: apt-get install buildah debootstrap
# Leaves nothing behind but what IMAGE_TEST_DIR names, if set: it keeps the base and the layers for the next run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SUITE=bookworm
MIRROR=http://deb.debian.org/debian

say() { printf 'image-test: %s\n' "$*"; }

stop() {
    printf 'image-test: %s\n' "$@" >&2
    exit 1
}

check_tools() {
    [ "$(id -u)" -eq 0 ] || stop 'debootstrap and buildah need root here.' 'Run it with: sudo make image-test'
    local tool
    for tool in buildah debootstrap; do
        command -v "$tool" >/dev/null ||
            stop "$tool is missing." "Install it with: apt-get install $tool"
    done
}

store() { buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"; }

# Debian with its Python and pip. Its mark that pip must leave it alone is taken off: the official Python image,
# which this stands for, has none.
make_base() {
    if store inspect --type image mergesmith-base >/dev/null 2>&1; then
        return
    fi
    say "making a base of Debian $SUITE"
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip \
        "$SUITE" "$work/base" "$MIRROR" >"$work/debootstrap.log" || stop "debootstrap failed: $work/debootstrap.log"
    rm -f "$work"/base/usr/lib/python3*/EXTERNALLY-MANAGED
    local container
    container=$(store from scratch)
    store add --quiet "$container" "$work/base" / >/dev/null
    store commit --quiet --rm "$container" mergesmith-base >/dev/null
    rm -rf "$work/base"
}

# Whatever this machine's pip is told, the build's pip is told too, for the length of the build: its settings as one
# file, and each path that they name.
pip_volumes() {
    python3 - "$work/pip.conf" <<'PYTHON'
import ast, pathlib, re, subprocess, sys

listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
settings = {}
for line in listed.stdout.splitlines():
    name, _, value = line.partition("=")
    settings[name.rsplit(".", 1)[-1]] = ast.literal_eval(value)
# A package index that does not answer is skipped at once.
settings["retries"] = "0"
lines = [f"{key} = {value}" for key, value in settings.items()]
pathlib.Path(sys.argv[1]).write_text("\n".join(["[global]", *lines, ""]))
paths = {path for value in settings.values() for path in re.findall(r"(?:^|\s|file://)(/[^\s]+)", value)}
for path in sorted(paths):
    where = pathlib.Path(path).resolve()
    # An index in a folder `simple` links to the files beside it.
    while where.is_dir() and where.name == "simple":
        where = where.parent
    if where.exists():
        print(f"--volume={where}:{where}:ro")
print(f"--volume={sys.argv[1]}:/etc/pip.conf:ro")
PYTHON
}

build() {
    local volumes
    mapfile -t volumes < <(pip_volumes)
    say 'building the image'
    store bud --quiet --isolation chroot --layers --build-arg BASE=localhost/mergesmith-base "${volumes[@]}" \
        --tag mergesmith . >"$work/build.log" 2>&1 || { tail -n 20 "$work/build.log" >&2; stop "the build failed"; }
}

# in_image COMMAND…: as the runner does it, in a fresh container, with the workspace mounted and entered.
in_image() {
    store run --isolation chroot --volume "$workspace:/github/workspace" --workingdir /github/workspace \
        "$container" "$@"
}

expect() {
    local wanted=$1 got
    shift
    got=$("$@" 2>&1) || stop "failed: $*" "$got"
    case $got in *"$wanted"*) say "ok: ${*:2}" ;; *) stop "expected '$wanted' of: $*" "$got" ;; esac
}

# A recipes repo with folders that are named like our packages: importing one ends the interpreter at once.
make_workspace() {
    workspace=$work/workspace
    rm -rf "$workspace"
    mkdir -p "$workspace"
    local room
    for room in engine bot space templates; do
        mkdir "$workspace/$room"
        printf 'import os\nos._exit(99)\n' >"$workspace/$room/__init__.py"
    done
    cp -R examples "$workspace/examples"
}

check_image() {
    local version entry
    version=$(sed -n 's/^ENGINE = "\(.*\)"$/\1/p' engine/version.py)
    entry=$(store inspect --type image --format '{{index .OCIv1.Config.Entrypoint 0}}' mergesmith)
    container=$(store from mergesmith)
    expect "mergesmith $version" in_image "$entry" --version
    expect 'slerp' in_image "$entry" plan examples/local/slerp.yaml
    expect 'done: /tmp/out' in_image "$entry" merge examples/local/slerp.yaml /tmp/out
    expect 'None' in_image python3 -W ignore -c 'import torch; print(torch.version.cuda)'
    expect 'No broken requirements found' in_image python3 -m pip check
    check_action
    check_space
    if in_image env -u PYTHONSAFEPATH python3 -c 'import engine' 2>/dev/null; then
        stop "the workspace's folders are harmless, so nothing was shown by all this"
    fi
}

# The Action's entry point, with an event that asks for nothing: it starts, and it is ours.
check_action() {
    local entry
    entry=$(sed -n 's/^  entrypoint: //p' action.yml)
    echo '{}' >"$workspace/event.json"
    expect 'watch: Nothing' in_image env GITHUB_EVENT_NAME=watch \
        GITHUB_EVENT_PATH=/github/workspace/event.json "$entry"
}

# The Space's: the form is there with all that it needs, and is not served without a sign-in.
check_space() {
    expect 'the form loads' in_image python3 -W ignore -c \
        'import engine.jobs, space.app, space.main; print("the form loads")'
    expect 'mergesmith-space: no sign-in: SPACE_ID' in_image sh -c '/usr/local/bin/mergesmith-space || true'
}

# took WHAT COMMAND…: how long a command in the image takes, container and all.
took() {
    local what=$1 start
    shift
    start=$(date +%s%N)
    in_image "$@" >/dev/null 2>&1
    say "takes $((($(date +%s%N) - start) / 1000000)) ms: $what"
}

measure() {
    say "size: $(store images --format '{{.Size}}' mergesmith), the base $(store images --format '{{.Size}}' mergesmith-base)"
    took 'mergesmith --version' /usr/local/bin/mergesmith --version
    took 'the Action, nothing to do' env GITHUB_EVENT_NAME=watch \
        GITHUB_EVENT_PATH=/github/workspace/event.json /usr/local/bin/mergesmith-action
    took 'loading the form' python3 -W ignore -c 'import engine.jobs, space.app'
    took 'loading torch' python3 -c 'import torch'
}

main() {
    check_tools
    work=${IMAGE_TEST_DIR:-$(mktemp -d)}
    [ -n "${IMAGE_TEST_DIR:-}" ] || trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"
    make_base
    build
    make_workspace
    check_image
    measure
    store rm "$container" >/dev/null
    say 'the image works'
}

main
