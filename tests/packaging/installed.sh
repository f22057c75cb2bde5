#!/usr/bin/env bash
# `cmake --install` gives programs that start when the build folder, the source tree and the
# LibTorch that they were built with are gone.
# Usage: installed.sh CMAKE BUILD_FOLDER SOURCE_FOLDER LIBTORCH_FOLDER
#
# Gone: an empty file system is mounted over each of them, where the kernel lets this user do so.
# Where it does not, only the paths that the loader takes are compared with these folders.
set -euo pipefail

fail() {
    echo "installed: $*" >&2
    exit 1
}

# What is there and where the loader looks, for the installation in $1; the rest: what must not be.
check_files() {
    local prefix=$1 path program runpath loaded gone
    shift
    for path in share/keepsake/models/flowers/model_index.json \
        share/keepsake/photos/suggestions.json share/doc/keepsake/LICENSE; do
        [ -e "$prefix/$path" ] || fail "no $path"
    done
    for program in "$prefix"/bin/*; do
        runpath=$(readelf -d "$program" | sed -n -E 's/.*R(UN)?PATH.*\[(.*)\]/\2/p')
        # shellcheck disable=SC2016
        [[ ":$runpath" =~ ^(:\$ORIGIN[^:]*)+$ ]] || fail "$program: RUNPATH is '$runpath'"
        loaded=$(ldd "$program")
        for gone in "$@" "not found"; do
            ! grep -F "$gone" <<<"$loaded" || fail "$program: loads the above"
        done
    done
}

# What the desktop reads, by the desktop's own checkers where they are installed.
check_desktop() {
    local prefix=$1 id=org.keepsake.keepsake version
    [ -e "$prefix/bin/keepsake-gui" ] || return 0
    version=$("$prefix/bin/keepsake" --version)
    grep -q "<release version=\"${version#keepsake }\"" "$prefix/share/metainfo/$id.metainfo.xml" ||
        fail "$id.metainfo.xml: knows no release ${version#keepsake }"
    if command -v desktop-file-validate >/dev/null; then
        desktop-file-validate "$prefix/share/applications/$id.desktop" || fail "$id.desktop"
    fi
    if command -v appstreamcli >/dev/null; then
        appstreamcli validate --no-net "$prefix/share/metainfo/$id.metainfo.xml" ||
            fail "$id.metainfo.xml"
    fi
}

run_programs() {
    local prefix=$1 program information
    cd /
    "$prefix/bin/keepsake" --version | grep '^keepsake [0-9]' || fail "keepsake --version"
    information=$("$prefix/bin/keepsake" info "$prefix/share/keepsake/models/flowers") ||
        fail "keepsake info: status $?"
    grep -q ' parameters' <<<"$information" || fail "keepsake info: $information"
    # Where no model is named, it is the installed one.
    "$prefix/bin/keepsake" tokenize "a photo" || fail "keepsake tokenize: status $?"
    for program in "$prefix"/bin/*; do
        "$program" --help >/dev/null || fail "$program --help: status $?"
    done
}

hide() {
    local gone
    for gone in "$@"; do
        # Within one that is hidden already there is nothing more to hide.
        [ ! -e "$gone" ] || mount -t tmpfs none "$gone" || return
    done
}

unset LD_LIBRARY_PATH KEEPSAKE_MODEL
if [ "$1" = --hidden ]; then
    prefix=$2
    shift 2
    hide "$@" || exit 77
    [ ! -e "$1/CMakeCache.txt" ] || fail "$1: is still there"
    run_programs "$prefix"
    exit
fi

cmake=$1
folders=("$(realpath "$2")" "$(realpath "$3")" "$(realpath "$4")")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$cmake" --install "$2" --prefix "$folder/usr" >"$folder/log" || fail "$(cat "$folder/log")"
check_files "$folder/usr" "${folders[@]}"
check_desktop "$folder/usr"

if unshare --user --map-root-user --mount true 2>/dev/null; then
    status=0
    unshare --user --map-root-user --mount bash "$0" --hidden "$folder/usr" "${folders[@]}" ||
        status=$?
    [ "$status" = 77 ] || exit "$status"
fi
echo "installed: nothing is hidden, for this user may mount nothing"
run_programs "$folder/usr"
