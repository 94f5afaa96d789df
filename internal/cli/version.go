package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/pflag"
)

// VersionVerb prints the version of a program and what it was built with.
func VersionVerb(name, version string) Verb {
	return Verb{
		Name: "version", Summary: "print the version",
		Flags: func(*pflag.FlagSet) Action {
			return func(_ context.Context, streams Streams, args []string) error {
				if err := NoArgs(args); err != nil {
					return err
				}
				_, err := fmt.Fprintf(streams.Out, "%s %s (%s, %s/%s)\n", name, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return err
			}
		},
	}
}
