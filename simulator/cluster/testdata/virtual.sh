#!/usr/bin/env bash
# "nightly": 12 devices in 2 shards, in virtual time. A shard that breaks off
# is tried again, at most 3 times.
#
# Run by bash, this submits an array of shards and the job that makes the verdict. Its
# arguments go to the sbatch of the second: with --wait, its exit code is this script's.
# SBATCH_PARTITION, SBATCH_ACCOUNT and what else sbatch reads say where they run.
set -euo pipefail

array=$(sbatch --parsable <<'SHARD'
#!/usr/bin/env bash
#SBATCH --job-name=nightly
#SBATCH --output=nightly-%A-%a.log
#SBATCH --array=1-2
#SBATCH --cpus-per-task=1
#SBATCH --mem=512M
#SBATCH --time=720
#SBATCH --requeue
#SBATCH --open-mode=append
export GOMEMLIMIT=483183819

trap : TERM # is for ota-sim, which closes the history
status=0
ota-sim run nightly.yaml --shard=auto --verdict=merge --quiet --out=s3://bucket/nightly --virtual=true --seed=7 || status=$?
case $status in
0 | 5) ;;
2 | 3) scancel "$SLURM_ARRAY_JOB_ID" ;; # no try can help
*) if [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ]; then scontrol requeue "$SLURM_JOB_ID"; fi ;;
esac
exit "$status"
SHARD
)
array=${array%%;*} # without the cluster's name
echo "Submitted batch job $array: shards 1 to 2"
sbatch --dependency="afterany:$array" "$@" <<'MERGE'
#!/usr/bin/env bash
#SBATCH --job-name=nightly-merge
#SBATCH --output=nightly-merge-%j.log
#SBATCH --mem=257M
#SBATCH --time=60
export GOMEMLIMIT=241602966

exec ota-sim merge s3://bucket/nightly --wait=2 --wait-at-most=1m
MERGE

