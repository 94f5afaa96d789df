package fault

import (
	"net/http"

	"otafleet/simulator/scenario"
)

// kinds is how each kind of fault gets at a device's hooks.
var kinds = map[scenario.Kind]func(*Injection, Hooks) Hooks{
	scenario.Drop:        (*Injection).drop,
	scenario.Reset:       (*Injection).reset,
	scenario.HalfOpen:    (*Injection).halfOpen,
	scenario.Latency:     (*Injection).latency,
	scenario.Slow:        (*Injection).slow,
	scenario.NeverOnline: (*Injection).neverOnline,

	scenario.DuplicateMessage: (*Injection).duplicate,
	scenario.ReorderMessages:  (*Injection).reorder,
	scenario.DelayMessage:     (*Injection).delayMessage,

	scenario.Stall:         (*Injection).stall,
	scenario.Truncate:      (*Injection).truncate,
	scenario.Corrupt:       (*Injection).corrupt,
	scenario.WrongRange:    (*Injection).wrongRange,
	scenario.WrongDigest:   (*Injection).wrongDigest,
	scenario.ObjectChanged: (*Injection).objectChanged,
	scenario.HTTPStatus: func(in *Injection, h Hooks) Hooks {
		if in.fault.OfPlatform() {
			return in.refuseRequest(h)
		}
		return in.refuseAnswer(h, in.fault.Status)
	},
	scenario.URLExpired: func(in *Injection, h Hooks) Hooks { return in.refuseAnswer(h, http.StatusForbidden) },

	scenario.TokenExpired: (*Injection).expireToken,
	scenario.SessionTaken: (*Injection).takeSession,
	scenario.Cancel:       (*Injection).cancel,

	scenario.BadSignature: (*Injection).badSignature,
	scenario.WrongKey:     (*Injection).wrongKey,
	scenario.Downgrade:    (*Injection).downgrade,

	scenario.Refuse:       (*Injection).refuse,
	scenario.DiskFull:     (*Injection).diskFull,
	scenario.WriteError:   (*Injection).writeError,
	scenario.Crash:        (*Injection).crash,
	scenario.PowerCut:     (*Injection).powerCut,
	scenario.Vanish:       (*Injection).vanish,
	scenario.ClockSkew:    (*Injection).clockSkew,
	scenario.BootLoop:     (*Injection).bootLoop,
	scenario.WrongVersion: (*Injection).wrongVersion,
	scenario.SilentMCU:    (*Injection).silentMCU,
	scenario.Unhealthy:    (*Injection).unhealthy,
}
