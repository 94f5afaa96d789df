package commands_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/broker"
	"otafleet/test/harness"
)

// fleet is a scenario that is over in a second, of so many devices.
const fleet = `
scenario: my
duration: 1m
vars: {devices: COUNT, target: 1.1.0}
fleet:
  - name: gateways
    count: $(devices)
    product: gw-200
    components: [{id: app, type: module, version: 1.0.0}]
    install: {time: 10ms, restart: none}
plans:
  - {name: spring, product: gw-200, components: [{id: app, package: full, target: $(target), size: 64KiB}]}
`

// prepare makes what the commands name: keys, images, packages, and the histories
// of runs.
const prepare = `set -e
mkdir -p out/device
for key in release old new staging; do ota-sim keygen $key; cp $key.key $key.pub out; done
for version in 1.0.0 1.1.0; do echo "app $version" >app-$version.bin; done
cp app-1.0.0.bin out/device/app.bin
cp app-1.1.0.bin app.bin
cp app.bin motor.img
cp app.bin update.raucb
cp app.bin update.swu
for name in rootfs-1.1.0.squashfs motor-1.1.0.bin modem-R1-R2.bin fw-1.1.0.bin; do cp app.bin $name; done
pack() { ota-sim pack --product gw-200 --release 2 "$@"; }
pack --key release.key --key staging.key --component app --target 1.1.0 --out app-1.1.0.ota app.bin
pack --key release.key --component rootfs --target 2 --out rootfs-2.ota app.bin
cp rootfs-2.ota rootfs-2.0.ota
pack --key release.key --component motor --type mcu --target 3_1 --out motor-3_1.ota motor.img
cp app-1.1.0.ota app.bin out
echo 'gw-0001:secret' >devices.txt
echo 'admin:secret' >operators.txt
cp app.bin ota-agent && cp app.bin ota-sim
ota-sim sign --key release.key --out RELEASE.sig ota-agent ota-sim
for dir in kept look before after {before,after}-{1,2,3}; do ota-sim run my.yaml --virtual --quiet --out $dir; done
for i in 1 2 3 4; do ota-sim run my.yaml --virtual --quiet --shard $i/4 --out part-$i; done
`

// newSandbox makes a directory with everything that commands name, as it is in a
// checkout.
func newSandbox(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root, "examples"))))
	write(t, dir, "my.yaml", strings.Replace(fleet, "COUNT", "12", 1))
	write(t, dir, "one.yaml", strings.Replace(fleet, "COUNT", "1", 1))
	link(t, dir)
	made := sh(t, dir, prepare)
	require.Zero(t, made.Code, made.Out+made.Err)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "bin"))) // links are not copied
	return dir
}

// copyOf is a sandbox of a command's own.
func copyOf(t *testing.T, sandbox string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(sandbox)))
	link(t, dir)
	return dir
}

func link(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o755))
	require.NoError(t, os.Symlink(programs.Agent, filepath.Join(dir, "bin/ota-agent")))
	require.NoError(t, os.Symlink(programs.Sim, filepath.Join(dir, "bin/ota-sim")))
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
}

// filled puts words for the placeholders of a command.
func filled(text string) string {
	for _, word := range [][2]string{
		{`\$\{\{matrix\.shard\}\}`, "1"},
		{`\bDIR/(\d)`, "part-$1"}, {`\bDIR(\.\.\.|…)`, "part-1 part-2 part-3 part-4"}, {`\bDIR\b`, "kept"},
		{`(list) NAME\b`, "$1 happy"}, {`\bi/N\b`, "1/4"}, {`\bSCENARIO\b`, "my.yaml"}, {`\bADDRESS\b`, "127.0.0.1:0"},
		{`\bDEVICE\b`, "gateways-000012"},
		{`\bSHELL\b`, "bash"}, {`(help) VERB\b`, "$1 run"}, {`(install|rehearse) (FILE|PACKAGE)\b`, "$1 app-1.1.0.ota"},
		{`\bFILE\b`, "file"},
		{`\bTEXT\b`, "why"}, {`\bID\b`, "plan-1"}, {`\bN\b`, "1"},
		{`/media/usb/`, ""}, {`/etc/ota-agent/agent.yaml`, "agent.yaml"},
	} {
		text = regexp.MustCompile(word[0]).ReplaceAllString(text, word[1])
	}
	return text
}

// outputs are the flags that name files which a command makes.
var outputs = regexp.MustCompile(`--(?:out|html|json|junit|state)[ =](\S+)`)

// typeSim types a command of ota-sim.
func (k *checker) typeSim(t *testing.T, text string) string {
	t.Helper()
	dir := copyOf(t, k.sandbox)
	line := filled(text)
	if !strings.Contains(line, "out/app") &&
		!strings.Contains(line, "out/release") { // a checkout has no such directory before the guide has made it
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "out")))
	}
	for _, made := range outputs.FindAllStringSubmatch(line, -1) {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, made[1])))
	}
	said := words(line)
	how := "typed: exit code 0"
	switch said[1] {
	case "platform":
		return k.servePlatform(t, dir, line)
	case "cluster":
		line, how = alone(line)
	case "keygen":
		for _, end := range []string{".key", ".pub"} {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, said[2]+end)))
		}
	case "explore":
		line = strings.Replace(line, "my.yaml", "one.yaml", 1)
		if !strings.Contains(line, "--cut") {
			line += " --pairs 100"
			how = "typed, with few pairs: exit code 0"
		}
	case "run":
		line, how = k.quickRun(t, dir, line)
	}
	outcome := sh(t, dir, line)
	if said[1] != "plan" || outcome.Code != 3 { // it may be that the fleet does not fit this machine
		assert.Zero(t, outcome.Code, "%s\n%s%s", line, outcome.Out, outcome.Err)
	}
	return how
}

// alone leaves out who reads what a command prints, which is not here.
func alone(line string) (text, how string) {
	text, reader, is := strings.Cut(line, " | ")
	if !is {
		return line, "typed: exit code 0"
	}
	return text, "typed, without " + words(reader)[0] + ": exit code 0"
}

// quickRun is a run of a few devices in the place of many, against servers that
// are here.
func (k *checker) quickRun(t *testing.T, dir, line string) (quick, how string) {
	t.Helper()
	how = "typed: exit code 0"
	said := words(line)
	if i := slices.IndexFunc(said, bundled); i > 0 {
		line, how = strings.Replace(line, " "+said[i], " my.yaml", 1), "typed, with a scenario of 12 devices: exit code 0"
	}
	line = strings.Replace(line, "10.0.0.2-10.0.0.9", "127.0.0.2-127.0.0.9", 1)
	line = strings.Replace(line, "--page 127.0.0.1:8080", "--page 127.0.0.1:0", 1)
	url := regexp.MustCompile(`mqtt://\S+`)
	switch {
	case strings.Contains(line, "--fake-platform"):
		write(t, dir, "secret", "secret")
		line = url.ReplaceAllString(line, openBroker(t)) + " --platform-username platform --platform-password-file secret"
	case url.MatchString(line):
		served := harness.ServePlatform(t, programs, dir, "--upgrade", "app-1.1.0.ota")
		line = url.ReplaceAllString(line, served.BrokerURL)
	}
	return line, how
}

// bundled reports whether a word is the name of a bundled scenario.
func bundled(word string) bool {
	_, err := os.Stat(filepath.Join(root, "scenarios", word+".yaml"))
	return err == nil
}

// openBroker serves a broker that takes a platform from outside.
func openBroker(t *testing.T) string {
	t.Helper()
	b, err := broker.New(broker.Config{PlatformUser: "platform", PlatformPassword: "secret"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return b.URL()
}

// servePlatform types a command that serves, on free ports, and ends it when it
// serves.
func (k *checker) servePlatform(t *testing.T, dir, line string) string {
	t.Helper()
	line += " --listen 127.0.0.1:0 --store-listen 127.0.0.1:0 --page 127.0.0.1:0 --hawkbit-listen 127.0.0.1:0"
	if strings.Contains(line, "--broker") {
		write(t, dir, "secret", "secret")
		line = regexp.MustCompile(
			`mqtt://\S+`,
		).ReplaceAllString(line, openBroker(t)) + " --username platform --password-file secret"
		line = strings.Replace(line, " --listen 127.0.0.1:0", "", 1)
	}
	served := start(t, dir, line)
	served.AwaitOutput("ready for devices\n")
	assert.Zero(t, served.Stop(), served.Output())
	return "typed, on free ports: it serves"
}

// start types a line that goes on until it is stopped.
func start(t *testing.T, dir, line string) *harness.Process {
	t.Helper()
	return harness.Start(t, dir, "bash", "-c", "PATH=$PWD/bin:$PATH\nexec "+line)
}

// device is a gateway with a running agent, to which verbs are typed in turn.
type device struct {
	*harness.Device
	broker string
	turn   sync.Mutex
}

// newDevice starts an agent that has two sub-devices and asks its operator. It
// takes the packages of the sandbox.
func newDevice(t *testing.T, sandbox string) *device {
	t.Helper()
	served := harness.StartPlatform(t,
		platform.Config{Gateways: map[string][]string{"gw-0001": {"meter.meter-1", "meter.meter-2"}}})
	d := &device{Device: harness.NewDevice(t, programs, served.BrokerURL(), harness.NewKey(t)), broker: served.BrokerURL()}
	d.furnish(t, sandbox)
	d.Settings["confirm"] = "ask"
	var meters []harness.Settings
	for _, name := range []string{"meter-1", "meter-2"} {
		d.Write(name+".bin", []byte("1.0.0"), 0o644)
		meters = append(meters, harness.Settings{"device": name, "product": "meter",
			"components": []harness.Settings{harness.FileComponent("app", "1.0.0", harness.Settings{"path": name + ".bin"})}})
	}
	d.Settings["sub_devices"] = meters
	d.Start().AwaitOutput("connected to the broker")
	served.Offer(harness.Plan{ID: "p"}, harness.Pack(t, "app", "1.0.9", 1, nil, nil, harness.NewKey(t)))
	d.awaitState(t, " --config agent.yaml", "asking")
	require.Zero(t, d.Do("abandon").Code, "its history has a failure")
	return d
}

// furnish puts keys, packages and programs onto the device.
func (d *device) furnish(t *testing.T, sandbox string) {
	t.Helper()
	for _, name := range []string{"release.pub", "app-1.1.0.ota", "app-1.0.0.bin", "out/app-1.1.0.ota"} {
		content, err := os.ReadFile(filepath.Join(sandbox, name))
		require.NoError(t, err)
		d.Write(name, content, 0o644)
	}
	d.Write("app.bin", d.Read("app-1.0.0.bin"), 0o644)
	link(t, d.Dir)
	d.Components(harness.FileComponent("app", "1.0.0", nil))
}

// typeAgent types a command of ota-agent on a device, whose configuration is
// elsewhere than a reader's.
func (k *checker) typeAgent(t *testing.T, text string) (how string) {
	t.Helper()
	for line := range strings.SplitSeq(filled(text), " && ") {
		verb := words(line)[1]
		line = strings.NewReplacer("/run/ota-agent.sock", "agent.sock", "examples/agent.yaml", "agent.yaml",
			":9464", ":0").Replace(line)
		if _, takes := synopsisOf("ota-agent", verb).flags["config"]; takes && !strings.Contains(line, "--config") &&
			!strings.Contains(line, "--socket") {
			line = strings.Replace(line, "ota-agent "+verb, "ota-agent "+verb+" --config agent.yaml", 1)
		}
		if verb == "run" {
			how = k.runAgent(t, line)
			continue
		}
		how = k.agent.do(t, verb, line)
	}
	return how
}

// do types one of the verbs of the running agent.
func (d *device) do(t *testing.T, verb, line string) string {
	t.Helper()
	d.turn.Lock()
	defer d.turn.Unlock()
	outcome := sh(t, d.Dir, line)
	may := []int{0}
	if slices.Contains([]string{"confirm", "refuse", "abandon", "resume", "install"}, verb) {
		may = append(may, 4) // nothing waits for it at the moment
	}
	assert.Contains(t, may, outcome.Code, "%s\n%s%s", line, outcome.Out, outcome.Err)
	if verb == "pause" {
		d.Do("resume")
	}
	return fmt.Sprintf("typed: exit code %d", outcome.Code)
}

// runAgent types the command of an agent that runs, and ends it.
func (k *checker) runAgent(t *testing.T, line string) string {
	t.Helper()
	d := &device{Device: harness.NewDevice(t, programs, k.agent.broker, harness.NewKey(t))}
	d.furnish(t, k.sandbox)
	d.Settings["device"] = "gw-0002"
	d.Configure()
	agent := start(t, d.Dir, line)
	agent.AwaitOutput("connected to the broker")
	assert.Zero(t, agent.Stop())
	return "typed: it runs until it is stopped"
}
