#!/usr/bin/env bash
# Makes a container image of ota-sim, as a tar that containerd, Docker and Podman load
# and tools such as skopeo and crane push: an OCI layout, and what Docker wants beside
# it. It needs neither a daemon nor root. The same sources give the same bytes.
#
#   scripts/image.sh PROCESSOR FILE
#
# PROCESSOR is amd64 or arm64. VERSION is what the program says of itself, BUILT (RFC
# 3339) when the image was made, IMAGE its name: localhost/ota-sim:VERSION.
set -euo pipefail
usage='usage: image.sh PROCESSOR FILE'
processor=${1:?$usage} file=$(realpath -m "${2:?$usage}")
cd "$(dirname "$0")/.."
case $processor in
amd64 | arm64) ;;
*) echo "image.sh: processor $processor is not one of amd64, arm64" >&2; exit 2 ;;
esac
version=${VERSION:-dev} created=${BUILT:-1970-01-01T00:00:00Z}
image=${IMAGE:-localhost/ota-sim:${version//+/-}} # a tag has no plus
[[ $image =~ ^[a-z0-9][a-zA-Z0-9./:_-]*:[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] ||
	{ echo "image.sh: $image is no name of an image with a tag, such as registry.example/ota-sim:v1.2.3" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/image/blobs/sha256"

# pack DIRECTORY prints a tar of it that depends on names, modes and contents alone.
pack() { tar -C "$1" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -cf - .; }

# digest FILE prints the digest of its content.
digest() { sha256sum "$1" | cut -d ' ' -f 1; }

# blob FILE TYPE moves it to where its digest puts it, and prints what refers to it, to
# which more may be added before its brace is closed.
blob() {
	local sum size
	sum=$(digest "$1") size=$(stat -c %s "$1")
	mv "$1" "$work/image/blobs/sha256/$sum"
	printf '{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%s' "$2" "$sum" "$size"
}

root=$work/root doc=$work/root/usr/share/doc/ota-sim
GOARCH=$processor scripts/build.sh ota-sim "$work/ota-sim"
scripts/notices.sh "$work/ota-sim" >"$work/notices"
install -d -m 755 "$root" "$root/bin" "$root/usr" "$root/usr/share" "$root/usr/share/doc" "$doc"
install -d -m 1777 "$root/tmp"
install -m 755 "$work/ota-sim" "$root/bin/ota-sim"
install -m 644 LICENSE "$doc/LICENSE"
install -m 644 "$work/notices" "$doc/NOTICES"

pack "$root" >"$work/layer"
content=$(digest "$work/layer")
gzip -9n "$work/layer"
layer=$(blob "$work/layer.gz" layer.v1.tar+gzip)

# A number for the user: Kubernetes cannot tell of a name that it is not root.
labels=$(printf '"org.opencontainers.image.%s":"%s",' title ota-sim version "$version" licenses Apache-2.0)
printf '{"created":"%s","architecture":"%s","os":"linux","config":{"Entrypoint":["/bin/ota-sim"],"Env":["PATH=/bin"],"User":"65532:65532","WorkingDir":"/tmp","Labels":{%s}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
	"$created" "$processor" "${labels%,}" "$content" >"$work/config"
config=$(blob "$work/config" config.v1+json)
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s},"layers":[%s}]}' \
	"$config" "$layer" >"$work/manifest"
manifest=$(blob "$work/manifest" manifest.v1+json)
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s,"platform":{"architecture":"%s","os":"linux"},"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"}}]}' \
	"$manifest" "$processor" "$image" "${image##*:}" >"$work/image/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/image/oci-layout"

# path REFERENCE prints where the blob lies that something refers to.
path() { sed -E 's|.*"sha256:([0-9a-f]{64})".*|blobs/sha256/\1|' <<<"$1"; }
printf '[{"Config":"%s","RepoTags":["%s"],"Layers":["%s"]}]' "$(path "$config")" "$image" "$(path "$layer")" >"$work/image/manifest.json"

chmod -R u=rwX,go=rX "$work/image"
mkdir -p "$(dirname "$file")"
pack "$work/image" >"$work/tar"
mv "$work/tar" "$file"
echo "image.sh: $file holds $image for linux/$processor"
