#!/usr/bin/env bash
# One node of Kubernetes, from etcd to kubelet, for as long as a command runs, in
# namespaces and control groups of its own. As root.
#
#   node.sh COMMAND [ARGUMENT...]
#
# KUBERNETES is where scripts/kubernetes.sh has put the node's programs, IMAGES are tars
# of images for it, beside that of the pods' sandbox. The command gets KUBECONFIG, and
# kubectl and ctr in PATH. The node's address is 10.77.0.1; pods have some of 10.88.0.0/24,
# and ask the node for each other's names.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../../scripts/alone.sh"
: "${KUBERNETES:?where the programs of a node are: make test-kubernetes sets it}"

# groups NAME prints the node's group in each hierarchy of control groups.
groups() { awk -v name="$1" '$3 ~ /^cgroup2?$/ && $2 ~ "^/sys/fs/cgroup" { print $2 "/" name }' /proc/self/mounts; }

# enter NAME takes the process, and what it starts, into groups of its own.
enter() {
	local group file
	for group in $(groups "$1"); do
		mkdir "$group"
		for file in cpuset.cpus cpuset.mems; do
			# In the first version they are empty at first, and must not be.
			[ ! -f "$group/$file" ] || cat "${group%/*}/$file" >"$group/$file" 2>/dev/null || true
		done
		echo "$BASHPID" >"$group/cgroup.procs"
	done
}

# leave NAME removes the groups, which take a moment to be empty.
leave() {
	local group tries
	for group in $(groups "$1"); do
		for tries in {1..50}; do
			[ -d "$group" ] || break
			find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
		done
	done
}

alone kubernetes --cgroup -- "$@"

# ---- What the node sees of the machine

# On an overlay, as a container has, there can be no other.
[ "$(stat -fc %T "$work")" != overlayfs ] || mount -t tmpfs tmpfs "$work"
hostname node
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
	mount -t cgroup2 cgroup /sys/fs/cgroup
	mkdir /sys/fs/cgroup/init
	for pid in $(cat /sys/fs/cgroup/cgroup.procs); do
		echo "$pid" >/sys/fs/cgroup/init/cgroup.procs || true
	done
	for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
		echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || true
	done
else
	mounts=$(awk '$3 ~ /^cgroup2?$/ && $2 ~ "^/sys/fs/cgroup" { print $3, $2, $4 }' /proc/self/mounts)
	umount -R /sys/fs/cgroup
	mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
	while read -r kind where options; do
		mkdir -p "$where"
		options=$(tr , '\n' <<<"$options" | grep -vxE 'rw|ro|relatime|noatime|nosuid|nodev|noexec' | paste -sd, || true)
		mount -t "$kind" ${options:+-o "$options"} cgroup "$where"
	done <<<"$mounts"
fi

# What kubelet and containerd write to fixed places goes to the scratch directory.
for place in /var/lib /var/log /opt /etc; do
	mkdir -p "$work/over$place"/{upper,work}
	mount -t overlay -o "lowerdir=$place,upperdir=$work/over$place/upper,workdir=$work/over$place/work" overlay "$place"
done
mount -t tmpfs tmpfs /run
[ -L /var/run ] || mount --bind /run /var/run

# kubelet would set these for the whole machine. It finds here what it wants.
mkdir "$work/sysctl"
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
	kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
	file=$work/sysctl/${setting//\//.}
	echo "${setting#*=}" >"$file"
	mount --bind "$file" "/proc/sys/${setting%=*}"
done

address=10.77.0.1 # kubelet refuses one of the loopback's as its node's
ip link set lo up
ip address add $address/32 dev lo
ip route add default dev lo
mkdir -p "$work"/{log,pki,etcd,containerd} /etc/cni/net.d
export PATH=$KUBERNETES/bin:$KUBERNETES/debian/usr/bin:$KUBERNETES/debian/usr/sbin:$PATH

# ---- containerd

cat >"$work/containerd.toml" <<END
version = 2
root = "$work/containerd"
state = "/run/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true # to lower it takes CAP_SYS_RESOURCE
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      options = { SystemdCgroup = false }
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$KUBERNETES/debian/usr/lib/cni"
END
# Without masquerading, which takes iptables.
cat >/etc/cni/net.d/10-node.conflist <<END
{"cniVersion": "0.4.0", "name": "node", "plugins": [
  {"type": "ptp", "ipam": {"type": "host-local", "dataDir": "/run/cni",
    "ranges": [[{"subnet": "10.88.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
start containerd containerd --config "$work/containerd.toml"

# ---- The control plane

declare -A who=(
	[admin]='admin,admin,system:masters'
	[controllers]='system:kube-controller-manager,controllers'
	[scheduler]='system:kube-scheduler,scheduler'
	[kubelet]='system:node:node,kubelet,system:nodes'
)
cd "$work/pki"
umask 077
openssl genrsa -out accounts.key 2048 2>/dev/null
for name in "${!who[@]}"; do
	token=$(openssl rand -hex 16)
	echo "$token,${who[$name]}" >>tokens.csv
	cat >"$name.kubeconfig" <<END
apiVersion: v1
kind: Config
current-context: node
contexts: [{name: node, context: {cluster: node, user: $name}}]
clusters: [{name: node, cluster: {server: "https://127.0.0.1:6443", certificate-authority: $PWD/apiserver.crt}}]
users: [{name: $name, user: {token: $token}}]
END
done
umask 022
export KUBECONFIG=$PWD/admin.kubeconfig
start etcd etcd --data-dir "$work/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
	--advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
start apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --cert-dir . \
	--bind-address 127.0.0.1 --secure-port 6443 --advertise-address $address \
	--token-auth-file tokens.csv --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
	--kubelet-preferred-address-types InternalIP --service-cluster-ip-range 10.96.0.0/24 \
	--service-account-issuer https://kubernetes.default.svc \
	--service-account-key-file accounts.key --service-account-signing-key-file accounts.key
await 'the API server is ready' kubectl get --raw /readyz
start controllers kube-controller-manager --kubeconfig controllers.kubeconfig --leader-elect=false \
	--use-service-account-credentials --service-account-private-key-file accounts.key \
	--root-ca-file apiserver.crt --bind-address 127.0.0.1
start names names --kubeconfig admin.kubeconfig --listen $address:53
start scheduler kube-scheduler --kubeconfig scheduler.kubeconfig --leader-elect=false --bind-address 127.0.0.1

# ---- kubelet

await 'containerd is ready' ctr version
for image in "$KUBERNETES/pause.tar" ${IMAGES:-}; do
	ctr -n k8s.io image import "$image" >/dev/null
done
cat >kubelet.yaml <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
clusterDNS: [$address]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
failCgroupV1: false
failSwapOn: false
protectKernelDefaults: true
evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: 100Mi}
imageGCHighThresholdPercent: 100
END
start kubelet kubelet --config kubelet.yaml --kubeconfig kubelet.kubeconfig --hostname-override node --node-ip $address \
	--cert-dir kubelet
await 'the node is ready' kubectl wait --for condition=Ready node/node --timeout 1s
await 'pods have an account' kubectl get serviceaccount default
kubectl label namespace default pod-security.kubernetes.io/enforce=restricted >/dev/null
cd "$OLDPWD"
status=0
"$@" || status=$?
exit $status
