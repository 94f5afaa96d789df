#!/usr/bin/env bash
# Prints what a delta saves and costs: two firmware images, which hold the oldest
# and the newest version of some Debian packages that the archive has, in ext4 and in
# squashfs. For each: the size of the image, what is transferred in full (zstd) and
# as a delta, and the time and memory that ota-agent takes to apply it. The last rows
# are of patches that Debian's bsdiff has made of the same images, if it is there.
#
# Needs Debian's apt-get (with its lists, without root), dpkg-deb, mke2fs and
# mksquashfs. PACKAGES names others.
source "$(dirname "$0")/device.sh"

PACKAGES=${PACKAGES:-libc6 libssl3 openssl nginx}
export SOURCE_DATE_EPOCH=1750000000

# fetch PACKAGE VERSION DIRECTORY unpacks a version of a package.
fetch() {
	apt-get download -q "$1=$2" >apt.log 2>&1 || { cat apt.log >&2; exit 1; }
	dpkg-deb -x "$1"_*.deb "$3"
	rm -f "$1"_*.deb
}

mkdir old new
for package in $PACKAGES; do
	mapfile -t versions < <(apt-cache madison "$package" | awk -F '|' '!/Sources/ { gsub(/ /, "", $2); print $2 }' | sort -uV)
	if [ "${#versions[@]}" -lt 2 ]; then
		echo "delta.sh: the archive has one version of $package: name other PACKAGES" >&2
		exit 1
	fi
	echo "$package ${versions[0]} -> ${versions[-1]}"
	fetch "$package" "${versions[0]}" old
	fetch "$package" "${versions[-1]}" new
done
find old new -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

# image KIND VERSION makes an image of a directory.
image() {
	case $1 in
	ext4) mke2fs -q -F -t ext4 -b 4096 -m 0 -U 8f2d1f1e-0000-4000-8000-000000000000 -E hash_seed=8f2d1f1e-0000-4000-8000-000000000000,lazy_itable_init=0 -O ^has_journal -d "$2" "$2.img" 48M ;;
	squashfs) mksquashfs "$2" "$2.img" -quiet -no-progress -noappend -all-root -noI -noD -noF -noX ;;
	squashfs,gzip) mksquashfs "$2" "$2.img" -quiet -no-progress -noappend -all-root ;;
	esac
}

size() { stat -c %s "$1"; }
share() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f %%", 100 * a / b }'; }
row() { printf '%-22s %12s %12s %12s %8s %8s %10s\n' "$@"; }

echo
row image bytes 'full, zstd' delta share 'apply, s' 'peak, MiB'
for kind in ext4 squashfs squashfs,gzip; do
	rm -f old.img new.img
	image "$kind" old
	image "$kind" new
	pack full.ota --zstd new.img
	pack delta.ota --source 1 --from old.img new.img
	device old.img
	upgrade delta.ota new.img
	row "$kind" "$(size new.img)" "$(size full.ota)" "$(size delta.ota)" "$(share "$(size delta.ota)" "$(size full.ota)")" "$staged" "$peak"
	if command -v bsdiff >/dev/null; then
		bsdiff old.img new.img new.patch
		pack delta.ota --source 1 --from old.img --patch new.patch new.img
		device old.img
		upgrade delta.ota new.img
		row "  by bsdiff" '' '' "$(size delta.ota)" "$(share "$(size delta.ota)" "$(size full.ota)")" "$staged" "$peak"
	fi
done
