package engine

import (
	"errors"
	"fmt"
)

// ErrUnknown is in every refusal for the reason that a plan, a package or a
// device that a command names does not exist.
var ErrUnknown = errors.New("not found")

// Problem is what is wrong with one field of a command. A refusal that says what
// is wrong with fields has one for each of them in it (see Problems).
type Problem struct {
	// Field is a path such as name or components[0].target; empty if no single
	// field is at fault.
	Field  string
	Reason string // a sentence that makes sense without the field
}

// Error returns the reason.
func (p *Problem) Error() string { return p.Reason }

// DeviceRefusal says why one of several devices is left out of a command that
// was carried out for the others.
type DeviceRefusal struct{ Device, Reason string }

// Error says it in a sentence.
func (r *DeviceRefusal) Error() string {
	return fmt.Sprintf("cannot retry device %q: %s", r.Device, r.Reason)
}

// Problems lists what a refusal says of fields; nil if it is about something else.
func Problems(err error) []*Problem { return collect[*Problem](err) }

// DeviceRefusals lists the devices that a command left out; nil if it was refused
// altogether.
func DeviceRefusals(err error) []*DeviceRefusal { return collect[*DeviceRefusal](err) }

// collect finds every error of a type in a tree of them.
func collect[T error](err error) []T {
	if found, is := err.(T); is { //nolint:errorlint // the tree is walked here
		return []T{found}
	}
	switch err := err.(type) { //nolint:errorlint // the tree is walked here
	case interface{ Unwrap() error }:
		return collect[T](err.Unwrap())
	case interface{ Unwrap() []error }:
		var all []T
		for _, e := range err.Unwrap() {
			all = append(all, collect[T](e)...)
		}
		return all
	}
	return nil
}

// problems collects what is wrong, so that all of it can be said at once.
type problems []error

func (p *problems) unless(holds bool, field, format string, args ...any) {
	if !holds {
		*p = append(*p, &Problem{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
}

func (p problems) join() error { return errors.Join(p...) }
