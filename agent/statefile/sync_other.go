//go:build !linux

package statefile

import "os"

func syncData(f *os.File) error { return f.Sync() }
