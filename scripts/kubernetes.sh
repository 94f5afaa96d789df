#!/usr/bin/env bash
# Makes what a node of Kubernetes takes, in a directory: etcd and Kubernetes' programs, from
# their Go modules, in bin; Debian's containerd, runc and network plugins, unpacked, in
# debian; and the image of the pods' sandbox. Keeps what is there and fits. The first time
# takes ten minutes of a processor, and 2 GB of Go's caches.
#
# usage: scripts/kubernetes.sh DIRECTORY
set -euo pipefail
dir=$(realpath -m "${1:?usage: kubernetes.sh DIRECTORY}")
cd "$(dirname "$0")/.."
go=${GO:-go}
programs=test/kubernetes/programs

scripts/unpack.sh "$dir/debian" containerd runc containernetworking-plugins
made=$(cat "$0" "$programs"/{go.mod,go.sum,*.go,pause/*.go} | sha256sum)
[ "$(cat "$dir/made" 2>/dev/null)" != "$made" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$dir/bin"
version=$("$go" -C "$programs" list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
says="-X k8s.io/component-base/version.git"
# Without inlining and symbols a fifth less of a processor, and half the size.
CGO_ENABLED=0 "$go" -C "$programs" build -trimpath -gcflags='all=-dwarf=false -l' \
	-ldflags "-s -w ${says}Version=$version ${says}Major=1 ${says}Minor=${minor%%.*}" -o "$dir/bin/programs" .
for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl names; do
	ln -sf programs "$dir/bin/$name"
done

CGO_ENABLED=0 "$go" -C "$programs" build -trimpath -ldflags '-s -w' -o "$work/root/pause" ./pause
tar -C "$work/root" -cf "$work/layer.tar" pause
printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
	"$("$go" env GOARCH)" "$(sha256sum <"$work/layer.tar" | cut -d ' ' -f 1)" >"$work/config.json"
printf '[{"Config":"config.json","RepoTags":["localhost/pause:1"],"Layers":["layer.tar"]}]' >"$work/manifest.json"
tar -C "$work" -cf "$dir/pause.tar" manifest.json config.json layer.tar
echo "$made" >"$dir/made"
