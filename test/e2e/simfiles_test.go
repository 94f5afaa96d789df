package e2e_test

import (
	"cmp"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// packing are arguments of 'pack' that all have in common.
const packing = "--key signing.key --product gw-200 --component app"

// smallScenario is of a fleet that is upgraded at once.
const smallScenario = `scenario: small
duration: 1m
fleet:
  - name: gateways
    count: 2
    product: gw-200
    components: [{id: app, type: module, version: 1.0.0}]
    install: {time: 100ms}
plans:
  - {name: spring, product: gw-200, components: [{id: app, package: full, target: 1.1.0, size: 16KiB}]}
expect: {devices: {gateways: {upgraded: 2}}}
`

// simulated lays out a directory with what ota-sim reads.
func simulated(t *testing.T) string {
	t.Helper()
	d := harness.NewDevice(t, programs, "mqtt://127.0.0.1:1", harness.NewKey(t))
	d.Write("small.yaml", []byte(smallScenario), 0o644)
	d.Write("app.bin", harness.Image(1, 20000), 0o644)
	d.Write("old.bin", harness.Image(1, 19000), 0o644)
	d.Write("devices.txt", []byte("gw-1:secret\n"), 0o600)
	d.Write("token", []byte("0123456789abcdef0123\n"), 0o600)
	d.Write("password", []byte("of the platform\n"), 0o600)
	d.Write("secret", []byte("of the store\n"), 0o600)
	authority, _, _ := certificates(t)
	d.Write("ca.pem", authority, 0o644)
	d.Write("trusted.pub", harness.NewKey(t).Public(t), 0o644)
	for _, line := range []string{
		"keygen signing",
		"pack --key signing.key --product gw-200 --component app --target 1.1.0 --release 1 --out app.ota app.bin",
		"run small.yaml --virtual --out look",
		"enrol small.yaml --out staging",
		"run small.yaml --virtual --devices staging/fleet.csv --out listed",
		"run small.yaml --virtual --shard 1/2 --out part-1",
		"run small.yaml --virtual --shard 2/2 --out part-2",
	} {
		outcome := harness.Run(t, d.Dir, programs.Sim, strings.Fields(line)...)
		require.Equal(t, 0, outcome.Code, "%s: %s%s", line, outcome.Out, outcome.Err)
	}
	return d.Dir
}

// TestDamagedFilesOfTheSimulator puts every damage in the place of every file that
// ota-sim reads, but for the state of a platform.
func TestDamagedFilesOfTheSimulator(t *testing.T) {
	t.Parallel()
	const anything = "half empty zeroed noise swapped"
	whole := simulated(t)
	for _, row := range []struct {
		file, command string
		code          int               // of a file that cannot be used
		well          int               // of one that can
		fine          string            // damages that leave something that can be used
		says          map[string]string // of damages that are said in other words
	}{
		{"small.yaml", "validate small.yaml", 2, 0, "", map[string]string{"dangling": "there is no scenario",
			"directory": "no file whose name ends in .yaml"}},
		{"small.yaml", "run small.yaml --virtual", 2, 0, "", map[string]string{"dangling": "there is no scenario"}},
		{"look/run.json", "report look", 2, 0, "", nil},
		{"look/scenario.yaml", "report look", 2, 0, "", nil},
		{"look/events.jsonl.zst", "report look", 1, 0, "", nil},
		{"look/run.json", "replay look --only gateways-000001", 2, 0, "", nil},
		{"part-1/scenario.yaml", "merge part-1 part-2", 2, 0, "", nil},
		{"part-1/events.jsonl.zst", "merge part-1 part-2", 2, 0, "", nil},
		{"signing.key", "pack " + packing + " --target 1.2.0 --release 2 --out new.ota app.bin", 2, 0, "", nil},
		{"app.bin", "pack " + packing + " --target 1.2.0 --release 2 --out new.ota app.bin", 1, 0, anything, nil},
		{"old.bin", "pack " + packing + " --source 1.1.0 --target 1.2.0 --release 2 --from old.bin --out new.ota app.bin",
			1, 0, anything, nil},
		{"staging/fleet.csv", "run small.yaml --virtual --devices staging/fleet.csv", 2, 0, "", nil},
		{"staging/fleet.csv", "enrol small.yaml --out staging --remove", 2, 0, "", nil},
		{"staging/devices/gateways-000001.key", "run small.yaml --allow-unsigned --broker mqtts://127.0.0.1:1 " +
			"--devices staging/fleet.csv", 2, 4, "", nil},
		{"listed/devices.csv", "report listed", 2, 0, "", nil},
		{"ca.pem", "run small.yaml --allow-unsigned --broker mqtts://127.0.0.1:1 --ca-file ca.pem", 2, 4, "", nil},
		{"trusted.pub", "run small.yaml --trust trusted.pub --broker mqtt://127.0.0.1:1", 2, 4, "", nil},
		{"password", "run small.yaml --allow-unsigned --broker mqtt://127.0.0.1:1 --username p --password-file password", 2,
			4, anything, nil},
	} {
		for _, d := range damages() {
			t.Run(strings.Fields(row.command)[0]+" "+row.file+" "+d.name, func(t *testing.T) {
				t.Parallel()
				dir := copyOf(t, whole)
				d.does(t, dir, row.file)
				outcome := harness.RunAsNobody(t, dir, programs.Sim, strings.Fields(row.command)...)
				switch {
				case d.name == "link" || strings.Contains(row.fine, d.name):
					ends(t, outcome, row.well)
				default:
					ends(t, outcome, row.code, filepath.Base(row.file), cmp.Or(row.says[d.name], d.says))
				}
			})
		}
	}
}

// TestDamagedFilesOfThePlatform does the same with what ota-sim platform reads.
func TestDamagedFilesOfThePlatform(t *testing.T) {
	t.Parallel()
	whole := simulated(t)
	for _, row := range []struct {
		file, flags string
		code        int
		fine        string
	}{
		{"devices.txt", "--credentials devices.txt", 2, "half swapped"}, // third-party lines are lines
		{"token", "--token-file token", 2, "swapped"},
		{"app.ota", "--upgrade app.ota", 2, ""},
		{"app.ota", "--upgrade app.ota --state kept", 2, ""},
	} {
		for _, d := range damages() {
			t.Run(row.flags+" "+d.name, func(t *testing.T) {
				t.Parallel()
				dir := copyOf(t, whole)
				d.does(t, dir, row.file)
				args := append(
					[]string{"platform", "--listen", "127.0.0.1:0", "--store-listen", "127.0.0.1:0", "--page", "127.0.0.1:0"},
					strings.Fields(row.flags)...)
				p := harness.StartAsNobody(t, dir, programs.Sim, args...)
				harness.Await(t, "the end or the start",
					func() bool { return !p.Running() || strings.Contains(p.Output(), "ready for devices") })
				if d.name == "link" || strings.Contains(row.fine, d.name) {
					ends(t, harness.Outcome{Code: p.Stop(), Err: p.Output()}, 0)
					return
				}
				ends(t, harness.Outcome{Code: p.Stop(), Err: p.Output()}, row.code, filepath.Base(row.file), d.says)
			})
		}
	}
}
