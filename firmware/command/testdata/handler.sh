#!/bin/sh
# A handler whose component is the file "live", the version its first line.
set -eu
root=@ROOT@
work=$OTA_WORK_DIR

# change is called before each change: it is where the test kills the handler.
change() {
    left=0
    if [ -e "$root/cut" ]; then read -r left <"$root/cut" || :; fi
    if [ "$left" -gt 0 ]; then
        left=$((left - 1))
        echo "$left" >"$root/cut"
        if [ "$left" -eq 0 ]; then
            : >"$root/fired"
            kill -9 $$
        fi
    fi
}

version() {
    read -r first <"$1"
    echo "$first"
}

case $1 in
inspect)
    echo "reading the version"
    echo "{\"version\":\"$(version "$root/live")\"}"
    ;;
image)
    echo "{\"image\":\"$root/live\"}"
    ;;
stage)
    change
    cp "$OTA_FILES" "$work/new.part"
    change
    mv "$work/new.part" "$work/new"
    change
    cp "$root/live" "$work/old.part"
    change
    mv "$work/old.part" "$work/old"
    ;;
activate)
    if [ "$(version "$root/live")" != "$OTA_TARGET" ]; then
        change
        mv "$work/new" "$root/live"
    fi
    change
    echo '{"restart":"none"}'
    ;;
confirm)
    [ "$(version "$root/live")" = "$OTA_TARGET" ]
    change
    ;;
revert)
    if [ "$(version "$root/live")" = "$OTA_TARGET" ]; then
        change
        cp "$work/old" "$work/back"
        change
        mv "$work/back" "$root/live"
    fi
    change
    echo "the version is $(version "$root/live") again"
    ;;
esac
