#!/bin/sh
# A component whose version is a line in a file. It notes in trace what it was
# asked, and does as the files beside it say: fail-VERB fails, once-VERB fails
# once, later-VERB asks once to be called again, hold-VERB takes until it is gone,
# slow takes a moment.
cd "$(dirname "$0")" || exit 1
[ "$1" = inspect ] || echo "$1 $OTA_TARGET" >>trace
if [ -e "fail-$1" ]; then echo "asked to fail at $1" >&2; exit 1; fi
if [ -e "once-$1" ]; then rm "once-$1"; echo "asked to fail once" >&2; exit 1; fi
if [ -e "later-$1" ]; then rm "later-$1"; exit 75; fi
while [ -e "hold-$1" ]; do sleep 0.05; done
[ ! -e slow ] || sleep 0.05

# put NAME: standard input becomes the file, whole or not at all.
put() { cat >"$1.part" && mv "$1.part" "$1"; }

case $1 in
inspect) echo "{\"version\":\"$(cat version)\"}" ;;
stage) put staged <"$OTA_FILES" ;;
activate)
	[ -e previous ] || put previous <version
	echo "$OTA_TARGET" | put version
	echo '{"restart":"none"}'
	;;
confirm) rm -f previous ;;
revert) [ ! -e previous ] || mv previous version ;;
esac
