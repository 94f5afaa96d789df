#!/usr/bin/env bash
# "spring": 100000 devices in 4 shards, in the real world. A shard that breaks off
# stays lost, and is named.
#
# Run by bash, this submits an array of shards and the job that makes the verdict. Its
# arguments go to the sbatch of the second: with --wait, its exit code is this script's.
# SBATCH_PARTITION, SBATCH_ACCOUNT and what else sbatch reads say where they run.
set -euo pipefail

array=$(sbatch --parsable <<'SHARD'
#!/usr/bin/env bash
#SBATCH --job-name=spring
#SBATCH --output=spring-%A-%a.log
#SBATCH --array=1-4
#SBATCH --cpus-per-task=1
#SBATCH --mem=701M
#SBATCH --time=60
#SBATCH --requeue
#SBATCH --open-mode=append
export AWS_ENDPOINT_URL=http://minio:9000
export 'ODD=yes $HOME: #'

host=
for _ in {1..150}; do
	host=$(squeue --noheader --states=RUNNING --jobs="${SLURM_ARRAY_JOB_ID}_1" --format=%N)
	[ -z "$host" ] || break
	sleep 2
done
: "${host:?shard 1 has not begun}"

trap : TERM # is for ota-sim, which closes the history
status=0
ota-sim run nightly.yaml --shard=auto --verdict=merge --quiet --out=s3://bucket/spring --broker=mqtts://staging --ca-file=/files/ca.pem '--username=$(HOME) '\''x' --start-with="$host:$((20000 + SLURM_ARRAY_JOB_ID % 10000))" || status=$?
case $status in
0 | 5) ;;
2 | 3 | 4) scancel "$SLURM_ARRAY_JOB_ID" ;; # no try can help
6) if [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ]; then scontrol requeue "$SLURM_JOB_ID"; fi ;;
esac
exit "$status"
SHARD
)
array=${array%%;*} # without the cluster's name
echo "Submitted batch job $array: shards 1 to 4"
sbatch --dependency="afterany:$array" "$@" <<'MERGE'
#!/usr/bin/env bash
#SBATCH --job-name=spring-merge
#SBATCH --output=spring-merge-%j.log
#SBATCH --mem=354M
#SBATCH --time=60
export AWS_ENDPOINT_URL=http://minio:9000
export 'ODD=yes $HOME: #'
export GOMEMLIMIT=333751905

exec ota-sim merge s3://bucket/spring --wait=4 --wait-at-most=1m --json=-
MERGE

