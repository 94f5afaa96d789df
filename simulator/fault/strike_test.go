package fault_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
	"otafleet/simulator/scenario"
)

// come lets a place come once, for the component app.
func come(b *bench, p scenario.Place) {
	status, is := p.Status()
	switch {
	case is:
		b.report("app", status)
	case p == scenario.AtConnect:
		b.connect()
	case p == scenario.AtReport:
		b.report("app", ota.PlanReceived)
	case p == scenario.AtBoot:
		b.boot()
	}
	b.wait()
}

// suffer lets a place come once, and reports whether the device felt the kind
// of fault.
func suffer(b *bench, kind scenario.Kind, at scenario.Place) bool {
	if felt, is := body(b)[kind]; is {
		before := felt()
		come(b, at)
		return felt() != before
	}
	return sufferers()[kind](b, at)
}

// body counts what a kind of fault does to a device's power and line.
func body(b *bench) map[scenario.Kind]func() int {
	return map[scenario.Kind]func() int{
		scenario.Drop:         func() int { return len(b.drops) },
		scenario.Reset:        func() int { return b.resets },
		scenario.HalfOpen:     func() int { return len(b.still) },
		scenario.Latency:      func() int { return len(b.slow) },
		scenario.Slow:         func() int { return len(b.slow) },
		scenario.NeverOnline:  func() int { return b.lost },
		scenario.PowerCut:     func() int { return len(b.cuts) },
		scenario.Crash:        func() int { return len(b.crashes) },
		scenario.Vanish:       func() int { return b.gone },
		scenario.SessionTaken: func() int { return b.taken },
		scenario.Cancel:       func() int { return b.ended },
		scenario.ClockSkew:    func() int { return int(b.hooks.Clock(time.Time{}).Sub(time.Time{})) },
	}
}

// sufferers let the place of a kind come, and look how the device does.
func sufferers() map[scenario.Kind]func(*bench, scenario.Place) bool {
	carry := func(as func(got, sent int, late bool) bool) func(*bench, scenario.Place) bool {
		return func(b *bench, at scenario.Place) bool {
			got, late := message(b, at)
			return as(got, 2, late)
		}
	}
	status := func(b *bench, at scenario.Place) bool {
		if at == scenario.AtPoll || at == scenario.AtReport {
			r := fault.Request{Place: at}
			b.hooks.Request(&r)
			b.wait()
			return r.Status >= http.StatusBadRequest
		}
		status, _, _ := b.download()
		return status >= http.StatusBadRequest
	}
	download := func(feel func(x *fault.Exchange, whole bool, err error) bool) func(*bench, scenario.Place) bool {
		return func(b *bench, _ scenario.Place) bool {
			x, body, err := b.exchange()
			return feel(x, bytes.Equal(body, b.body), err)
		}
	}
	refused := func(code ota.Code) func(*bench, scenario.Place) bool {
		return func(b *bench, _ scenario.Place) bool { return codeOf(b.openPackage("app")) == code }
	}
	return map[scenario.Kind]func(*bench, scenario.Place) bool{
		scenario.DuplicateMessage: carry(func(got, sent int, _ bool) bool { return got > sent }),
		scenario.ReorderMessages:  carry(func(_, _ int, late bool) bool { return late }),
		scenario.DelayMessage:     carry(func(_, _ int, late bool) bool { return late }),
		scenario.Stall:            download(func(x *fault.Exchange, _ bool, _ error) bool { return x.Moments != nil }),
		scenario.Truncate:         download(func(_ *fault.Exchange, _ bool, err error) bool { return err != nil }),
		scenario.Corrupt: download(func(_ *fault.Exchange, whole bool, err error) bool {
			return !whole &&
				err == nil
		}),
		scenario.WrongRange: download(func(x *fault.Exchange, _ bool, _ error) bool {
			return x.Shift > 0 &&
				x.Shift < x.Length
		}),
		scenario.WrongDigest: download(func(x *fault.Exchange, _ bool, _ error) bool { return x.OtherObject }),
		scenario.ObjectChanged: func(b *bench, _ scenario.Place) bool {
			_, _, err := b.exchange()
			x, _, again := b.exchange()
			return errors.Is(err, io.ErrUnexpectedEOF) && x.Changed && x.OtherObject && again == nil
		},
		scenario.HTTPStatus:   status,
		scenario.URLExpired:   status,
		scenario.TokenExpired: status,
		scenario.BadSignature: refused(ota.SignatureInvalid),
		scenario.WrongKey:     refused(ota.KeyUntrusted),
		scenario.Downgrade:    refused(ota.DowngradeRefused),
		scenario.Refuse: func(b *bench, _ scenario.Place) bool {
			b.arrivePlan()
			busy := b.hooks.Sensors.Read(context.Background()).Busy
			b.wait()
			return busy
		},
		scenario.DiskFull: func(b *bench, at scenario.Place) bool {
			if at == scenario.At(ota.PlanReceived) {
				b.arrivePlan()
			} else {
				b.report("app", ota.Downloading)
				b.start()
			}
			code := codeOf(b.hooks.Operate("app", fault.Write))
			b.wait()
			return code == ota.SpaceLow
		},
		scenario.WriteError: func(b *bench, at scenario.Place) bool {
			op := fault.Stage
			if at == scenario.At(ota.Downloading) {
				op = fault.Write
			}
			return codeOf(b.hooks.Operate("app", op)) == ota.WriteFailed
		},
		scenario.BootLoop: func(b *bench, _ scenario.Place) bool {
			before := len(b.cuts)
			err := b.hooks.Health.Check(context.Background())
			return len(b.cuts) > before && err != nil
		},
		scenario.WrongVersion: func(b *bench, _ scenario.Place) bool {
			assert.NoError(b.t, b.hooks.Operate("app", fault.Activate))
			b.boot()
			assert.NoError(b.t, b.hooks.Operate("app", fault.Activate), "it was cut")
			says := b.hooks.Version("app", "2")
			assert.NoError(b.t, b.hooks.Operate("app", fault.Revert))
			assert.Equal(b.t, "1", b.hooks.Version("app", "1"))
			return says != "2"
		},
		scenario.SilentMCU: func(b *bench, at scenario.Place) bool {
			op := fault.Stage
			if at == scenario.At(ota.Upgrading) {
				op = fault.Activate
			}
			assert.NoError(b.t, b.hooks.Operate("app", op), "it is no MCU")
			return codeOf(b.hooks.Operate("motor", op)) == ota.ComponentSilent
		},
		scenario.Unhealthy: func(b *bench, _ scenario.Place) bool {
			return b.hooks.Health.Check(context.Background()) != nil
		},
	}
}

// message lets two messages come at a place. It gives how many arrive, and
// whether the first comes late.
func message(b *bench, at scenario.Place) (got int, late bool) {
	b.sent, b.delivered = nil, nil
	first := agent.Received{Message: &ota.Plan{ID: "spring", Components: []ota.PlanComponent{{ID: "app"}}}}
	switch at {
	case scenario.At(ota.UpgradeConfirmed):
		first.Message = &ota.Package{Component: "app"}
		fallthrough
	case scenario.At(ota.PlanReceived):
		b.hooks.Deliver(first)
		b.hooks.Deliver(agent.Received{Message: &ota.NoPlan{}})
		b.wait()
		return len(b.delivered), b.delivered[0] != agent.Input(first)
	}
	status, _ := at.Status()
	report := &ota.Report{Component: "app", Status: status, Seq: 1}
	b.hooks.Link.Send(report)
	b.hooks.Link.Send(&ota.Progress{})
	b.wait()
	return len(b.sent), b.sent[0] != ota.Up(report)
}

// codeOf is the code of a failure; empty without one.
func codeOf(err error) ota.Code {
	var failure *ota.Failure
	if errors.As(err, &failure) {
		return failure.Code
	}
	return ""
}
