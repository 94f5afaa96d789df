#!/usr/bin/env bash
# A Slurm cluster of one node for as long as a command runs, in namespaces of its own.
# As root.
#
#   cluster.sh COMMAND [ARGUMENT...]
#
# SLURM is where scripts/unpack.sh has unpacked Debian's munge, slurmctld, slurmd and
# slurm-client. A task gets one of SLURM_CPUS processors (4), whether the machine has as
# many or not.
set -euo pipefail
source "$(dirname "$0")/../../scripts/alone.sh"
: "${SLURM:?where Debian\'s slurm is unpacked: make test-slurm sets it}"
alone slurm -- "$@"

hostname node
ip link set lo up
# With loopback addresses alone, getaddrinfo knows no address to listen at.
ip address add 10.77.0.1/32 dev lo
(cat /etc/hosts && echo '10.77.0.1 node') >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts
mount -t overlay -o "lowerdir=$SLURM/usr:/usr" overlay /usr

mkdir -p "$work"/{log,state,spool}
mkdir -m 700 "$work/munge"
(umask 077 && head -c 128 /dev/urandom >"$work/munge/key")
cat >"$work/slurm.conf" <<END
ClusterName=test
SlurmctldHost=node(127.0.0.1)
SlurmUser=root
# A task that is requeued is started again when its first credential has expired.
AuthInfo=socket=$work/munge/socket,cred_expire=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=256
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
NodeName=node NodeAddr=127.0.0.1 CPUs=${SLURM_CPUS:-4} RealMemory=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
PartitionName=all Nodes=node Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$work/slurm.conf
start munged munged --foreground --force --socket "$work/munge/socket" --key-file "$work/munge/key" --num-threads 2 \
	--log-file "$work/log/munge" --pid-file "$work/munge/pid" --seed-file "$work/munge/seed" --origin 127.0.0.1
await 'munged listens' test -S "$work/munge/socket"
# Debian's alternatives name them without the ending, where they are installed.
start slurmctld slurmctld-wlm -D
start slurmd slurmd-wlm -D -d /usr/sbin/slurmstepd-wlm
idle() { [ "$(sinfo -h -o %T)" = idle ]; }
await "Slurm's node is idle" idle
status=0
"$@" || status=$?
exit $status
