package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
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
	kubernetesFlags
	program string // of Slurm
}

// kubernetesFlags are those that only it has.
type kubernetesFlags struct {
	image   string
	secret  string
	account string
	files   string
	monitor bool
}

func clusterVerb() cli.Verb {
	return cli.Verb{
		Name:    "cluster",
		Args:    "kubernetes|slurm SCENARIO",
		Words:   append([]string{onKubernetes, onSlurm}, scenarios.Names()...),
		Summary: "print what runs a scenario in shards on a cluster",
		Help: `Prints what runs a scenario in shards, and makes one verdict of their histories:
manifests for 'kubectl apply -f -', or a script for bash that submits two jobs of
Slurm. Nothing of ours has to be installed but ota-sim, or its image ('make image').

It takes the flags of 'ota-sim run', which all shards get, and --out: the place that
shards write to and the verdict is made from, in a bucket or for Slurm also on a shared
file system. What a shard takes of memory and ports is asked for; without --shards there
are as many as keep to --memory.

Files that flags name are read here, too, so that mistakes are found. Slurm's nodes have
them at the same paths; pods have them by their base names from the volume that --files
names. The Secret that --secret names has the credentials for the bucket.

Examples:
  ota-sim cluster kubernetes million --virtual --image registry.example/ota-sim:v1 --out s3://bucket/million
  ota-sim cluster kubernetes my.yaml --shards 4 --image registry.example/ota-sim:v1 --secret bucket --out s3://bucket/my
  ota-sim cluster kubernetes my.yaml --broker mqtt://staging:1883 --trust staging.pub --files configmap/staging \
    --image registry.example/ota-sim:v1 --out s3://bucket/staging
  ota-sim cluster slurm million --virtual --shards 8 --out million-1 | bash`,
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
	flags.StringVar(&f.image, "image", "", "for kubernetes: image of ota-sim, as nodes pull it")
	flags.StringVar(&f.secret, "secret", "", "for kubernetes: Secret whose keys become the environment, "+
		"such as AWS_SECRET_ACCESS_KEY")
	flags.StringVar(&f.account, "service-account", "", "for kubernetes: service account of the pods, for "+
		"credentials that belong to one")
	flags.StringVar(&f.files, "files", "", "for kubernetes: volume with the files that flags name: secret/NAME, "+
		"configmap/NAME, or claim/NAME of a PersistentVolumeClaim")
	flags.BoolVar(&f.monitor, "pod-monitor", false, "for kubernetes: serve metrics, with a PodMonitor of the "+
		"Prometheus operator")
	flags.StringVar(&f.program, "program", "ota-sim", "for slurm: ota-sim, as nodes find it")
	f.run.define(flags)
}

// What may start the shards.
const (
	onKubernetes = "kubernetes"
	onSlurm      = "slurm"
)

func (f *clusterFlags) print(_ context.Context, streams cli.Streams, args []string) error {
	if len(args) != 2 || args[0] != onKubernetes && args[0] != onSlurm {
		return cli.Exitf(cli.Usage, "want two arguments, %s or %s and the scenario, and got %q", onKubernetes, onSlurm, args)
	}
	where := args[0]
	s, err := scenarioOf(streams, args[1:], &f.run.deviceFlags)
	if err != nil {
		return err
	}
	if err := f.check(where); err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	r, err := f.of(s, where)
	if err != nil {
		return err
	}
	text, err := f.text(s, r, where)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	_, err = streams.Out.Write(text)
	return err
}

// text is what starts the run there.
func (f *clusterFlags) text(s *source, r *cluster.Run, where string) ([]byte, error) {
	if where == onSlurm {
		if state, err := os.Stat(s.name); s.name == "-" || err == nil && !state.Mode().IsRegular() {
			return nil, errors.New("the scenario came through a pipe: Slurm's nodes need it as a file, or its bundled name")
		}
		slurm := cluster.Slurm{Program: f.program, Path: s.name}
		return []byte(slurm.Script(r)), nil
	}
	k, err := f.onKubernetes()
	if err != nil {
		return nil, err
	}
	return k.Manifests(r)
}

// of is the run of a scenario that the flags ask for, after everything that can be
// refused beforehand has been looked at.
func (f *clusterFlags) of(s *source, where string) (*cluster.Run, error) {
	if err := f.run.checkVirtual(f.run.changed); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	c, err := f.run.chosen(s)
	if err != nil {
		return nil, err
	}
	world, err := f.run.real(c, f.run.devices)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	embedded := !f.run.virtual && f.run.broker == "" && f.run.staging.url == ""
	r := &cluster.Run{Name: f.name, Scenario: s.Scenario.Name, Text: s.text, Devices: c.selected.Devices(),
		Virtual: f.run.virtual, Embedded: embedded,
		Together: !f.run.virtual && f.run.with == "" && f.run.at == "", Within: f.run.within,
		Out: strings.TrimRight(f.run.out, "/"), Millis: int(math.Ceil(f.cpus * 1000))}
	if r.Name == "" {
		r.Name = cluster.Name(s.Scenario.Name)
	}
	if r.Env, err = variables(f.env); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	if r.Flags, err = f.passed(c, r.Name, where); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	r.Verdict = f.run.outputFlags.words()
	r.Lasts = f.lasts(s.Duration)
	return r, f.divide(r, c, len(world.Sources))
}

// check refuses flags that say what the cluster decides, or are for another, and the lack
// of what it needs.
func (f *clusterFlags) check(where string) error {
	var problems []error
	f.run.changed.Visit(func(flag *pflag.Flag) {
		switch {
		case slices.Contains(processFlags(), flag.Name):
			problems = append(problems, fmt.Errorf("--%s is for one process: leave it out", flag.Name))
		case strings.HasPrefix(flag.Usage, "for ") && !strings.HasPrefix(flag.Usage, "for "+where):
			problems = append(problems, fmt.Errorf("--%s is not for %s: leave it out", flag.Name, where))
		}
	})
	if f.name != "" {
		problems = append(problems, cluster.CheckName(f.name))
	}
	if f.cpus < 0.001 || f.cpus > 1000 {
		problems = append(problems, fmt.Errorf("--cpus %v: want 0.001 to 1000", f.cpus))
	}
	return errors.Join(append(problems, f.checkPlaces(where))...)
}

// checkPlaces refuses places for histories and verdicts that would be lost.
func (f *clusterFlags) checkPlaces(where string) error {
	files := f.run.html != "" || f.run.junit != "" || f.run.json != "" && f.run.json != "-"
	switch {
	case where == onSlurm && f.run.out == "":
		return errors.New("--out: want a place that all shards reach, a directory of theirs or s3://BUCKET/PREFIX")
	case where == onKubernetes && !inBucket(f.run.out):
		return errors.New("--out: want a place that all shards reach, as s3://BUCKET/PREFIX")
	case where == onKubernetes && files:
		return errors.New("--html, --junit and --json FILE would be lost with the pod: when the run has ended, give them " +
			"to 'ota-sim merge', with the --out of the run")
	}
	return nil
}

// processFlags are those of run that are for one process, or that the cluster sets.
func processFlags() []string {
	return []string{"shard", "only", "verdict", "metrics", "page", "token-file", "file-types", "remove-run", "against"}
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
