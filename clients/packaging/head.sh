#!/bin/sh
# Beistand: lets a technician help on this computer. Asks before anything is shown, and leaves nothing behind.
# What follows this script is an archive of the program; it is unpacked into one private folder for as long as it runs.
set -u
offset=@OFFSET@ size=@SIZE@ sha256=@SHA256@ glibc=@GLIBC@ megabytes=@MEGABYTES@
systems=@SYSTEMS@

case ${LC_ALL:-${LC_MESSAGES:-${LANG:-}}} in
    de*)
@WORDS_DE@
        ;;
    *)
@WORDS_EN@
        ;;
esac

# fail CODE FORMAT ARGUMENT...: say it where it is seen, in the terminal, or where there is none, on the desktop.
fail() {
    code=$1
    shift
    # shellcheck disable=SC2059
    text=$(printf "$@")
    printf '%s\n' "$text" >&2
    if [ ! -t 2 ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
        for dialog in "zenity --error --no-markup --text" "kdialog --error" "xmessage"; do
            # shellcheck disable=SC2086
            if command -v "${dialog%% *}" >/dev/null; then
                $dialog "$text" >/dev/null 2>&1
                break
            fi
        done
    fi
    exit "$code"
}

machine=$(uname -m)
[ "$machine" = x86_64 ] || fail 6 "$say_machine" "$machine"
found=$(getconf GNU_LIBC_VERSION 2>/dev/null) || found="musl"
found=${found#glibc }
new_enough() {
    case $found in [0-9]*.[0-9]*) ;; *) return 1 ;; esac
    [ "${found%%.*}" -gt "${glibc%%.*}" ] && return
    minor=${found#*.}
    [ "${found%%.*}" -eq "${glibc%%.*}" ] && [ "${minor%%.*}" -ge "${glibc#*.}" ]
}
new_enough || fail 6 "$say_glibc" "$glibc" "$systems" "$found"

case $0 in
    /*) file=$0 ;;
    */*) file=$PWD/$0 ;;
    *) if [ -f "$0" ]; then file=$PWD/$0; else file=$(command -v -- "$0"); fi ;;
esac
[ -r "$file" ] || fail 7 "$say_unpack"
archive() { tail -c "+$offset" -- "$1" | head -c "$size"; }

# clear_up FOLDER: the end of a run. The downloaded file goes, too, once its start was used (the file `used`), if it is
# still the same file (device and inode, noted in `file`) with this very archive in it.
clear_up() {
    if [ -e "$1/used" ] && { IFS= read -r path && read -r inode; } <"$1/file" &&
        [ -f "$path" ] && [ ! -L "$path" ] && [ "$(stat -c %d:%i -- "$path")" = "$inode" ] &&
        [ "$(archive "$path" | sha256sum)" = "$sha256  -" ]; then
        rm -f -- "$path"
    fi
    rm -rf -- "$1"
}

# sweep FOLDER: a run's folder is named after its process. One whose process is gone, and whose watcher was killed with
# it, was left behind. A process is known by its number and the moment it began (its name, in brackets, may have blanks).
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
sweep() {
    for left in "$1"/beistand-[0-9]*-[0-9]*-*; do
        if [ -f "$left/file" ] && [ -d "$left" ] && [ ! -L "$left" ] && [ -O "$left" ]; then
            pid=${left##*/beistand-}
            since=${pid#*-}
            pid=${pid%%-*}
            [ "$(began "$pid")" = "${since%%-*}" ] || clear_up "$left"
        fi
    done
}

# usable FOLDER: there is room in it, and a program in it may run.
usable() {
    [ "$(df -Pk -- "$1" 2>/dev/null | awk 'END { print int($4 / 1024) }')" -ge "$megabytes" ] || return
    printf '#!/bin/sh\n' >"$1/probe" && chmod 700 "$1/probe" && "$1/probe" 2>/dev/null || return
    rm -f "$1/probe"
}

# The watcher: this script once more, in a session of its own and without a terminal, so that neither Ctrl-C nor a closed
# terminal ends it first. It waits until every process of the run has let go of the pipe, which they all do, however they
# end; then it clears up.
if [ -n "${BEISTAND_WATCH:-}" ]; then
    trap '' HUP INT TERM
    cd /
    cat <"$BEISTAND_WATCH/alive" >/dev/null
    clear_up "$BEISTAND_WATCH"
    exit
fi

run= tried= bases=
for base in "${TMPDIR:-/tmp}" /tmp /var/tmp "${XDG_CACHE_HOME:-${HOME:-}/.cache}" "${XDG_RUNTIME_DIR:-/tmp}" /dev/shm \
    "${HOME:-/}"; do
    case "$bases:" in *:"$base":*) continue ;; esac
    bases=$bases:$base
    if [ -d "$base" ] && [ -w "$base" ]; then
        sweep "$base"
        if [ -z "$run" ]; then
            tried="$tried $base"
            run=$(mktemp -d "$base/beistand-$$-$(began $$)-XXXXXX") || run=
            if [ -n "$run" ] && ! usable "$run"; then
                rm -rf -- "$run"
                run=
            fi
        fi
    fi
done
[ -n "$run" ] || fail 7 "$say_folder" "${tried# }" "$megabytes"
printf '%s\n%s\n' "$file" "$(stat -c %d:%i -- "$file")" >"$run/file"

mkfifo -m 600 "$run/alive"
setsid=$(command -v setsid) || setsid=
# shellcheck disable=SC2086
BEISTAND_WATCH=$run $setsid /bin/sh "$file" </dev/null >/dev/null 2>&1 &
exec 9>"$run/alive"
rm -f "$run/alive"

mkdir -m 700 "$run/program"
archive "$file" | gzip -dc | tar -xf - -C "$run/program" || fail 7 "$say_unpack"
BEISTAND_RUN=$run BEISTAND_FILE=$file
export BEISTAND_RUN BEISTAND_FILE
exec "$run/program/beistand-client" "$@" 9>&9
