package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/simulator/cluster"
)

// ownFlags are those of run that every shard gets in words of its own, or merge.
func ownFlags() []string { return []string{"out", "quiet", "json", "junit", "html"} }

// passed are the flags of run that were given, as a shard of the named run gets them.
func (f *clusterFlags) passed(c *choice, name, where string) (words []string, err error) {
	known := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&runFlags{}).define(known)
	leaveOut, there := ownFlags(), baseNames{}
	if where == onKubernetes {
		leaveOut = append(leaveOut, "set", "devices") // the text in the ConfigMap has no variables
		if file := c.scenario.DeviceFile(); file != nil {
			words = append(words, "--devices="+there.of(file.Name))
		}
	}
	if f.run.staging.url != "" && f.run.keyPrefix == "" && c.scenario.DeviceFile() == nil {
		words = append(words, "--key-prefix="+name+"-") // each shard would draw one of its own
	}
	for _, flag := range changed(f.run.changed) {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		if known.Lookup(name) == nil || slices.Contains(leaveOut, name) {
			continue
		}
		if where == onKubernetes && slices.Contains(fileFlags(), name) {
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
