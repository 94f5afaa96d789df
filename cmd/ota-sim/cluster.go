package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/scenarios"
	"otafleet/simulator/cluster"
)

// clusterFlags say how shards run on a cluster. They come beside those of run, which all
// shards are given.
type clusterFlags struct {
	run      runFlags
	shards   int
	name     string
	memory   string
	cpus     float64
	deadline time.Duration
	env      []string
	kubernetes
}

// kubernetes are the flags that only it has.
type kubernetes struct {
	image   string
	secret  string
	account string
	files   string
	monitor bool
}

func clusterVerb() cli.Verb {
	return cli.Verb{
		Name:    "cluster",
		Args:    "kubernetes SCENARIO",
		Words:   append([]string{"kubernetes"}, scenarios.Names()...),
		Summary: "print what runs a scenario in shards on a cluster",
		Help: `Prints manifests for 'kubectl apply -f -': the scenario, an Indexed Job with a pod
for each shard, and a Job that makes one verdict of their histories. Nothing of ours
has to be installed there but the image of ota-sim ('make image').

It takes the flags of 'ota-sim run', which every shard is given, and --out: the place
in a bucket that shards write to and the verdict is made from. The Secret that
--secret names has the credentials for it. What a shard takes of memory and
ports is asked for; without --shards there are as many as keep to --memory.

Files that flags name are read here, too, so that mistakes are found. The pods have them
by their base names from the volume that --files names.

Examples:
  ota-sim cluster kubernetes million --virtual --image registry.example/ota-sim:v1 --out s3://bucket/million
  ota-sim cluster kubernetes my.yaml --shards 4 --image registry.example/ota-sim:v1 --secret bucket --out s3://bucket/my
  ota-sim cluster kubernetes my.yaml --broker mqtt://staging:1883 --trust staging.pub --files configmap/staging \
    --image registry.example/ota-sim:v1 --out s3://bucket/staging`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			f := clusterFlags{run: runFlags{changed: flags}}
			f.define(flags)
			return f.print
		},
	}
}

func (f *clusterFlags) define(flags *pflag.FlagSet) {
	flags.IntVar(&f.shards, "shards", 0, "number of shards; 0 means as many as keep to --memory")
	flags.StringVar(&f.name, "name", "", "what everything there is called; empty means by the scenario's name")
	flags.StringVar(&f.memory, "memory", "4GiB", "most memory that a shard may take")
	flags.Float64Var(&f.cpus, "cpus", 1, "processors that each shard is given")
	flags.DurationVar(&f.deadline, "deadline", 0, "how long a shard may take; 0 means by the scenario's duration")
	flags.StringArrayVar(&f.env, "env", nil, "environment of the shards and of merge, as NAME=VALUE; may be repeated")
	flags.StringVar(&f.image, "image", "", "image of ota-sim, as the cluster's nodes pull it")
	flags.StringVar(&f.secret, "secret", "", "Secret whose keys become the environment, such as AWS_SECRET_ACCESS_KEY")
	flags.StringVar(&f.account, "service-account", "", "service account of the pods, for credentials that belong to one")
	flags.StringVar(&f.files, "files", "", "volume with the files that flags name: secret/NAME, configmap/NAME, or "+
		"claim/NAME of a PersistentVolumeClaim")
	flags.BoolVar(&f.monitor, "pod-monitor", false, "serve metrics, with a PodMonitor of the Prometheus operator")
	f.run.define(flags)
}

func (f *clusterFlags) print(_ context.Context, streams cli.Streams, args []string) error {
	if len(args) != 2 || args[0] != "kubernetes" {
		return cli.Exitf(cli.Usage, "want two arguments, kubernetes and the scenario, and got %q", args)
	}
	s, err := scenarioOf(streams, args[1:], &f.run.deviceFlags)
	if err != nil {
		return err
	}
	r, err := f.of(s)
	if err != nil {
		return err
	}
	k, err := f.onKubernetes()
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	text, err := k.Manifests(r)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	_, err = streams.Out.Write(text)
	return err
}

// of is the run of a scenario that the flags ask for, after everything that can be
// refused beforehand has been looked at.
func (f *clusterFlags) of(s *source) (*cluster.Run, error) {
	if err := errors.Join(f.check(), f.run.checkVirtual(f.run.changed)); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	c, err := f.run.of(s.Scenario)
	if err != nil {
		return nil, err
	}
	if c.dialect, err = dialectOf(f.run.platform, s.Scenario); err != nil {
		return nil, err
	}
	world, err := f.run.real(c, f.run.devices)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	embedded := !f.run.virtual && f.run.broker == "" && f.run.staging.url == ""
	r := &cluster.Run{Name: f.name, Scenario: s.Scenario.Name, Text: s.text, Devices: c.selected.Devices(),
		Virtual: f.run.virtual, Embedded: embedded,
		Together: !f.run.virtual && f.run.with == "" && f.run.at == "",
		Out:      strings.TrimRight(f.run.out, "/"), Millis: int(math.Ceil(f.cpus * 1000))}
	if r.Name == "" {
		r.Name = cluster.Name(s.Scenario.Name)
	}
	if r.Env, err = variables(f.env); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	if r.Flags, err = f.passed(c); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	if f.run.json == "-" {
		r.Verdict = []string{"--json=-"}
	}
	r.Lasts = f.lasts(s.Duration)
	return r, f.divide(r, c, len(world.Sources))
}

// check refuses flags that say what the cluster decides, or that it needs.
func (f *clusterFlags) check() error {
	var problems []error
	f.run.changed.Visit(func(flag *pflag.Flag) {
		if slices.Contains([]string{"shard", "only", "verdict", "metrics", "page", "token-file", "file-types", "remove-run"},
			flag.Name) {
			problems = append(problems, fmt.Errorf("--%s is for one process: leave it out", flag.Name))
		}
	})
	if f.run.html != "" || f.run.junit != "" || f.run.json != "" && f.run.json != "-" {
		problems = append(problems, errors.New("--html, --junit and --json FILE would be lost with the pod: when the run "+
			"has ended, give them to 'ota-sim merge', with the --out of the run"))
	}
	if f.name != "" {
		problems = append(problems, cluster.CheckName(f.name))
	}
	if f.cpus < 0.001 || f.cpus > 1000 {
		problems = append(problems, fmt.Errorf("--cpus %v: want 0.001 to 1000", f.cpus))
	}
	if !strings.HasPrefix(f.run.out, "s3://") {
		problems = append(problems, errors.New("--out: want a place that all shards reach, as s3://BUCKET/PREFIX"))
	}
	return errors.Join(problems...)
}

// variables reads NAME=VALUE.
func variables(texts []string) (all []cluster.Variable, err error) {
	name := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	for _, text := range texts {
		key, value, is := strings.Cut(text, "=")
		switch {
		case !is || !name.MatchString(key):
			return nil, fmt.Errorf("--env %.100q: want NAME=VALUE", text)
		case key == "AWS_SECRET_ACCESS_KEY" || key == "AWS_SESSION_TOKEN":
			return nil, fmt.Errorf("--env %s: everybody who may look at pods would read it: put it into a Secret, and name "+
				"that with --secret", key)
		}
		all = append(all, cluster.Variable{Name: key, Value: value})
	}
	return all, nil
}

// ownFlags are those of run that every shard is given in words of its own, or merge.
func ownFlags() []string { return []string{"out", "quiet", "json", "devices"} }

// passed are the flags of run that were given, as a shard is given them.
func (f *clusterFlags) passed(c *choice) (words []string, err error) {
	known := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&runFlags{}).define(known)
	there := baseNames{}
	if file := c.scenario.DeviceFile(); file != nil {
		words = append(words, "--devices="+there.of(file.Name))
	}
	for _, flag := range changed(f.run.changed) {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		if known.Lookup(name) == nil || slices.Contains(ownFlags(), name) {
			continue
		}
		if slices.Contains(fileFlags(), name) {
			flag = "--" + name + "=" + there.of(value)
		}
		words = append(words, flag)
	}
	if len(there) > 0 && f.files == "" {
		return nil, fmt.Errorf("pods have no files of this machine: put %s into a Secret, a ConfigMap or a volume, and name "+
			"that with --files", strings.Join(there.paths(), ", "))
	}
	return words, there.check()
}

// fileFlags are the flags of run that name files which it reads.
func fileFlags() []string {
	return []string{"devices", "ca-file", "password-file", "platform-password-file", "platform-cert-file",
		"platform-key-file", "trust", "store-secret-file"}
}

// baseNames are the files that pods need, by the base names that they have there.
type baseNames map[string][]string

// of is where a pod has a file.
func (b baseNames) of(path string) string {
	base := filepath.Base(path)
	if !slices.Contains(b[base], path) {
		b[base] = append(b[base], path)
	}
	return cluster.FilesDir + "/" + base
}

func (b baseNames) paths() (all []string) {
	for _, paths := range b {
		all = append(all, paths...)
	}
	slices.Sort(all)
	return all
}

// check refuses two files of one name.
func (b baseNames) check() error {
	for _, paths := range b {
		if len(paths) > 1 {
			return fmt.Errorf("%s would be one file in a pod: give them different names", strings.Join(paths, " and "))
		}
	}
	return nil
}

const (
	// What starts pods may have to get nodes and an image first.
	slowStart = 30 * time.Minute
	// How long a shard in virtual time may take, whatever it is: nothing tells before.
	virtualLasts = 12 * time.Hour
)

// lasts is how long a shard may take.
func (f *clusterFlags) lasts(duration time.Duration) time.Duration {
	switch {
	case f.deadline > 0:
		return f.deadline
	case f.run.virtual:
		return virtualLasts
	}
	return duration + f.run.within + slowStart
}

// onKubernetes are its own flags.
func (f *clusterFlags) onKubernetes() (*cluster.Kubernetes, error) {
	k := &cluster.Kubernetes{Image: f.image, Secret: f.secret, ServiceAccount: f.account, Monitor: f.monitor}
	if f.image == "" || strings.ContainsFunc(f.image, unicode.IsSpace) {
		return nil, errors.New("--image: want the image of ota-sim, such as registry.example/ota-sim:v1")
	}
	if f.monitor && f.run.virtual {
		return nil, errors.New("--pod-monitor: a run in virtual time has no metrics")
	}
	if err := errors.Join(checkObject("--secret", f.secret), checkObject("--service-account", f.account)); err != nil {
		return nil, err
	}
	if f.files == "" {
		return k, nil
	}
	kind, name, _ := strings.Cut(f.files, "/")
	if !slices.Contains([]string{cluster.SecretVolume, cluster.ConfigMapVolume, cluster.ClaimVolume}, kind) || name == "" {
		return nil, fmt.Errorf("--files %s: want secret/NAME, configmap/NAME or claim/NAME", f.files)
	}
	k.Files = &cluster.Volume{Kind: kind, Name: name}
	return k, checkObject("--files", name)
}

// checkObject says whether an object of Kubernetes can have a name.
func checkObject(flag, name string) error {
	if name != "" && (len(name) > 253 || !regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`).MatchString(name)) {
		return fmt.Errorf("%s %.100q is no name of an object: want a-z, 0-9, dots and -", flag, name)
	}
	return nil
}
