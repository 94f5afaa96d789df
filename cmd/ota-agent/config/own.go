package config

import (
	"path/filepath"
	"slices"
	"strings"

	"otafleet/firmware"
	"otafleet/firmware/file"
	"otafleet/internal/yamlform"
)

// place gives where what is at path is to be read.
func (in base) place(path string) string {
	live, given := strings.CutSuffix(in.staged, file.NextSuffix)
	if rest, is := below(path, live); given && is {
		return in.staged + rest
	}
	return path
}

// waits reports whether what is at path waits to be switched.
func (in base) waits(path string) bool {
	_, is := below(path, in.staged)
	return in.staged != "" && is
}

// below reports whether path is dir or lies in it, and what follows dir. Links on
// the way are looked through.
func below(path, dir string) (rest string, is bool) {
	if rest, is = strings.CutPrefix(path, dir); is && (rest == "" || rest[0] == '/') {
		return rest, true
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", false
	}
	rest, is = strings.CutPrefix(path, dir)
	return rest, is && (rest == "" || rest[0] == '/')
}

// markOwn finds the components that the agent itself reads at its start: a bad one
// would keep it from starting. entries are their lines of the file.
func (c *Config) markOwn(in base, entries []*yamlform.Map) {
	if in.named == nil {
		return
	}
	for i := range c.Components {
		f := c.Components[i].File
		if f == nil || f.Path == "" {
			continue
		}
		holds := func(path string) bool {
			rest, is := below(path, f.Path)
			return path != "" && is && (rest == "" || f.Unpack)
		}
		isRead := slices.ContainsFunc(in.named.read, holds)
		if isRead || f.Unpack && slices.ContainsFunc(in.named.programs, holds) {
			f.Own = filepath.Join(in.dir, filepath.Base(in.name)) // the check runs elsewhere
		}
		if isRead && f.Restart == firmware.RestartNone {
			entries[i].Warnf("file",
				"is read by the agent at its start, without a restart: want restart: process, so that a version with which it "+
					"cannot start is rolled back")
		}
	}
}
