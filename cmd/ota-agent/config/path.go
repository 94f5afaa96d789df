package config

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"otafleet/firmware/file"
	"otafleet/internal/shell"
	"otafleet/internal/yamlform"
)

// base is where the file stands, and what it is read for.
type base struct {
	name string // the file's own path; empty if it has none
	dir  string // relative paths start there
	run  bool   // for the agent's start, which bears what validate refuses
	// staged is a file or directory that is read in the place of its name without
	// file.NextSuffix; empty for none.
	staged string
	named  *named // what has been named so far; nil where that is not asked for
}

// named are the paths without which the agent does not start.
type named struct {
	read     []string // whose content it reads at its start
	programs []string // that must be there
}

// reads notes files whose content is read at the agent's start.
func (in base) reads(paths ...string) {
	if in.named != nil {
		in.named.read = append(in.named.read, paths...)
	}
}

// resolve makes a path absolute.
func (in base) resolve(text string) (string, error) {
	if err := yamlform.Line(text); err != nil {
		return "", err
	}
	if !filepath.IsAbs(text) {
		text = filepath.Join(in.dir, text)
	}
	return in.place(filepath.Clean(text)), nil
}

// path reads a path that need not lead to anything yet.
func (in base) path(m *yamlform.Map, key string, dst *string) {
	yamlform.Value(m, key, dst, in.resolve)
}

// existing is the path of a file that can be read.
func (in base) existing(text string) (string, error) {
	path, err := in.resolve(text)
	if err != nil {
		return "", err
	}
	if err := readable(path); err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	return path, nil
}

// executable is the path of a program that can be run.
func (in base) executable(text string) (string, error) {
	path, err := in.resolve(text)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot be run: %w", err)
	case in.waits(path) && info.Mode().IsRegular(): // it gets its mode at the switch
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return "", fmt.Errorf("cannot be run: %s is not an executable file", path)
	}
	if in.named != nil {
		in.named.programs = append(in.named.programs, path)
	}
	return path, nil
}

// file reads the path of a file that can be read.
func (in base) file(m *yamlform.Map, key string, dst *string) {
	yamlform.Value(m, key, dst, in.existing)
}

// secret reads the path of a file that only the agent should be able to read.
func (in base) secret(m *yamlform.Map, key string, dst *string) {
	in.file(m, key, dst)
	if *dst == "" {
		return
	}
	if info, err := os.Stat(*dst); err == nil && info.Mode()&0o004 != 0 {
		m.Warnf(key, "%s can be read by every user; want %s", *dst, shell.Line("chmod", "o-rwx", *dst))
	}
}

// command reads a program with its arguments. A program with a slash is a path
// and must be there; another is looked for when it is run, and warned of if that
// would fail now.
func (in base) command(m *yamlform.Map, key string, dst *[]string) {
	const most = 64
	m.Texts(key, dst, 1, most, argument)
	if len(*dst) == 0 {
		return
	}
	program := (*dst)[0]
	if program == "" {
		m.Problemf(key, "names no program")
		return
	}
	if !strings.Contains(program, "/") {
		if program == file.Staged {
			return // in a check, which runs the new version itself
		}
		if _, err := exec.LookPath(program); err != nil {
			m.Warnf(key, "%q is not found in PATH", program)
		}
		return
	}
	path, err := in.executable(program)
	if err != nil {
		m.Problemf(key, "%s", err)
		return
	}
	(*dst)[0] = path
	in.guarded(m, key, path)
}

// guarded warns of a file by which the device is ruled, and which every user can
// change or replace.
func (in base) guarded(m *yamlform.Map, key, path string) {
	if path == "" {
		return
	}
	for _, place := range []string{path, filepath.Dir(path)} {
		info, err := os.Stat(place)
		if err == nil && info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			m.Warnf(key, "%s can be changed by every user; want %s", place, shell.Line("chmod", "o-w", place))
		}
	}
}

func argument(text string) error {
	return yamlform.Words(func(s string) bool { return len(s) <= 4096 && !strings.ContainsRune(s, 0) },
		"want at most 4096 characters, none of them NUL")(text)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
