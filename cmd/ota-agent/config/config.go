// Package config reads the configuration file of ota-agent into a plain struct.
//
// One flow through it: Load reads the file, fills in the defaults, checks every
// value, every path that must lead to a file and every pair of settings that
// contradict each other, and returns either a Config on which the program can
// rely or all mistakes at once, each with its line. What works and is unwise
// becomes a warning.
//
// The package opens no connection, reads no secret and no key: it looks only
// whether their files can be read.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/agent/download/policy"
	"otafleet/agent/host"
	"otafleet/firmware"
	"otafleet/firmware/file"
	"otafleet/internal/files"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// Config is everything that the file says, with defaults where it is silent.
// Paths are absolute: the file's relative ones start from its own directory.
type Config struct {
	Product       string     // product key
	Device        string     // device key
	Hardware      string     // revision that manifests may name; empty if unknown
	Broker        Broker     // of the native platform; nothing in it if there is another
	HawkBit       *HawkBit   // nil if the platform is another one
	QuecThing     *QuecThing // the same
	StateDir      string     // default /var/lib/ota-agent
	ControlSocket string     // default /run/ota-agent/agent.sock if that directory exists, else /run/ota-agent.sock
	Trust         Trust
	// PlatformTrust says which packages are taken on the platform's word; nil for
	// signed ones alone. Parts of the device with a Trust of their own take none.
	PlatformTrust *agent.PlatformTrust
	Storage       *Storage // nil if the file says nothing of it
	Download      Download
	Confirm       Confirm // default auto
	// ConfirmCommand is run for each plan if Confirm is ConfirmByCommand: a
	// program and its arguments.
	ConfirmCommand []string
	Windows        []agent.Window // maintenance windows; none means at any time
	Conditions     Conditions
	Components     []Component  // 1 to ota.MaxInventory, in the order of the inventory
	Health         []host.Check // all must pass; none means that running is enough
	SubDevices     []SubDevice  // for which this one speaks; at most MaxSubDevices
	// SubDeviceParallel is how many sub-devices are changed at once; default 2.
	SubDeviceParallel int
	// ContactTimeout is how long a new version may run without reaching the
	// platform before it is rolled back; default 30 min.
	ContactTimeout time.Duration
	// Soak is how long a healthy new version runs before it is made permanent, and
	// RestartSoak the same of one that needed a restart. Default none, and 10 s.
	Soak, RestartSoak time.Duration
	// GiveWay is how long an accepted plan that has switched nothing keeps another
	// one away; default 2 h.
	GiveWay time.Duration
	System  host.System
	Log     Log

	Warnings []string // one line each, with its place in the file
}

// Broker says how the device reaches the platform.
type Broker struct {
	URLs         []*url.URL // mqtt or mqtts, each with its port; tried in order
	Username     string     // empty for none
	PasswordFile string     // empty for none
	host.Certificates
	Prefix        string        // of all topics; default ota/v1
	KeepAlive     time.Duration // default 60 s
	SessionExpiry time.Duration // default 24 h
}

// Trust says which packages are accepted, of the device or of a part of it that
// has keys of its own.
type Trust struct {
	Keys          []string // files, one public key each
	Threshold     int      // how many of the keys must have signed; default 1
	AllowUnsigned bool     // accept packages without any signature
}

// Storage is where packages come from: the certificates of all downloads, and the
// device's own access to an S3-compatible object store.
type Storage struct {
	host.Certificates
	Endpoint      string // https://host[:port] or http://host[:port]; empty for none
	Region        string // empty for what the endpoint's name says
	AccessKeyFile string
	SecretKeyFile string
	PathStyle     bool // bucket in the path, not in the host name
}

// Download bounds the downloads.
type Download struct {
	RateLimit    int64         // bytes a second over all downloads; 0 for no limit
	StallTimeout time.Duration // default 30 s
	LowestRate   int64         // bytes a second below which another address is tried; default 4 KiB/s
	Attempts     int           // consecutive wrong answers without a new chunk; default 5
	Patience     time.Duration // without a new chunk while the servers are away; default 30 min
	Deadline     time.Duration // for one file; default 7 days
	Allow, Deny  []string      // hosts and networks; see download.Hosts
	HTTPSOnly    bool          // refuse addresses that are not encrypted
	Parallel     int           // downloads at once; default 2
	Cache        int64         // bytes for packages that sub-devices share; 0 for no sharing, default 256 MiB
}

// Confirm says who accepts a plan for which the conditions hold.
type Confirm string

// The three ways.
const (
	ConfirmAuto      Confirm = "auto"    // the agent
	ConfirmByAsking  Confirm = "ask"     // the operator, with a verb of ota-agent
	ConfirmByCommand Confirm = "command" // a program
)

// Conditions say where the device measures itself, and what it asks for.
type Conditions struct {
	BatteryFile string   // holds percent; empty without a battery
	RSSICommand []string // prints dBm; empty without a radio
	BusyFile    string   // while it exists, the device must not be disturbed; empty for none
	// Least is what every plan needs, whatever less it asks for.
	Least ota.Conditions
}

// Installer names an installer.
type Installer string

// The installers of this version.
const (
	InstallerFile    Installer = "file"
	InstallerSlot    Installer = "slot"
	InstallerCommand Installer = "command"
	InstallerSerial  Installer = "serial"
	InstallerModem   Installer = "modem"
)

// Component is a part of the device that can be upgraded.
type Component struct {
	ID        string
	Type      ota.ComponentType
	Installer Installer
	// Irreversible says that the component cannot roll back once it is upgraded.
	Irreversible bool
	// Release is the counter of the version that the device was made with; 0 for
	// none.
	Release int64
	Trust   *Trust            // in the place of the device's; nil for that one
	Version string            // what a component runs before its first upgrade, where it cannot be asked
	File    *FileInstaller    // set with InstallerFile
	Slot    *SlotInstaller    // set with InstallerSlot
	Command *CommandInstaller // set with InstallerCommand
	LineInstallers
}

// FileInstaller is the settings of a component that is a file or a directory.
type FileInstaller struct {
	Path    string
	Unpack  bool             // the component is a directory, packages are archives
	After   []string         // command after each switch, with its arguments; empty for none
	Check   []string         // command that looks at a new version before the switch; empty for none
	Mode    fs.FileMode      // of a new version; 0 for that of the old one
	Restart firmware.Restart // needed before a new version runs; default none
	// Own is the configuration with which the agent reads the file, or what is in the
	// directory, at its start; empty if it does not.
	Own string
}

// CommandInstaller is the settings of a component with a handler of its own.
type CommandInstaller struct {
	Path string // an executable
	// ApplyDeltas lets the agent apply patches, to the image that the handler's verb
	// image gives; else they are the handler's.
	ApplyDeltas bool
	Timeout     time.Duration // of each verb; 0 for the installer's defaults
}

// Log says what is logged, to standard error.
type Log struct {
	Level  slog.Level // default info
	Format LogFormat  // default text
}

// LogFormat is how log lines are written.
type LogFormat string

// The two formats.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Load reads a configuration file. Mistakes in it are a *yamlform.Error that
// lists them all.
func Load(path string) (*Config, error) { return load(path, base{}) }

// LoadToRun reads a configuration file at the agent's start. A new system may
// lack what the configuration was checked with, and an agent that does not start
// cannot take that system back: a maintenance window whose time zone is unknown
// is a warning here, and stays shut.
func LoadToRun(path string) (*Config, error) { return load(path, base{run: true}) }

// LoadStaged reads a configuration file as if what waits at staged, which ends with
// file.NextSuffix, had the name without that: the file itself or one that it names, or
// a directory with some of them. The paths in what it gives lead to what waits.
func LoadStaged(path, staged string) (*Config, error) {
	staged, err := filepath.Abs(staged)
	if err != nil || !strings.HasSuffix(staged, file.NextSuffix) {
		return nil, fmt.Errorf("%s does not end with %s", staged, file.NextSuffix)
	}
	return load(path, base{staged: staged})
}

// StateDirs gives the state directories that may be those of an agent that cannot
// start with a configuration file: of the file, and of the one that it has
// replaced, in its place or with its whole directory.
func StateDirs(path string) []string {
	if live, err := filepath.Abs(path); err == nil {
		path = live
	}
	dir, name := filepath.Split(path)
	dirs := []string{StateDir(path), StateDir(path + file.TrialSuffix)}
	dirs = append(dirs, StateDir(filepath.Join(filepath.Clean(dir)+file.PreviousSuffix, name)))
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// StateDir gives the state directory that a configuration file names, also where
// the file has mistakes elsewhere; the default if it cannot be found out.
func StateDir(path string) string {
	c := defaults()
	if m, in := outline(path); m != nil {
		in.path(m, "state_dir", &c.StateDir)
	}
	return c.StateDir
}

// SystemOf gives how the system is restarted as StateDir does its directory.
func SystemOf(path string) host.System {
	var s host.System
	if m, in := outline(path); m != nil {
		readSystem(m, in, &s)
	}
	return s
}

// outline gives what can be read of a file that may have mistakes; nil for nothing.
func outline(path string) (*yamlform.Map, base) {
	data, err := readFile(path)
	dir, errDir := filepath.Abs(filepath.Dir(path))
	if err != nil || errDir != nil {
		return nil, base{}
	}
	return yamlform.Parse(path, data).Root(), base{dir: dir}
}

func load(path string, in base) (*Config, error) {
	live, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	in.name, in.dir, in.named = path, filepath.Dir(live), &named{read: []string{live}}
	data, err := readFile(in.place(live))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the configuration: %w; --config names one elsewhere", err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return parse(path, in, data)
}

// readFile reads no more of a file than parse needs to say that it is too long.
func readFile(path string) ([]byte, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, yamlform.MaxBytes+1))
}

// defaultSocket is in the directory that a service manager has made for it, where
// there is one: the shipped unit lets the agent write nowhere else in /run.
func defaultSocket() string {
	if isDir("/run/ota-agent") {
		return "/run/ota-agent/agent.sock"
	}
	return "/run/ota-agent.sock"
}

func defaults() *Config {
	return &Config{
		Broker:        Broker{Prefix: "ota/v1", KeepAlive: time.Minute, SessionExpiry: 24 * time.Hour},
		StateDir:      "/var/lib/ota-agent",
		ControlSocket: defaultSocket(),
		Trust:         Trust{Threshold: 1},
		Download: Download{StallTimeout: 30 * time.Second, LowestRate: download.DefaultLowestRate,
			Attempts: download.DefaultAttempts,
			Patience: policy.DefaultPatience, Deadline: policy.DefaultDeadline, Parallel: 2, Cache: 256 << 20},
		Confirm:        ConfirmAuto,
		ContactTimeout: 30 * time.Minute,
		RestartSoak:    10 * time.Second,
		GiveWay:        2 * time.Hour,

		SubDeviceParallel: 2,
		Log:               Log{Level: slog.LevelInfo, Format: LogText},
	}
}
