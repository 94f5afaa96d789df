// Command scaling measures how processor time and memory of the built programs grow with
// their work: devices, components, plans, images, scenarios, histories, the pages of a
// platform. Each study runs a program at a number of sizes, and prints a line of a table:
// the exponent with which the cost grows, and the first size at which one more unit costs
// much more than below it. It says where something grows, not why: a profile does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if err := scale(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "scaling:", err)
		os.Exit(1)
	}
}

func scale(args []string) error {
	if len(args) == 3 && args[0] == "populate" {
		devices, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return populate(args[1], devices)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s, c := &site{ctx: ctx}, &choice{}
	flags := flag.NewFlagSet("scaling", flag.ContinueOnError)
	flags.StringVar(&s.sim, "sim", "", "path of ota-sim")
	flags.StringVar(&s.agent, "agent", "", "path of ota-agent")
	flags.StringVar(&s.flood, "flood", "", "path of test/flood")
	flags.StringVar(&s.broker, "broker", "", "where real devices connect; empty for the embedded broker")
	only := flags.String("only", "", "studies whose names match this expression; empty for all")
	flags.IntVar(&c.most, "most", math.MaxInt, "leave larger sizes out")
	flags.BoolVar(&c.check, "check", false, "fail if something grows by far more than its units")
	err := flags.Parse(args)
	if err == nil {
		c.wanted, err = regexp.Compile(*only)
	}
	if err == nil {
		s.dir, err = os.MkdirTemp("", "scaling")
	}
	if err != nil {
		return err
	}
	return errors.Join(c.measure(s), os.RemoveAll(s.dir))
}

// choice is what is measured.
type choice struct {
	wanted *regexp.Regexp
	most   int
	check  bool
}

// measure makes the studies, and prints the table as it grows.
func (c *choice) measure(s *site) error {
	fmt.Println(heading)
	var beyond []string
	for _, study := range studies() {
		if !c.wanted.MatchString(study.name) {
			continue
		}
		sizes := slices.DeleteFunc(slices.Clone(study.sizes), func(n int) bool { return n > c.most })
		rows, err := study.rows(s, sizes)
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i].write(os.Stdout)
			beyond = append(beyond, rows[i].beyond()...)
		}
	}
	if c.check && len(beyond) > 0 {
		return fmt.Errorf("more than linear: %s", strings.Join(beyond, "; "))
	}
	return nil
}
