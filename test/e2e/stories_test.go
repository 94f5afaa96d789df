package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware/modem/modemtest"
	"otafleet/firmware/serial/serialtest"
	"otafleet/test/harness"
)

// story is a section of docs/OPERATOR.md that follows one kind of device from its
// configuration to a failed upgrade. Its commands, its configuration and what it
// shows are tried on a device whose paths are in a directory of the test.
type story struct {
	*harness.Device

	t      *testing.T
	config string   // the first block of YAML, with the paths of the test
	packs  string   // the commands that make packages
	shown  []string // what the operator types and sees, a block each

	address string // of the broker
	served  *harness.Process
	agent   *harness.Process
	slots   *slots // nil for a device without
}

// fakeSystemctl is systemctl on a device of which every service is active while
// the file "active" is there.
const fakeSystemctl = "#!/bin/sh\n[ \"$1\" != is-active ] || [ -e active ] || exit 3\n"

// newStory opens a story and makes the files that every device has. The
// replacements map paths of the guide to those of the test.
func newStory(t *testing.T, heading string, replacements ...string) *story {
	t.Helper()
	s := &story{t: t, address: harness.FreeAddress(t)}
	s.Device = harness.NewDevice(t, programs, "", harness.NewKey(t))
	guide, err := os.ReadFile("../../docs/OPERATOR.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(guide), "\n### "+heading+"\n")
	require.True(t, found, "docs/OPERATOR.md has no story %q", heading)
	section, _, _ = strings.Cut(section, "\n##")
	for i, block := range strings.Split(section, "\n```") {
		language, text, _ := strings.Cut(block, "\n")
		switch {
		case i%2 == 0: // between blocks
		case language == "yaml" && s.config == "":
			s.config = text
		case strings.HasPrefix(text, "ota-sim pack "):
			s.packs = text
		case strings.HasPrefix(text, "$ ota-agent "):
			s.shown = append(s.shown, text)
		}
	}
	require.Len(t, s.shown, 2, "%s: an upgrade, and a failure", heading)
	paths := append([]string{"mqtts://ota.example.com", "mqtt://" + s.address, "/etc/ota-agent/", ""}, replacements...)
	s.config = strings.NewReplacer(paths...).Replace(s.config) + `
state_dir: state
control_socket: agent.sock
download: {allow: [127.0.0.0/8]}
boot_id_file: boot_id
restart_command: [touch, restart]
`
	s.Write("bin/systemctl", []byte(fakeSystemctl), 0o755)
	s.Write("boot_id", []byte("0\n"), 0o644)
	s.Write("agent.yaml", []byte(s.config), 0o644)
	require.NoError(t, os.Remove(s.Path("release.pub")))
	s.sh("ota-sim keygen release")
	return s
}

// sh types a line, with the programs in the path.
func (s *story) sh(line string) string {
	s.t.Helper()
	outcome := harness.Run(s.t, s.Dir, "sh", "-ec", s.path()+line)
	require.Zero(s.t, outcome.Code, "%s\n%s", line, outcome.Err)
	return outcome.Out
}

// path is the beginning of a script that finds the programs.
func (s *story) path() string {
	return "PATH=$PWD/bin:" + filepath.Dir(s.Programs.Agent) + ":$PATH\n"
}

// start checks the configuration and starts the agent.
func (s *story) start() {
	s.t.Helper()
	s.sh("ota-agent validate --config agent.yaml")
	s.agent = harness.Start(s.t, s.Dir, "sh", "-c", s.path()+"exec ota-agent run --config agent.yaml")
}

// offer makes the packages of a version as the story says, and serves a plan with
// the first of them.
func (s *story) offer(version, release, content string, more ...string) {
	s.t.Helper()
	if s.served != nil {
		s.served.Stop()
	}
	target := regexp.MustCompile(`--target (\S+)`).FindStringSubmatch(s.packs)[1]
	packs := strings.NewReplacer(target, version, "--release 2", "--release "+release).Replace(s.packs)
	for _, name := range regexp.MustCompile(`(?m)\S+$`).FindAllString(strings.ReplaceAll(packs, "\\\n", ""), -1) {
		s.Write(name, []byte(content), 0o644)
	}
	s.sh(packs)
	first := regexp.MustCompile(`--out (\S+)`).FindStringSubmatch(packs)[1]
	args := append([]string{"platform", "--listen", s.address, "--store-listen", "127.0.0.1:0", "--page", "127.0.0.1:0",
		"--retries", "0", "--plan", "plan-" + release, "--upgrade", first}, more...)
	s.served = harness.Start(s.t, s.Dir, s.Programs.Sim, args...)
	s.served.AwaitOutput("ready for devices\n")
}

// sees waits until the operator sees what a block of the story shows.
func (s *story) sees(block string) {
	s.t.Helper()
	var said string
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("the guide shows\n%s\nand the agent says\n%s", block, said)
		}
	})
	harness.Await(s.t, "what the guide shows", func() bool {
		said = ""
		for line := range strings.Lines(block) {
			if verb, is := strings.CutPrefix(line, "$ ota-agent "); is {
				args := strings.Fields(verb)
				said += line + s.Do(args[0], args[1:]...).Out
			}
		}
		said = strings.ReplaceAll(said, s.Path("opt"), "/opt/app")
		s.slots.boots(s)
		return same(said) == same(block)
	})
}

// same takes out of a text what differs from run to run.
func same(text string) string {
	changing := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|up [0-9hms]+|ota-agent/\S+,|\d+(\.\d+)? ([KMG]i)?B`)
	var lines []string
	for line := range strings.Lines(changing.ReplaceAllString(text, "*")) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

// healthy makes the services active, or not.
func (s *story) healthy(active bool) {
	s.t.Helper()
	if active {
		s.Write("active", nil, 0o644)
	} else {
		require.NoError(s.t, os.Remove(s.Path("active")))
	}
}

// upgrades plays the first half of a story: the upgrade is seen while a service is
// not active yet, and then succeeds.
func (s *story) upgrades(version, content string, more ...string) {
	s.t.Helper()
	s.start()
	s.offer(version, "2", content, more...)
	s.sees(s.shown[0])
	s.healthy(true)
	s.served.AwaitOutput("Upgrade Succeeded")
}

func TestStoryOfAFile(t *testing.T) {
	t.Parallel()
	s := newStory(t, "A file on a running gateway", "/opt/app/", "opt/")
	s.Write("opt/app", []byte("#!/bin/sh\necho 1.0.0\n"), 0o755)
	s.Write("app-1.0.0.bin", s.Read("opt/app"), 0o644)
	s.upgrades("1.1.0", "#!/bin/sh\necho 1.1.0\n")
	s.offer("1.2.0", "3", "no program\n")
	s.sees(s.shown[1])
	assert.Equal(t, "#!/bin/sh\necho 1.1.0\n", string(s.Read("opt/app")))
}

func TestStoryOfAnMCU(t *testing.T) {
	t.Parallel()
	s := newStory(t, "An MCU on a serial line", "/dev/ttyS1", "tty", "/usr/share/motor/", "")
	s.Write("motor-1.0.0.bin", mcuImage("1.0.0"), 0o644)
	mcu := serialtest.New(s.Path("tty"), mcuImage("1.0.0"))
	mcu.Batch, mcu.OneBank = true, true
	require.NoError(t, mcu.Plug())
	t.Cleanup(mcu.Close)
	s.upgrades("1.1.0", string(mcuImage("1.1.0")))
	s.offer("1.2.0", "3", string(mcuImage("1.1.9")))
	s.sees(s.shown[1])
	assert.True(t, bytes.Equal(mcuImage("1.1.0"), mcu.Live()))
}

func TestStoryOfAModem(t *testing.T) {
	t.Parallel()
	s := newStory(t, "A cellular module", "/dev/serial/by-id/usb-Quectel-if02", "tty")
	module := modemtest.New(s.Path("tty"), []byte("R1\nold"))
	module.Vanishes = true
	require.NoError(t, module.Plug())
	t.Cleanup(module.Close)
	s.upgrades("R2", "R2\nnew")
	module.Code = 504
	s.offer("R3", "3", "R3\nnewer")
	s.sees(s.shown[1])
	assert.Equal(t, "R2\nnew", string(module.Live()))
}

func TestStoryOfSubDevices(t *testing.T) {
	t.Parallel()
	s := newStory(t, "Sub-devices behind a gateway", "/opt/app/", "", "/usr/lib/ota-agent/handlers/", "./")
	s.Write("app", nil, 0o755)
	s.Write("meter", bus, 0o755)
	s.Write("ping-meter", []byte("#!/bin/sh\n[ -e active ]\n"), 0o755)
	for _, key := range []string{"meter-1", "meter-2"} {
		s.Write(key+"/handler", handler, 0o755)
		s.Write(key+"/version", []byte("1.0.0\n"), 0o644)
	}
	s.Write("meter-2/later-activate", nil, 0o644)
	gateway := []string{"--gateway", "gw-0001=meter.meter-1,meter.meter-2"}
	s.upgrades("1.1.0", "image of 1.1.0", gateway...)
	s.Write("meter-2/fail-activate", nil, 0o644)
	s.offer("1.2.0", "3", "image of 1.2.0", gateway...)
	s.sees(s.shown[1])
	assert.Equal(t, "1.2.0\n", string(s.Read("meter-1/version")))
	assert.Equal(t, "1.1.0\n", string(s.Read("meter-2/version")))
}

// Every fragment of a configuration in the guides is valid in a whole one.
func TestFragmentsOfTheGuides(t *testing.T) {
	t.Parallel()
	found := 0
	for _, name := range []string{"OPERATOR.md", "HANDLER.md"} {
		guide, err := os.ReadFile("../../docs/" + name)
		require.NoError(t, err)
		for i, block := range strings.Split(string(guide), "\n```") {
			language, text, _ := strings.Cut(block, "\n")
			list := strings.HasPrefix(text, "- {id:")
			if i%2 == 0 || language != "yaml" && !list || strings.HasPrefix(text, "product:") {
				continue // no fragment, or a story of its own
			}
			found++
			d := harness.NewDevice(t, programs, "mqtts://ota.example.com", harness.NewKey(t))
			for _, program := range []string{"motor", "rauc", "ota-agent"} {
				d.Write("there/"+program, nil, 0o755)
			}
			d.Write("there/release-2.pub", d.Read("release.pub"), 0o644)
			text = regexp.MustCompile(`path: [\w/.-]*/`).ReplaceAllString(text, "path: there/")
			if list {
				text = "components:\n" + text
			} else if !strings.Contains(text, "components:") {
				text += "\ncomponents: [{id: app, type: module, installer: file, version: 1, file: {path: there/app}}]\n"
			}
			d.Write("agent.yaml", []byte("product: gw\ndevice: gw-1\nbroker: {urls: [\"mqtts://ota.example.com\"]}\n"+
				"trust: {keys: [release.pub]}\ncontrol_socket: agent.sock\nstate_dir: state\n"+text), 0o644)
			valid := harness.Run(t, d.Dir, programs.Agent, "validate", "--config", "agent.yaml")
			assert.Zero(t, valid.Code, "docs/%s:\n%s\n%s", name, text, valid.Err)
		}
	}
	assert.GreaterOrEqual(t, found, 5)
}
