// Package otafleet_test holds the rules of the tree, as tests that fail with the
// rule and its reason. In this file: which package may import which, which package
// is the only adapter of a third-party module, and what must stay out of a device's
// binary. In style_test.go: how a file has to look. In docs_test.go: that the
// documents say what the code says. In architecture_test.go: that
// ARCHITECTURE.md is right about sizes and names. In links_test.go and wrap_test.go:
// that links lead somewhere, and how wide documents are.
//
// A new package needs a line in layout, a new module one in adapters. Whoever wants
// to loosen a rule changes its line here, where a reviewer sees it.
package otafleet_test

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// layer is a line of the layout: a package, or a pattern for several, and the
// packages of the tree that it may import. Its tests may import testsUse as well.
type layer struct{ pkg, uses, testsUse string }

// layout lists every package, the lowest layer first. A package may import from
// its own layer and from those below it, never from above: what knows less can
// be read, tested and used alone. The first line that fits counts.
var layout = []layer{
	{"internal/ota", "", ""},
	{"internal/yamlform", "", ""},
	{"internal/shell", "", ""},
	{"internal/terminal", "", ""},
	{"internal/chart", "", ""},
	{"internal/cli", "internal/shell internal/terminal", ""},
	{"internal/exposition", "", ""},
	{"internal/address", "", ""},
	{"internal/files", "", ""},
	{"internal/transport", "", ""},
	{"internal/httpserver", "", ""},
	{"internal/programtest", "", ""},
	{"internal/wire", "internal/ota", ""},
	{"internal/quecthing/trial", "", ""}, // a package for tests
	{"internal/quecthing", "", "internal/quecthing/trial"},
	{"internal/suffixes", "", ""},
	{"internal/bzip2", "internal/suffixes", ""},
	{"internal/bsdiff", "internal/bzip2 internal/suffixes", ""},
	{"internal/bundle", "internal/bsdiff internal/files internal/wire internal/ota", ""},
	{"internal/release", "internal/files internal/wire internal/ota", ""},

	{"reporter", "internal/ota", ""},
	{"firmware", "internal/bsdiff internal/files internal/ota", "firmware/firmwaretest"},
	{"firmware/port/porttest", "firmware/port", ""},              // a package for tests
	{"firmware/serial/serialtest", "firmware/port/porttest", ""}, // another
	{"firmware/serial", "firmware firmware/port firmware/transfer internal/files internal/ota",
		"firmware/firmwaretest firmware/port/porttest firmware/serial/serialtest"},
	{"firmware/modem/modemtest", "firmware/port/porttest", ""}, // and one more
	{"firmware/modem", "firmware firmware/port firmware/transfer internal/ota",
		"firmware/firmwaretest firmware/port/porttest firmware/modem/modemtest"},
	{"firmware/port", "firmware internal/ota", "firmware/port/porttest"},
	{"firmware/*", "firmware internal/bsdiff internal/files internal/ota internal/shell",
		"firmware/firmwaretest internal/programtest"},

	// not its adapters: it declares what it needs of them
	{"agent", "firmware reporter internal/wire internal/ota internal/shell", ""},
	// the real downloads and the virtual ones ask it
	{"agent/download/policy", "agent internal/ota", ""},
	{"agent/link/linktest", "agent agent/link internal/ota", ""},                // a package for tests
	{"agent/link/native", "agent agent/link internal/*", "agent/link/linktest"}, // a dialect: beside it come others
	// it stores bytes; the agent encodes and decodes them
	{"agent/statefile", "internal/files", "agent internal/ota"},
	{"agent/link/hawkbit", "agent agent/link internal/ota internal/wire", "agent/link/linktest"},
	{"agent/link/quecthing", "agent agent/link internal/ota internal/quecthing internal/wire",
		"agent/link/linktest internal/quecthing/trial firmware"},
	{"agent/host", "agent firmware firmware/slot internal/files internal/ota", ""},
	{"agent/gateway", "agent agent/download agent/link firmware internal/ota", ""},
	{"agent/*", "agent agent/download/policy firmware internal/*", ""},

	{"simulator/fleet", "internal/ota internal/yamlform", ""},
	{"simulator/enrol", "", ""},
	{"simulator/trace", "internal/yamlform", ""},
	{"simulator/scenario", "firmware internal/ota internal/yamlform simulator/fleet simulator/trace", ""},
	{"simulator/selection", "simulator/scenario simulator/fleet internal/yamlform", "internal/ota"},
	{"simulator/model", "simulator/scenario simulator/trace simulator/selection simulator/fault simulator/verdict " +
		"simulator/platform/engine agent firmware internal/*", ""},
	{"simulator/fault", "agent firmware simulator/scenario internal/wire internal/ota", ""},
	{"simulator/preflight", "", ""},
	{"simulator/barrier", "", ""},
	{"simulator/cluster", "internal/ota internal/shell internal/yamlform", ""},
	// it judges, and draws nothing
	{"simulator/verdict", "simulator/scenario internal/ota", "simulator/verdict/verdicttest"},
	{"simulator/compare", "simulator/verdict simulator/scenario", "simulator/verdict/verdicttest"},
	{"simulator/report", "simulator/compare simulator/verdict simulator/scenario internal/chart internal/ota " +
		"internal/shell internal/terminal internal/yamlform", "simulator/verdict/verdicttest"},
	{"simulator/history", "simulator/verdict simulator/scenario simulator/selection simulator/fleet internal/files " +
		"internal/ota",
		"simulator/verdict/verdicttest"},
	{"simulator/history/bucket", "simulator/history internal/files", "simulator/history/bucket/buckettest"},
	{"simulator/history/bucket/buckettest", "", ""},                                            // a package for tests
	{"simulator/verdict/verdicttest", "simulator/verdict simulator/scenario internal/ota", ""}, // a package for tests
	{"simulator/platform/store", "simulator/platform/engine internal/files", ""},
	{"simulator/platform/api", "simulator/platform simulator/platform/engine internal/ota", "internal/bundle"},
	{"simulator/platform/account", "simulator/platform/engine internal/ota", ""},
	{"simulator/platform/hawkbit/management", "internal/ota", ""},
	{"simulator/platform/hawkbit", "simulator/platform simulator/platform/account simulator/platform/engine " +
		"simulator/platform/hawkbit/management " +
		"internal/httpserver internal/ota internal/wire", "internal/bundle"},
	{"simulator/platform/quecthing", "simulator/platform simulator/platform/account simulator/platform/broker " +
		"simulator/platform/engine internal/ota internal/quecthing", "internal/bundle internal/quecthing/trial"},
	{"simulator/platform/page", "simulator/platform simulator/platform/api simulator/platform/engine internal/chart " +
		"internal/httpserver internal/ota", "internal/bundle"},
	{"simulator/platform/*", "internal/*", ""},
	// not agent: a platform that shares its code would share its mistakes
	{"simulator/platform", "simulator/platform/* internal/*", ""},
	{"simulator/target/*", "internal/ota", "simulator/platform/hawkbit/management"},
	{"simulator", "simulator/model simulator/scenario simulator/selection simulator/verdict", ""},
	// no sockets: not the broker, not the link
	// but the rules of a dialect, whose requests it carries itself
	{"simulator/virtual", "simulator simulator/* simulator/platform/engine simulator/platform/hawkbit " +
		"simulator/platform/quecthing agent agent/link/hawkbit agent/link/quecthing agent/download/policy firmware " +
		"reporter internal/*", ""},
	{"simulator/explore", "simulator/virtual simulator/verdict simulator/scenario simulator/model agent internal/ota", ""},
	{"simulator/real/netem", "simulator/model simulator/scenario agent/link/native", "simulator/trace"},
	{"simulator/real", "simulator simulator/... agent agent/link agent/link/* agent/download firmware internal/*",
		"test/harness"},
	{"scenarios", "internal/files", "simulator/scenario internal/yamlform"},

	{"cmd/ota-agent/...", "cmd/ota-agent/... agent/... firmware/... reporter internal/...", ""}, // not the simulator
	{"cmd/ota-sim/...", "cmd/ota-sim/... scenarios simulator/... agent/... firmware/... reporter internal/...", ""},

	// the programs are run, not linked
	{"test/harness", "simulator/platform simulator/platform/* internal/*", ""},
	// the real world is the program's
	{"test/catalogue", "", "test/harness scenarios simulator simulator/virtual simulator/report simulator/verdict " +
		"simulator/model simulator/scenario agent firmware internal/ota"},
	// both worlds, from inside: many runs in one process
	{"test/differ", "", "test/harness simulator simulator/real simulator/virtual simulator/verdict " +
		"simulator/scenario simulator/model internal/ota"},
	// report and pages, in a browser
	{"test/page", "", "test/harness simulator simulator/real simulator/selection simulator/scenario simulator/platform " +
		"simulator/platform/api simulator/platform/engine simulator/platform/page simulator/history simulator/verdict " +
		"simulator/verdict/verdicttest simulator/compare simulator/report internal/*"},
	// with emulators on its serial lines
	{"test/e2e", "", "test/harness firmware/serial/serialtest firmware/modem/modemtest simulator/platform " +
		"simulator/platform/* agent/control internal/*"},
	// the state of a platform is made, all else is run
	{"test/scaling", "simulator/platform/engine simulator/platform/store internal/ota", ""},
	{"test/kubernetes/programs/...", "", ""}, // a module of its own
	// the socket is a surface
	{"test/*", "", "test/harness simulator/platform simulator/platform/* agent/control internal/*"},
	{".", "", "internal/ota internal/yamlform simulator/scenario"}, // these tests
}

// adapter is a third-party module, the packages that may import it, the packages
// whose tests alone may, and why it comes in there and nowhere else.
type adapter struct{ module, pkgs, tests, reason string }

// adapters lists every module that the tree imports.
var adapters = []adapter{
	{"github.com/eclipse/paho.golang", "agent/link/native simulator/platform test/peers",
		"simulator/platform/... test/...",
		"one package keeps the MQTT session, so the rest can be run without a broker"},
	{"github.com/eclipse/paho.mqtt.golang", "agent/link/quecthing test/peers", "",
		"one package speaks MQTT 3.1.1 for devices; ota-sim is measured beside its client, in a module of its own"},
	{"github.com/mochi-mqtt/server", "simulator/platform/broker", "",
		"the broker is the fake platform's; no device carries one"},
	{"go.etcd.io/bbolt", "simulator/platform/store", "",
		"one package decides what is on the disk before a message leaves"},
	{"github.com/minio/minio-go", "agent/download simulator/history/bucket", "simulator/platform/objectstore test/...",
		"what a storage answers is checked where bytes are fetched, and where histories are kept"},
	{"github.com/hashicorp/go-getter", "agent/download", "",
		"it is not trusted for resume, size or digest; package download checks behind it"},
	{"github.com/ulikunitz/xz", "agent/download", "",
		"archives are measured before they are unpacked"},
	{"github.com/klauspost/compress", "firmware firmware/firmwaretest internal/bundle agent/download simulator/history",
		"simulator/model",
		"a decoder takes memory as its input says; each of these gives it a limit"},
	{"golang.org/x/crypto/x509roots/fallback", "cmd/ota-sim", "",
		"a program says whom it trusts, no library"},
	{"golang.org/x/time", "agent/download", "",
		"only downloads are held to a rate"},
	{"go.yaml.in/yaml", "internal/yamlform", "simulator/cluster simulator/scenario simulator/platform/api cmd/ota-sim",
		"one strict reader, which gives all mistakes at once, each with its line"},
	{"k8s.io", "test/kubernetes/programs", "",
		"the tests' node of Kubernetes is built of it, in a module of its own"},
	{"go.etcd.io/etcd", "test/kubernetes/programs", "", "that node's storage"},
	{"github.com/spf13/cobra", "test/kubernetes/programs", "", "that node's programs are commands of it"},
	{"golang.org/x/net", "test/kubernetes/programs", "", "messages of DNS, for that node's pods"},
	{"github.com/santhosh-tekuri/jsonschema", "", "simulator/scenario simulator/platform/api",
		"the schemas are for third parties; parser and API do not need them"},
	{"github.com/HdrHistogram/hdrhistogram-go", "simulator/verdict", "",
		"percentiles are a matter of judging"},
	{"go.opentelemetry.io", "cmd/ota-sim/otlp", "cmd/ota-sim",
		"one package pushes figures, and their names stay ours"},
	{"google.golang.org/grpc", "", "cmd/ota-sim",
		"a collector in tests listens by it; the exporter brings it along"},
	{"google.golang.org/protobuf", "", "cmd/ota-sim",
		"the same collector reads what was pushed"},
	{"github.com/prometheus/common", "", "cmd/ota-sim test/e2e",
		"it reads our metrics as a server would; writing them takes none"},
	{"github.com/chromedp", "", "test/page",
		"a report is for a browser, so a browser judges it"},
	{"github.com/spf13/pflag", "internal/cli cmd/...", "",
		"libraries take structs, programs take flags"},
	{"golang.org/x/term", "internal/cli", "",
		"only the programs know whether a terminal reads them"},
	{"golang.org/x/sys", "firmware/... agent/statefile agent/control agent/host test/line", "test/crash",
		"system calls stay beside the disk, the lock and the socket that need them"},
	{"github.com/stretchr/testify", "agent/link/linktest firmware/firmwaretest test/harness", "...",
		"it is for tests, and for the packages that exist for tests"},
}

// notOnDevices names what the agent's binary must not carry, and why.
var notOnDevices = map[string]string{
	module + "/simulator":                     "a device runs itself only",
	module + "/agent/link/linktest":           "it is for tests",
	module + "/firmware/firmwaretest":         "it is for tests",
	module + "/firmware/port/porttest":        "it is for tests",
	module + "/internal/quecthing/trial":      "it is for tests",
	module + "/firmware/serial/serialtest":    "it is for tests",
	module + "/firmware/modem/modemtest":      "it is for tests",
	"github.com/stretchr/testify":             "it is for tests",
	"github.com/mochi-mqtt":                   "a device has no broker",
	"github.com/HdrHistogram/hdrhistogram-go": "a device counts, it does not judge",
	"github.com/aws":                          "minio-go speaks to every storage that we know",
	"cloud.google.com/go":                     "minio-go speaks to every storage that we know",
	"google.golang.org/grpc":                  "it alone is larger than the agent may be",
	"google.golang.org/protobuf":              "the wire is JSON",
	"github.com/prometheus/client_golang":     "the few metrics are a page of text",
	"html/template":                           "it keeps every exported method in the binary",
	"text/template":                           "it keeps every exported method in the binary",
	"net/http/pprof":                          "it opens the agent's insides to its network",
}

func TestEveryPackageIsInTheLayout(t *testing.T) {
	pkgs := packages(t)
	for pkg := range pkgs {
		if _, found := layerOf(pkg); !found {
			t.Errorf("package %s is not in the table layout: add it to its layer, with what it may import", pkg)
		}
	}
	for _, r := range layout {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(pkgs)), func(pkg string) bool { return covers(r.pkg, pkg) }) {
			t.Errorf("the table layout names %s, which does not exist: remove the line", r.pkg)
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		r, found := layerOf(s.pkg)
		if !found {
			continue // the test above says so
		}
		may := r.uses
		if s.test {
			may += " " + r.testsUse + " " + s.pkg
		}
		for _, imported := range s.imports() {
			if ours, is := strings.CutPrefix(imported, module+"/"); is && !covers(may, ours) {
				t.Errorf("%s imports %s; of ours it may import: %s", s.path, ours, may)
			}
		}
	}
}

func TestThirdPartyModulesHaveOneAdapter(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports() {
			if host, _, _ := strings.Cut(imported, "/"); !strings.Contains(host, ".") {
				continue // the standard library and ourselves
			}
			d, found := adapterOf(imported)
			may := d.pkgs
			if s.test {
				may += " " + d.tests
			}
			switch {
			case !found:
				t.Errorf("%s imports %s, which has no adapter: add it to the table adapters, with its reason", s.path, imported)
			case !covers(may, s.pkg):
				t.Errorf("%s imports %s, whose adapter is %s: %s", s.path, imported, d.pkgs, d.reason)
			}
		}
	}
}

func TestAgentBinaryStaysSmall(t *testing.T) {
	list, err := exec.Command("go", "list", "-deps", "./cmd/ota-agent").Output()
	require.NoError(t, err, "cannot list what cmd/ota-agent depends on")
	for _, dependency := range strings.Fields(string(list)) {
		for path, reason := range notOnDevices {
			if within(path, dependency) {
				t.Errorf("cmd/ota-agent depends on %s: %s", dependency, reason)
			}
		}
	}
}

// layerOf finds the line of the layout for a package.
func layerOf(pkg string) (layer, bool) {
	for _, r := range layout {
		if covers(r.pkg, pkg) {
			return r, true
		}
	}
	return layer{}, false
}

// adapterOf finds the adapter for an import path.
func adapterOf(imported string) (adapter, bool) {
	for _, d := range adapters {
		if within(d.module, imported) {
			return d, true
		}
	}
	return adapter{}, false
}
