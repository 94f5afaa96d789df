package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestScript compares with golden files.
func TestScript(t *testing.T) {
	s := &Slurm{Program: "ota-sim", Path: "nightly.yaml"}
	for name, r := range map[string]*Run{"virtual.sh": virtualRun(), "real.sh": realRun()} {
		text := s.Script(r)
		golden(t, name, []byte(text))
		assert.Equal(t, text, s.Script(r))
	}
}

// sbatch is one that keeps the script which it is given, by its job's name.
const sbatch = `#!/bin/sh
cat >script
echo "$@" >"$(sed -n 's/^#SBATCH --job-name=//p' script)".args
mv script "$(sed -n 's/^#SBATCH --job-name=//p' script)"
echo '17;here'
`

// scripts are what Slurm would run of a run, in a directory that has the programs given.
func scripts(t *testing.T, r *Run, programs map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range programs {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sbatch"), []byte(sbatch), 0o700))
	script := (&Slurm{Program: "./ota-sim", Path: "my scenario.yaml"}).Script(r)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "script.sh"), []byte(script), 0o600))
	out := bash(t, dir, "script.sh", nil, 0, "--wait")
	assert.Contains(t, out, "Submitted batch job 17: shards 1 to ")
	args, err := os.ReadFile(filepath.Join(dir, r.Name+"-merge.args"))
	require.NoError(t, err)
	assert.Equal(t, "--dependency=afterany:17 --wait\n", string(args))
	return dir
}

// bash runs a script in a directory, which is the first to be looked at for programs.
func bash(t *testing.T, dir, script string, env []string, code int, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{script}, args...)...)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH")), env...)
	out, _ := cmd.CombinedOutput()
	assert.Equal(t, code, cmd.ProcessState.ExitCode(), string(out))
	return string(out)
}

// says is a program that prints its name and arguments, one a line, and ends so.
func says(name, code string) string {
	return "#!/bin/sh\nprintf '%s\\n' " + name + " \"$@\"\nexit " + code + "\n"
}

// TestWhatIsTriedAgain: the codes of a shard decide.
func TestWhatIsTriedAgain(t *testing.T) {
	task := []string{"SLURM_ARRAY_JOB_ID=17", "SLURM_ARRAY_TASK_ID=2", "SLURM_JOB_ID=19"}
	for _, tt := range []struct {
		code    string
		virtual string
		real    string
	}{
		{"0", "", ""},
		{"1", "requeue", ""},
		{"2", "scancel", "scancel"},
		{"3", "scancel", "scancel"},
		{"4", "requeue", "scancel"},
		{"5", "", ""},
		{"6", "requeue", "requeue"},
		{"137", "requeue", ""},
	} {
		for world, want := range map[string]string{"virtual": tt.virtual, "real": tt.real} {
			r := virtualRun()
			r.Virtual, r.Together, r.Within = world == "virtual", world == "real", 1
			dir := scripts(t, r, map[string]string{"ota-sim": says("sim", tt.code), "scancel": says("scancel", "0"),
				"scontrol": "#!/bin/sh\necho $1 $2\n", "squeue": "#!/bin/sh\necho node-7\n"})
			code := 0
			for _, digit := range tt.code {
				code = code*10 + int(digit-'0')
			}
			out := bash(t, dir, r.Name, task, code)
			assert.Equal(t, want == "requeue", strings.Contains(out, "requeue 19\n"), "%s %s: %s", world, tt.code, out)
			assert.Equal(t, want == "scancel", strings.Contains(out, "scancel\n17\n"), "%s %s: %s", world, tt.code, out)
			assert.Equal(t, world == "real", strings.Contains(out, "\n--start-with=node-7:20017\n"), out)
			out = bash(t, dir, r.Name, append(task, "SLURM_RESTART_COUNT=3"), code)
			assert.NotContains(t, out, "requeue 19\n")
		}
	}
}

// TestWordsReachTheProgram: whatever is in them, the end of a script included.
func TestWordsReachTheProgram(t *testing.T) {
	r := virtualRun()
	odd := "--username=$(id) 'x\nSHARD\nMERGE\ny"
	r.Flags, r.Verdict, r.Env = []string{odd}, []string{"--html=" + odd}, []Variable{{"ODD", odd}}
	dir := scripts(t, r, map[string]string{"ota-sim": says("\"$ODD\"", "0")})
	for _, job := range []string{r.Name, r.Name + "-merge"} {
		out := bash(t, dir, job, nil, 0)
		assert.True(t, strings.HasPrefix(out, odd+"\n"), out)
		assert.Contains(t, strings.TrimPrefix(out, odd), odd)
	}
}
