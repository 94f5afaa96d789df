package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/pflag"
)

// VersionVerb prints the version of a program and what it was built with.
func VersionVerb(name, version string) Verb {
	return Verb{
		Name: "version", Summary: "print the version",
		Flags: func(flags *pflag.FlagSet) Action {
			asJSON := flags.Bool("json", false, "print JSON")
			return func(_ context.Context, streams Streams, args []string) error {
				if err := NoArgs(args); err != nil {
					return err
				}
				if *asJSON {
					return json.NewEncoder(streams.Out).Encode(map[string]string{"program": name, "version": version,
						"go": runtime.Version(), "system": runtime.GOOS, "processor": runtime.GOARCH})
				}
				_, err := fmt.Fprintf(streams.Out, "%s %s (%s, %s/%s)\n", name, version, runtime.Version(), runtime.GOOS,
					runtime.GOARCH)
				return err
			}
		},
	}
}
