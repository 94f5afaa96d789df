package cluster

import (
	"fmt"
	"strings"
	"time"

	"otafleet/internal/shell"
)

// Slurm is how a run is to run under Slurm.
type Slurm struct {
	Program string // ota-sim, as the nodes find it
	Path    string // of the scenario there, or its bundled name
}

const (
	// lag is how long merge looks for histories that have been written: a shared file
	// system may show them late.
	lag = time.Minute

	// meetingPorts is the first of the ports at which the shards of runs meet, each run's
	// by the number of its job.
	meetingPorts = 20000

	mergeMinutes = 60
)

// Script submits two jobs of Slurm: an array with a task for each shard, and what makes
// the verdict when all have ended. It is for bash; its arguments go to the sbatch of the
// second.
func (s *Slurm) Script(r *Run) string {
	var b strings.Builder
	fmt.Fprintf(&b, `#!/usr/bin/env bash
# %s
#
# Run by bash, this submits an array of shards and the job that makes the verdict. Its
# arguments go to the sbatch of the second: with --wait, its exit code is this script's.
# SBATCH_PARTITION, SBATCH_ACCOUNT and what else sbatch reads say where they run.
set -euo pipefail

array=$(sbatch --parsable %s)
array=${array%%%%;*} # without the cluster's name
echo "Submitted batch job $array: shards 1 to %d"
sbatch --dependency="afterany:$array" "$@" %s
`, strings.ReplaceAll(strings.TrimSpace(r.summary()), "\n", "\n# "), heredoc("SHARD", s.shard(r)), r.Shards,
		heredoc("MERGE", s.merge(r)))
	return b.String()
}

// heredoc gives a text to the command before it, under a mark that the text does not have.
func heredoc(mark, text string) string {
	for strings.Contains("\n"+text, "\n"+mark+"\n") {
		mark += "_"
	}
	return fmt.Sprintf("<<'%s'\n%s%s\n", mark, text, mark)
}

// shard is the job of each shard.
func (s *Slurm) shard(r *Run) string {
	words := append([]string{s.Program}, r.words(shell.Path(s.Path))...)
	var b strings.Builder
	fmt.Fprintf(&b, `#!/usr/bin/env bash
#SBATCH --job-name=%s
#SBATCH --output=%[1]s-%%A-%%a.log
#SBATCH --array=1-%d
#SBATCH --cpus-per-task=%d
#SBATCH --mem=%dM
#SBATCH --time=%d
#SBATCH --requeue
#SBATCH --open-mode=append
`, r.Name, r.Shards, (r.Millis+999)/1000, mebibytes(r.Memory), minutes(r.Lasts))
	b.WriteString(environment(r))
	if r.Virtual {
		fmt.Fprintf(&b, "export GOMEMLIMIT=%d\n", limited(r.Memory))
	}
	command := shell.Line(words...)
	if r.Together {
		fmt.Fprintf(&b, meeting, max(1, int(r.Within.Seconds())/2))
		command += fmt.Sprintf(` --start-with="$host:$((%d + SLURM_ARRAY_JOB_ID %% 10000))"`, meetingPorts)
	}
	hopeless, again := fmt.Sprintf("%d | %d", exitUsage, exitPreflight), "*"
	if !r.Virtual {
		hopeless, again = fmt.Sprint(hopeless, " | ", exitUnreachable), fmt.Sprint(exitAgain)
	}
	fmt.Fprintf(&b, `
trap : TERM # is for ota-sim, which closes the history
status=0
%s || status=$?
case $status in
0 | %d) ;;
%s) scancel "$SLURM_ARRAY_JOB_ID" ;; # no try can help
%s) if [ "${SLURM_RESTART_COUNT:-0}" -lt %d ]; then scontrol requeue "$SLURM_JOB_ID"; fi ;;
esac
exit "$status"
`, command, exitShardLost, hopeless, again, mostTries)
	return b.String()
}

// meeting finds the node of shard 1, at which the shards meet.
const meeting = `
host=
for _ in {1..%d}; do
	host=$(squeue --noheader --states=RUNNING --jobs="${SLURM_ARRAY_JOB_ID}_1" --format=%%N)
	[ -z "$host" ] || break
	sleep 2
done
: "${host:?shard 1 has not begun}"
`

// merge is the job that makes the verdict.
func (s *Slurm) merge(r *Run) string {
	words := append([]string{s.Program}, r.merging(lag)...)
	return fmt.Sprintf(`#!/usr/bin/env bash
#SBATCH --job-name=%s-merge
#SBATCH --output=%[1]s-merge-%%j.log
#SBATCH --mem=%dM
#SBATCH --time=%d
%sexport GOMEMLIMIT=%d

exec %s
`, r.Name, mebibytes(r.mergeMemory()), mergeMinutes, environment(r), limited(r.mergeMemory()), shell.Line(words...))
}

// environment sets the variables of a run.
func environment(r *Run) string {
	var b strings.Builder
	for _, v := range r.Env {
		fmt.Fprintf(&b, "export %s\n", shell.Line(v.Name+"="+v.Value))
	}
	return b.String()
}

// minutes rounds up.
func minutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }
