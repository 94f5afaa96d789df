package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
	"otafleet/internal/shell"
	"otafleet/simulator/preflight"
)

// many is a scenario of so many small devices.
func many(n int) string {
	return strings.NewReplacer("scenario: small", "scenario: many", "count: 3", fmt.Sprint("count: ", n)).Replace(small) +
		"faults: [{name: sick, at: health, do: unhealthy, exactly: 10%}]\n" +
		fmt.Sprintf("expect: {devices: {upgraded: %d, unaccounted: 0}, reports: {lost: 0}, faults: {fired: all, sick: %d}}\n",
			n, n/10)
}

// limited runs a line in a directory, as a user who may open so many files.
func limited(t *testing.T, dir string, files int, line string) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", fmt.Sprintf("ulimit -n %d\n%s", files, line))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run()
	return outcome{cmd.ProcessState.ExitCode(), out.String(), err.String()}
}

// advice is the command lines in what a refusal says.
func advice(text string) (lines string) {
	_, after, _ := strings.Cut(text, "it fits:\n\n")
	for line := range strings.SplitSeq(after, "\n") {
		if command, is := strings.CutPrefix(line, "  "); is {
			lines += command + "\n"
		}
	}
	return lines
}

// TestTheAdviceWorks refuses devices that do not fit, and does what the refusal
// says.
func TestTheAdviceWorks(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		file, flags string
	}{
		"plain": {"many.yaml", ""},
		"flags": {"many.yaml", "--seed 7 --json v.json --out kept"},
		"names": {`it's "many" of $i & $HOME.yaml`, `--seed 7 --json v.json --out "it's 50% of "'$i' --html "-page.html"`},
		"dash":  {"-many.yaml", ""},
		"pipe":  {"-", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "many.yaml"), []byte(many(200)), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, tt.file), []byte(many(200)), 0o600))
			refused := limited(t, dir, 700, self+" run "+tt.flags+" -- "+shell.Line(tt.file)+" <many.yaml")
			assert.Equal(t, exitPreflight, refused.code)
			assert.Empty(t, refused.out)
			assert.Contains(t, refused.err, "200 devices do not fit this machine in one process:")
			assert.Contains(t, refused.err, "  ✗ open files     1000 of 700\n")
			commands := advice(refused.err)
			assert.True(t, strings.HasPrefix(commands, "for i in $(seq 4); do "), commands)
			if tt.file == "-" {
				assert.Contains(t, refused.err, "Put it into a file, and the file's name for SCENARIO.\n")
				commands = strings.ReplaceAll(commands, "SCENARIO", "many.yaml")
			}
			planned := limited(t, dir, 700, self+" plan many.yaml")
			assert.Equal(t, exitPreflight, planned.code)
			assert.Contains(t, planned.out, "200 devices do not fit.\n")

			followed := limited(t, dir, 700, commands)
			assert.Equal(t, cli.OK, followed.code, "%s%s", followed.out, followed.err)
			assert.Contains(t, followed.out, "200 devices")
			assert.Contains(t, followed.out, "\nHELD\n")
			if strings.Contains(tt.flags, "--seed 7") {
				assert.Contains(t, followed.out, "seed 7")
				assert.FileExists(t, filepath.Join(dir, "v.json"))
				assert.DirExists(t, filepath.Join(dir, map[string]string{"flags": "kept-4", "names": "it's 50% of $i-4"}[name]))
			}
		})
	}
}

// TestOneEndOfASession takes half the files.
func TestOneEndOfASession(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	path := file(t, "many.yaml", many(100))
	o := limited(t, ".", 700, self+" run --quiet --broker mqtt://127.0.0.1:1 --fake-platform "+path)
	assert.Equal(t, exitUnreachable, o.code, "it fits: %s", o.err)
	assert.Equal(t, exitPreflight, limited(t, ".", 699, self+" run --quiet --broker mqtt://127.0.0.1:1 --fake-platform "+
		path).code)
	assert.Equal(t, exitPreflight, limited(t, ".", 700, self+" run --quiet "+path).code)
	assert.Equal(t, cli.OK, limited(t, ".", 700, self+" plan --shard 1/2 "+path).code)
}

func TestCommands(t *testing.T) {
	for _, tt := range []struct {
		flags []string
		mend  preflight.Mend
		want  string
	}{
		{nil, preflight.Mend{Shards: 3},
			"  for i in $(seq 3); do ota-sim run --quiet --shard=$i/3 --out=many-shard-$i 'my many.yaml' & done; wait\n" +
				"  ota-sim merge many-shard-1 many-shard-2 many-shard-3\n"},
		{[]string{"--seed=7", "--quiet=true", "--metrics=127.0.0.1:1", "--html=r.html", "--shard=1/2", "--out=kept",
			"--broker=mqtt://b:1883", "--fake-platform=true"},
			preflight.Mend{Shards: 3, InTurn: true},
			"  for i in $(seq 3); do ota-sim run --quiet --shard=$i/3 --out=kept-$i --seed=7 --broker=mqtt://b:1883 " +
				"--fake-platform=true --prefix=ota/v1/$i 'my many.yaml' ; done\n" +
				"  ota-sim merge --html=r.html kept-1 kept-2 kept-3\n"},
		{[]string{"--prefix=test", "--trust=it's.pub"}, preflight.Mend{Shards: 2},
			"  for i in $(seq 2); do ota-sim run --quiet --shard=$i/2 --out=many-shard-$i '--trust=it'\\''s.pub' " +
				"--prefix=test/$i 'my many.yaml' & done; wait\n" +
				"  ota-sim merge many-shard-1 many-shard-2\n"},
	} {
		c := runCommand{scenario: "my many.yaml", name: "many", flags: tt.flags}
		assert.Equal(t, tt.want, c.shards(tt.mend))
	}
}

// TestWhatHelps tells what is short.
func TestWhatHelps(t *testing.T) {
	for name, tt := range map[string]struct {
		machine  preflight.Machine
		embedded bool
		want     string
	}{
		"files": {preflight.Machine{Files: 20000}, true, "In 3 processes at once it fits:\n\n  for i in"},
		"root": {preflight.Machine{Files: 20000}, true,
			"\nFor one process, root would have to raise the limit of open files:\nulimit -n 50600\n"},
		"memory": {preflight.Machine{Memory: 2 << 30}, true, "In 2 processes one after the other it fits:"},
		"ports": {preflight.Machine{Ports: 20000}, false,
			"must come from 2 addresses of this machine.\nSo it fits:\n\n  ota-sim run --broker=mqtt://127.0.0.1 " +
				"--source-addresses=127.0.0.1-127.0.0.2 many\n"},
		"range": {preflight.Machine{Ports: 20000}, false,
			"\nOr root gives each address more ports:\nsysctl -w net.ipv4.ip_local_port_range"},
		"both": {preflight.Machine{Ports: 90, Files: 20000}, false,
			"In 2 processes at once it fits:\n\n  for i in $(seq 2); do ota-sim run --quiet --shard=$i/2 --out=many-shard-$i " +
				"--broker=mqtt://127.0.0.1 --source-addresses=127.0.0.1-127.0.1.22 many & done"},
		"all": {preflight.Machine{Memory: 1 << 20}, true, "No number of processes would help"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			run := preflight.Run{Devices: 25000, Sessions: []int{25000}, Embedded: tt.embedded}
			writeMend(&b, preflight.Examine(run, tt.machine), runCommand{scenario: "many", name: "many",
				broker: "mqtt://127.0.0.1", flags: []string{"--broker=mqtt://127.0.0.1",
					"--source-addresses=127.0.0.9"}[:map[bool]int{true: 0, false: 2}[tt.embedded]]})
			assert.Contains(t, b.String(), tt.want)
		})
	}
}

// TestExternalAddresses: which addresses reach a broker elsewhere, only its user
// knows.
func TestExternalAddresses(t *testing.T) {
	var b bytes.Buffer
	command := runCommand{scenario: "many", name: "many", broker: "mqtt://staging",
		flags: []string{"--broker=mqtt://staging"}}
	writeMend(&b, preflight.Examine(preflight.Run{Devices: 25000, Sessions: []int{25000}},
		preflight.Machine{Ports: 20000}), command)
	assert.Contains(t, b.String(), "Put the first and the last of them for FIRST and LAST.\nSo it fits:\n\n"+
		"  ota-sim run --broker=mqtt://staging --source-addresses=FIRST-LAST many\n")
}

// TestSourceAddressesFit follows the advice to the planning of a run that has them.
func TestSourceAddressesFit(t *testing.T) {
	machine, err := preflight.Look()
	require.NoError(t, err)
	path := file(t, "many.yaml", many(int(machine.Ports)+1))
	args := []string{"plan", "--broker", "mqtt://127.0.0.1", "--fake-platform"}
	o := sim(t, append(args, path)...)
	assert.Equal(t, exitPreflight, o.code)
	assert.Contains(t, o.out, fmt.Sprintf("  ✗ ports          %d of %d\n", machine.Ports+1, machine.Ports))
	assert.Contains(t, o.out, "--source-addresses=127.0.0.1-127.0.0.2")
	o = sim(t, append(args, "--source-addresses=127.0.0.1-127.0.0.2", path)...)
	assert.Contains(t, o.out, fmt.Sprintf("  ✓ ports          %d of %d\n", machine.Ports+1, 2*machine.Ports))
}
