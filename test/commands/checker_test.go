package commands_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// treePath is a path of the tree within a sentence.
var treePath = regexp.MustCompile(
	`\b(?:packaging|examples|docs|scripts|test|internal|firmware|simulator)/[\w./-]+\w`)

// untyped are the commands of our programs that are not typed here, each with the
// reason. They are held against the programs' helps.
var untyped = map[string]string{
	"ota-agent validate --staged FILE": "the tests of cmd/ota-agent/config have a new configuration",
	"ota-sim run my.yaml --broker mqtts://staging --ca-file staging-ca.pem --trust staging.pub": "a broker with TLS: " +
		"test/real/secure_test.go has one",
	"ota-sim run thousand --devices staging/fleet.csv --broker mqtts://staging --ca-file staging-ca.pem " +
		"--fake-platform --platform-cert-file staging/platform.pem --platform-key-file staging/platform.key": "a broker " +
		"that takes nothing but certificates: test/real/enrolled_test.go has one",
	"ota-sim enrol thousand --out staging --platform hawkbit --url http://staging:8080 --username admin " +
		"--password-file operator-password.txt": enrolledThere,
	"ota-sim run thousand --devices staging/fleet.csv --platform hawkbit --url http://staging:8080 --username admin " +
		"--password-file operator-password.txt": enrolledThere,
	"ota-sim run thousand --platform hawkbit --url http://staging:8080 --username admin --password-file " +
		"operator-password.txt": stagedThere,
	"ota-sim run my.yaml --platform hawkbit --url http://staging:8080 --username admin --password-file " +
		"operator.txt": stagedThere,
	"ota-sim run my.yaml --virtual --shard auto --out s3://bucket/nightly --verdict merge":           inStore,
	"ota-sim merge s3://bucket/nightly --wait 8 --wait-at-most 2h --junit report.xml":                inStore,
	"ota-sim run million --virtual --shard=auto --verdict=merge --quiet --out=s3://bucket/million-1": inStore,
	"ota-sim merge s3://bucket/million-1 --wait=4 --wait-at-most=2h":                                 inStore,
	"ota-sim run my.yaml --virtual --shard auto --verdict merge --quiet --out parts":                 numbered,
	"ota-sim merge parts --html report.html --junit report.xml":                                      numbered,
	"ota-sim merge s3://bucket/million-1 --html report.html --junit report.xml":                      inStore,
	"ota-sim merge s3://bucket/run --wait 8 --wait-at-most 2h --junit report.xml":                    inStore,

	"ota-sim enrol thousand --out staging --remove":  "cmd/ota-sim/enrol_test.go takes away what it has enrolled",
	"ota-sim completion fish | source":               "internal/cli/tools_test.go does it in fish",
	"ota-agent completion fish | source":             "internal/cli/tools_test.go does it in fish",
	"bin/ota-agent run --config examples/agent.yaml": guided,
}

// Where there is a hawkBit for what needs one.
const (
	enrolledThere = "test/e2e/enrolled_test.go has one"
	stagedThere   = "test/e2e/staged_test.go has one"
)

// numbered is what needs the number of a task, or what such tasks have made.
const numbered = "cmd/ota-sim/bucket_test.go: TestShardsInADirectory"

// inStore is what needs a store of histories, and eight tasks.
const inStore = "cmd/ota-sim/bucket_test.go has a store"

// guided is what a reader of README.md types in its order.
const guided = "typed by TestGuide, test/e2e/guide_test.go"

// thirdParty are the commands of other programs, each with what is known of it. The
// files of the tree in it exist.
var thirdParty = map[string]string{
	"make build":                            guided,
	"mkdir -p out/device":                   guided,
	"echo 'app 1.0.0' > out/device/app.bin": guided,
	"echo 'app 1.1.0' > out/app.bin":        guided,
	"cat out/device/app.bin":                guided,
	"echo broken > out/app.bin":             guided,

	"source <(ota-agent completion zsh)": "internal/cli/tools_test.go does it in zsh",
	"source <(ota-sim completion zsh)":   "internal/cli/tools_test.go does it in zsh",

	"skopeo copy oci-archive:dist/ota-sim-amd64.oci.tar docker://registry.example/ota-sim:v1": "skopeo's own: " +
		"test/release/image_test.go opens the image",
	"kubectl create secret generic bucket --from-literal=AWS_ENDPOINT_URL=https://store.example " +
		"--from-literal=AWS_ACCESS_KEY_ID=ID --from-literal=AWS_SECRET_ACCESS_KEY=KEY": "Kubernetes' own",
	"kubectl create secret generic staging --from-file=staging.pub --from-file=operator.txt": "Kubernetes' own",
	"kubectl logs --follow --pod-running-timeout=10m job/ota-sim-million-merge":              "Kubernetes' own",
	"kubectl apply":        "Kubernetes' own",
	"kubectl logs":         "Kubernetes' own",
	"kubectl describe pod": "Kubernetes' own",
	"kubectl wait --for=condition=Complete job/ota-sim-million-merge": "Kubernetes' own",

	"systemctl start ota-agent":                              "test/deb/deb_test.go starts the service",
	"systemctl daemon-reload && systemctl restart ota-agent": "test/deb/deb_test.go starts the service",
	"systemctl status":                                       "systemd's own",
	"systemctl is-active":                                    "systemd's own",
	"systemctl reboot":                                       "systemd's own",
	"systemd-analyze security":                               "test/deb/deb_test.go runs it",
	"/etc/init.d/ota-agent start":                            "OpenWrt starts packaging/openwrt/files/ota-agent.init so",
	"dpkg -i ota-agent_*.deb":                                "test/deb/deb_test.go installs a package",
	`systemd-run --wait --collect dpkg -i "$OTA_FILES"`:      "systemd's and Debian's own",

	"rauc info":                     "run by examples/handlers/rauc",
	"rauc install":                  "run by examples/handlers/rauc",
	"rauc status mark-good":         "run by examples/handlers/rauc",
	"rauc status mark-active other": "run by examples/handlers/rauc",
	"swupdate -c":                   "run by examples/handlers/swupdate",
	"swupdate -i":                   "run by examples/handlers/swupdate",
	`swupdate -B none -k cert.pem -H board:1.0 ` +
		`-u "-t DEFAULT -u http://127.0.0.1:8081 -i gw-0001"`: "test/real/swupdate_test.go runs it",

	"grub-editenv /boot/grub/grubenv create": "firmware/slot/tools_test.go makes a block with it",

	"mkdir /opt/ota-agent":      "coreutils' own",
	"chmod 0666":                "coreutils' own: the mode, without the socket",
	"ulimit -v":                 "a limit of the shell, without a value",
	"scripts/peers.sh DEVICES…": "make peers runs it, for many minutes",
	"scripts/scaling.sh --only EXPRESSION --most SIZE": "make scaling runs it, for many minutes",
	"go tool pprof -traces virtual.test cpu":           "Go's own: of the profile that the command before it writes",
	"scripts/build.sh ota-agent FILE " +
		"nos3,noarchive,noline,nozstd,nohawkbit,noquecthing": "make test runs the tests with these tags",
	`zstdcat DIR/events.jsonl.zst | grep '"d":"gateways-000012"'`: "as in simulator/history/line_test.go",
}

// checker checks commands, and notes which lines of its tables it has needed.
type checker struct {
	sandbox string // a directory with the files that commands name
	targets []string
	agent   *device

	mu     sync.Mutex // guards the following
	needed map[string]bool
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	k := &checker{needed: map[string]bool{}}
	target := regexp.MustCompile(`(?m)^([a-z][a-z-]*)(?: [a-z-]+)*:(?: |$)`)
	for _, found := range target.FindAllStringSubmatch(textOf(t, "Makefile"), -1) {
		k.targets = append(k.targets, found[1])
	}
	k.sandbox = newSandbox(t)
	k.agent = newDevice(t, k.sandbox)
	return k
}

// check checks a command and says how.
func (k *checker) check(t *testing.T, text string) (how string) {
	t.Helper()
	program := words(text)
	for strings.Contains(program[0], "=") {
		program = program[1:] // the environment
	}
	if reason := k.known(thirdParty, text); reason != "" {
		return reason
	}
	if strings.Contains(text, "\n") {
		return k.session(t, text)
	}
	switch name := program[0][strings.LastIndex(program[0], "/")+1:]; name {
	case "ota-sim", "ota-agent":
		complete, err := parse(program)
		require.NoError(t, err)
		switch reason := k.known(untyped, text); {
		case reason != "":
			return "parsed: " + reason
		case !complete:
			return "parsed: it names the verb, or a flag of it"
		case name == "ota-agent":
			return k.typeAgent(t, text)
		}
		return k.typeSim(t, text)
	case "source":
		return k.typeSource(t, text)
	case "curl":
		return k.typeCurl(t, text)
	case "make":
		return k.checkMake(t, program[1:])
	case "go":
		return k.checkGo(t, program[1:])
	}
	t.Errorf("there is no way to check %q: add one, or it to thirdParty with its reason", text)
	return "not checked"
}

func (k *checker) known(table map[string]string, text string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.needed[text] = true
	return table[text]
}

// complete fails for lines of the tables that no document needs any more.
func (k *checker) complete(t *testing.T) {
	for _, table := range []map[string]string{untyped, thirdParty} {
		for text, reason := range table {
			assert.True(t, k.needed[text], "%q is not found any more: remove it from its table", text)
			for _, name := range treePath.FindAllString(text+" "+reason, -1) {
				assert.FileExists(t, filepath.Join(root, name), text)
			}
		}
	}
}

// checkMake looks for the targets in the Makefile, and for each variable in what
// reads it.
func (k *checker) checkMake(t *testing.T, args []string) string {
	t.Helper()
	makefile := textOf(t, "Makefile")
	for _, arg := range args {
		if name, _, is := strings.Cut(arg, "="); is {
			assert.True(t, strings.Contains(makefile, name) || k.reads(t, name), "nothing reads %s", name)
			continue
		}
		assert.Contains(t, k.targets, arg, "the Makefile has no such target")
	}
	out, err := exec.Command("make", append([]string{"-n", "-C", root}, args...)...).CombinedOutput()
	assert.NoError(t, err, string(out))
	return "make -n: every target and variable is there"
}

// reads reports whether a script or a test reads a variable of the environment.
func (k *checker) reads(t *testing.T, name string) bool {
	t.Helper()
	for _, dir := range []string{"scripts", "test"} {
		for path, text := range textsBelow(t, filepath.Join(root, dir)) {
			if !strings.Contains(path, "test/commands/") && strings.Contains(text, name) {
				return true
			}
		}
	}
	return false
}

// checkGo looks for the packages, and for tests that the patterns fit.
func (k *checker) checkGo(t *testing.T, args []string) string {
	t.Helper()
	require.Equal(t, "test", args[0], "only go test is known")
	var dirs []string
	none := false // no test is to be run beside benchmarks
	for i := 1; i < len(args); i++ {
		switch arg := args[i]; arg {
		case "-v", "-update", "-every-cut", "-benchmem":
		case "-tags", "-fuzztime", "-benchtime", "-cpuprofile":
			i++
		case "-run", "-bench", "-fuzz":
			i++
			if none = args[i] == "^$"; none {
				continue
			}
			prefix := map[string]string{"-run": "Test", "-bench": "Benchmark", "-fuzz": "Fuzz"}[arg]
			for _, dir := range dirs {
				assert.True(t, hasTest(t, filepath.Join(root, dir), prefix, args[i]), "%s: no %s fits %s", dir, prefix, args[i])
			}
		default:
			require.False(t, strings.HasPrefix(arg, "-"), "the flag %s is not known here", arg)
			dirs = append(dirs, arg)
			assert.DirExists(t, filepath.Join(root, strings.TrimSuffix(arg, "...")))
		}
		if flag := args[i]; flag == "-update" || flag == "-every-cut" {
			assert.Contains(t, allText(t, dirs), `"`+flag[1:]+`"`, "no test has the flag %s", flag)
		}
	}
	return "the packages are there, and tests that fit"
}

// hasTest reports whether a directory has a function of tests whose name begins
// with the prefix and fits the pattern.
func hasTest(t *testing.T, dir, prefix, pattern string) bool {
	t.Helper()
	fits, err := regexp.Compile(pattern)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	return slices.ContainsFunc(files, func(path string) bool {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		return slices.ContainsFunc(file.Decls, func(d ast.Decl) bool {
			name := nameOf(d)
			return strings.HasPrefix(name, prefix) && fits.MatchString(name)
		})
	})
}

// allText is the text of the tests of packages.
func allText(t *testing.T, dirs []string) (text string) {
	t.Helper()
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
		require.NoError(t, err)
		for _, path := range files {
			text += textOf(t, strings.TrimPrefix(path, root+"/"))
		}
	}
	return text
}

// textOf reads a file of the tree.
func textOf(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(content)
}

// sh types a line in a directory, with the programs in the path.
func sh(t *testing.T, dir, line string) harness.Outcome {
	t.Helper()
	return harness.Run(t, dir, "bash", "-c", "PATH=$PWD/bin:$PATH\n"+line)
}
