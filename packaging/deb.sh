#!/usr/bin/env bash
# Makes the Debian package of ota-agent or ota-sim. It needs dpkg-deb, and
# neither root nor debhelper: what is built is one static program.
#
#   packaging/deb.sh PROGRAM ARCHITECTURE DIRECTORY
#
# ARCHITECTURE is Debian's name: amd64, arm64, armhf, mipsel or riscv64. VERSION
# is the program's, such as v1.2.3 or what git describe says. The same sources
# give the same bytes: times are those of the last commit, or SOURCE_DATE_EPOCH.
set -euo pipefail
cd "$(dirname "$0")/.."

usage='usage: deb.sh PROGRAM ARCHITECTURE DIRECTORY'
program=${1:?$usage} architecture=${2:?$usage} out=${3:?$usage}

case $architecture in
amd64 | arm64 | riscv64) export GOARCH=$architecture ;;
armhf) export GOARCH=arm GOARM=7 ;;
mipsel) export GOARCH=mipsle GOMIPS=softfloat ;;
*) echo "deb.sh: architecture $architecture is not one of amd64, arm64, armhf, mipsel, riscv64" >&2; exit 2 ;;
esac

export VERSION=${VERSION:-dev}
# A version of Debian's begins with a digit and sorts: a commit without a tag
# comes before every release.
version=${VERSION#v}
[[ $version == [0-9]*.* ]] || version=0~$version
version=${version//-/+}
[[ $version =~ ^[0-9][A-Za-z0-9.+~]*$ ]] || { echo "deb.sh: $VERSION is no version" >&2; exit 2; }
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

# put MODE SOURCE TARGET installs a file.
put() { install -D -m "$1" "$2" "$root/$3"; }
# zip SOURCE TARGET installs a file compressed, without the time in it.
zip() {
	install -d "$root/$(dirname "$2")"
	gzip -9n <"$1" >"$root/$2"
}

scripts/build.sh "$program" "$work/$program"
put 755 "$work/$program" "usr/bin/$program"
put 644 packaging/debian/copyright "usr/share/doc/$program/copyright"
scripts/notices.sh "$work/$program" >"$work/notices"
zip "$work/notices" "usr/share/doc/$program/NOTICES.gz"
put 644 CHANGELOG.md "usr/share/doc/$program/CHANGELOG.md"
if [ -f "docs/$program.1" ]; then
	zip "docs/$program.1" "usr/share/man/man1/$program.1.gz"
fi
# Completions are written by the program itself, built for this machine.
native=$work/$program
if [ "$(dpkg --print-architecture)" != "$architecture" ]; then
	native=$work/native
	env -u GOARCH -u GOARM -u GOMIPS scripts/build.sh "$program" "$native"
fi
# completion SHELL PATH writes that of one shell.
completion() {
	"$native" completion "$1" >"$work/completion"
	put 644 "$work/completion" "$2"
}
completion bash "usr/share/bash-completion/completions/$program"
completion zsh "usr/share/zsh/vendor-completions/_$program"
completion fish "usr/share/fish/vendor_completions.d/$program.fish"
if [ "$program" = ota-agent ]; then
	put 755 packaging/launch usr/lib/ota-agent/launch
	put 644 packaging/systemd/ota-agent.service usr/lib/systemd/system/ota-agent.service
	put 644 packaging/debian/ota-agent/agent.yaml usr/share/ota-agent/agent.yaml
	put 644 packaging/systemd/installers.conf usr/share/doc/ota-agent/examples/installers.conf
	put 644 examples/agent-full.yaml usr/share/doc/ota-agent/examples/agent-full.yaml
	put 644 docs/OPERATOR.md usr/share/doc/ota-agent/OPERATOR.md
	put 644 docs/HANDLER.md usr/share/doc/ota-agent/HANDLER.md
fi

install -d "$root/DEBIAN"
{
	printf 'Package: %s\nVersion: %s\nArchitecture: %s\n' "$program" "$version" "$architecture"
	printf 'Maintainer: %s\n' "${MAINTAINER:-ota-agent <ota-agent@localhost>}"
	printf 'Installed-Size: %s\nPriority: optional\n' "$(du -k -s --apparent-size "$root" | cut -f1)"
	cat "packaging/debian/$program/control"
} >"$root/DEBIAN/control"
for script in postinst prerm postrm; do
	[ ! -f "packaging/debian/$program/$script" ] || put 755 "packaging/debian/$program/$script" "DEBIAN/$script"
done
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\n' | LC_ALL=C sort | xargs md5sum) >"$work/md5sums"
put 644 "$work/md5sums" DEBIAN/md5sums

mkdir -p "$out"
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/${program}_${version}_$architecture.deb" >/dev/null
echo "$out/${program}_${version}_$architecture.deb"
