package scenario

import (
	"slices"

	"otafleet/internal/ota"
)

// Kind is what a fault does.
type Kind string

// The kinds. Kinds says what each does and where.
const (
	// On the device's line.
	Drop        Kind = "drop"
	Reset       Kind = "reset"
	HalfOpen    Kind = "half_open"
	Latency     Kind = "latency"
	Slow        Kind = "slow"
	NeverOnline Kind = "never_online"

	// In messages.
	DuplicateMessage Kind = "duplicate"
	ReorderMessages  Kind = "reorder"
	DelayMessage     Kind = "delay"

	// In what the storage answers.
	Stall         Kind = "stall"
	Truncate      Kind = "truncate"
	Corrupt       Kind = "corrupt"
	WrongRange    Kind = "wrong_range"
	WrongDigest   Kind = "wrong_digest"
	ObjectChanged Kind = "object_changed"
	HTTPStatus    Kind = "http_status"
	URLExpired    Kind = "url_expired"

	// In what the platform says.
	TokenExpired Kind = "token_expired"
	SessionTaken Kind = "session_taken"
	Cancel       Kind = "cancel"

	// In what is signed.
	BadSignature Kind = "bad_signature"
	WrongKey     Kind = "wrong_key"
	Downgrade    Kind = "downgrade"

	// In the device.
	Refuse       Kind = "refuse"
	DiskFull     Kind = "disk_full"
	WriteError   Kind = "write_error"
	Crash        Kind = "crash"
	PowerCut     Kind = "power_cut"
	Vanish       Kind = "vanish"
	ClockSkew    Kind = "clock_skew"
	BootLoop     Kind = "boot_loop"
	WrongVersion Kind = "wrong_version"
	SilentMCU    Kind = "silent_mcu"
	Unhealthy    Kind = "unhealthy"
)

// The parameters that only some kinds have.
const (
	ParamComponent  = "component"   // the component it is about; without it, any
	ParamTimes      = "times"       // how often it strikes a device that has it
	ParamAfter      = "after"       // when within the step
	ParamFor        = "for"         // how long it lasts
	ParamBy         = "by"          // by how much
	ParamRate       = "rate"        // bytes a second that are left
	ParamStatus     = "status"      // the HTTP status
	ParamRetryAfter = "retry_after" // how long the answer asks to wait
	ParamReason     = "reason"      // the reason of a refusal
)

// KindRow is one line of the table of faults.
type KindRow struct {
	Kind     Kind
	Sentence string   // what happens to the device
	Places   []Place  // where it can strike
	Params   []string // what can be said of it besides its name, fleet, place and draw
	Needs    []string // those of Params that must be said
}

// Kinds returns the table of faults: what the language accepts, and what package
// fault must do.
func Kinds() []KindRow {
	rows := slices.Concat(lineKinds(), messageKinds(), storageKinds(), platformKinds(), signedKinds(), deviceKinds(),
		componentKinds())
	for i := range rows {
		rows[i].Places = slices.Clone(rows[i].Places)
		rows[i].Params = slices.Concat(rows[i].Params, rows[i].Needs)
	}
	return rows
}

func lineKinds() []KindRow {
	places := append([]Place{AtConnect, AtReport}, statusPlaces()...)
	moment := []string{ParamComponent, ParamTimes, ParamAfter}
	return []KindRow{
		{Drop, "the device's connections are cut, and stay so for a time", places, slices.Concat(moment, []string{ParamFor}),
			nil},
		{Reset, "the device's connections are reset; new ones come up at once", places, moment, nil},
		{HalfOpen, "the device's connections carry nothing any more for a time, and nothing tells either end", places, moment,
			[]string{ParamFor}},
		{Latency, "the device's line has so much more latency for a time", places, moment, []string{ParamBy, ParamFor}},
		{Slow, "the device's line carries no more than this for a time", places, moment, []string{ParamRate, ParamFor}},
		{NeverOnline, "the device never gets a session with the platform", []Place{AtConnect}, nil, nil},
	}
}

func messageKinds() []KindRow {
	places := append([]Place{AtReport}, statusPlaces()...)
	once := []string{ParamComponent, ParamTimes}
	return []KindRow{
		{DuplicateMessage, "a message arrives twice", places, once, nil},
		{ReorderMessages, "a message arrives after the one that follows it", places, once, nil},
		{DelayMessage, "a message arrives so much later", places, once, []string{ParamFor}},
	}
}

func storageKinds() []KindRow {
	download := []Place{At(ota.Downloading)}
	answer := []string{ParamComponent, ParamTimes}
	part := slices.Concat(answer, []string{ParamAfter})
	return []KindRow{
		{Stall, "the storage stops sending in the middle of an answer, for a time", download, part, []string{ParamFor}},
		{Truncate, "the storage ends an answer too early", download, part, nil},
		{Corrupt, "the storage sends bytes that are not the package's", download, part, nil},
		{WrongRange, "the storage sends another range than the one asked for", download, answer, nil},
		{WrongDigest, "the storage sends another object of the same size", download, answer, nil},
		{ObjectChanged, "the storage's object is replaced by another one while it is being fetched", download, answer, nil},
		{HTTPStatus, "the storage, or at `poll` and `report` the platform, answers with an HTTP status of failure, once or " +
			"for a time", append(download, AtPoll, AtReport),
			slices.Concat(part, []string{ParamFor, ParamStatus, ParamRetryAfter}), nil},
		{URLExpired, "the storage answers that the address has expired",
			[]Place{At(ota.ReadyToDownload), At(ota.Downloading)}, part, nil},
	}
}

func platformKinds() []KindRow {
	var open []Place // until the switch is over
	for _, place := range statusPlaces() {
		if s, _ := place.Status(); !s.Done() && !s.Failed() {
			open = append(open, place)
		}
	}
	moment := []string{ParamComponent, ParamTimes, ParamAfter}
	return []KindRow{
		{TokenExpired, "the platform does not accept the device's token for a time", []Place{AtPoll, AtReport},
			[]string{ParamTimes}, []string{ParamFor}},
		{SessionTaken, "another client takes the device's session over, and leaves it again",
			append([]Place{AtConnect, AtReport}, statusPlaces()...), moment, nil},
		{Cancel, "the operator ends the device's plan, which the device bears out until it switches", open, moment, nil},
	}
}

func signedKinds() []KindRow {
	confirmed, about := []Place{At(ota.UpgradeConfirmed)}, []string{ParamComponent, ParamTimes}
	return []KindRow{
		{BadSignature, "the manifest is signed with a signature that does not verify", confirmed, about, nil},
		{WrongKey, "the manifest is signed with a key that the device does not trust", confirmed, about, nil},
		{Downgrade, "the manifest is an older one, validly signed, of a release below the one that has run", confirmed, about,
			nil},
	}
}

func deviceKinds() []KindRow {
	received, download := At(ota.PlanReceived), At(ota.Downloading)
	anywhere := append([]Place{AtBoot}, statusPlaces()...)
	moment := []string{ParamComponent, ParamTimes, ParamAfter}
	lasting := slices.Concat(moment, []string{ParamFor})
	return []KindRow{
		{Refuse, "the device finds a reason to refuse the plan, which passes after a time", []Place{received},
			[]string{ParamTimes, ParamFor, ParamReason}, nil},
		{DiskFull, "the device's disk is full for a time", []Place{received, download}, moment, []string{ParamFor}},
		{WriteError, "the device cannot write a part of the new version", []Place{download, At(ota.DownloadSucceeded)},
			moment, nil},
		{Crash, "the agent dies without warning, and starts again after a time; the device keeps its power", anywhere,
			lasting, nil},
		{PowerCut, "the device loses its power without warning, and starts again after a time", anywhere, lasting, nil},
		{Vanish, "the device loses its power for good", append([]Place{AtConnect}, anywhere...),
			[]string{ParamComponent, ParamAfter}, nil},
		{ClockSkew, "the device's clock is wrong by so much from now on", []Place{AtBoot, AtConnect}, []string{ParamTimes},
			[]string{ParamBy}},
	}
}

func componentKinds() []KindRow {
	upgrading, about := []Place{At(ota.Upgrading)}, []string{ParamComponent, ParamTimes}
	return []KindRow{
		{BootLoop, "the device restarts again and again before the new version is up, so many times in a row", upgrading,
			about, nil},
		{WrongVersion, "the component runs another version than the target when it is up again", upgrading, about, nil},
		{SilentMCU, "the MCU does not answer", []Place{At(ota.DownloadSucceeded), At(ota.Upgrading)}, about, nil},
		{Unhealthy, "the new version does not pass its health check", []Place{AtHealth}, about, nil},
	}
}

// Row is the kind's line of the table; false for an unknown kind.
func (k Kind) Row() (KindRow, bool) {
	for _, row := range Kinds() {
		if row.Kind == k {
			return row, true
		}
	}
	return KindRow{}, false
}

// Takes reports whether the kind has a parameter.
func (r KindRow) Takes(param string) bool { return slices.Contains(r.Params, param) }
