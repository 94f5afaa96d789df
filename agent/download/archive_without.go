//go:build noarchive

package download

import (
	"context"
	"errors"
)

var errNoArchive = errors.New("this program was built without archives (tag noarchive)")

func (Unpacker) extract(string, string, string) error { return errNoArchive }

func inspect(context.Context, string, string, *contents) error { return errNoArchive }
