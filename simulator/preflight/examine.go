package preflight

// Run is what a run is.
type Run struct {
	Devices  int
	Sessions []int // of each fleet that has lines of its own: those behind gateways have none
	Images   int64 // bytes of all packages
	Chunk    int64 // bytes of their largest chunk: a download holds one
	Embedded bool  // the broker is in this process, which then holds both ends of each session
	Secure   bool  // sessions have TLS
	Sources  int   // addresses of ours that sessions come from; 0 means 1
}

// What a run takes beside what its devices do. The memory of a device was
// measured at the peak of runs of many, the fake platform included, and has at
// least a third added to it: docs/PERFORMANCE.md.
const (
	reservedFiles  = 600       // downloads at both ends, listeners, the program's own
	reservedMemory = 64 << 20  // the program, and the sockets of downloads
	deviceMemory   = 24 << 10  // a device against an external broker
	secureMemory   = 12 << 10  // TLS of its session
	embeddedMemory = 128 << 10 // a device with the embedded broker
	keptImages     = 2         // times each package is held: to be served, and as what devices have
	downloads      = 256       // that run at once
)

// files that the run has open at most.
func (r Run) files() int64 {
	if r.Embedded {
		return 2*r.Ports() + reservedFiles
	}
	return r.Ports() + reservedFiles
}

// Ports that the run needs on the way to one broker: one for each session.
func (r Run) Ports() int64 {
	n := 0
	for _, ofFleet := range r.Sessions {
		n += ofFleet
	}
	return int64(n)
}

// Memory is what the run takes at most, in bytes.
func (r Run) Memory() int64 {
	n := reservedMemory + keptImages*r.Images + int64(min(r.Devices, downloads))*r.Chunk
	if r.Embedded {
		return n + int64(r.Devices)*embeddedMemory
	}
	if r.Secure {
		n += r.Ports() * secureMemory
	}
	return n + int64(r.Devices)*deviceMemory
}

// Part is what each of so many processes runs, if they are alike.
func (r Run) Part(of int) Run {
	r.Devices = (r.Devices + of - 1) / of
	sessions := make([]int, len(r.Sessions))
	for i, n := range r.Sessions {
		sessions[i] = (n + of - 1) / of
	}
	r.Sessions = sessions
	return r
}

// Resource is one thing that a run needs of a machine.
type Resource int

// The resources.
const (
	Files  Resource = iota // open files of the process
	Ports                  // that sessions come from
	Memory                 // bytes
)

// Check is one resource held against what there is.
type Check struct {
	Resource   Resource
	Need, Have int64 // Have is 0 if the system does not say
}

// Fits reports whether there is enough, or no one can say.
func (c Check) Fits() bool { return c.Have == 0 || c.Need <= c.Have }

// Result says whether a run fits, and what mends it if not.
type Result struct {
	Checks []Check // one for each resource
	Mend   Mend
}

// Mend is what lets a run fit. The zero value is nothing.
type Mend struct {
	Sources int  // let sessions come from so many addresses; 0 for no need
	Shards  int  // divide the run into so many processes; 0 for no need
	InTurn  bool // the processes do not fit at once: run one after the other
	Over    bool // nothing on this machine
}

// Fits reports whether the run fits as it is.
func (r Result) Fits() bool { return r.Mend == Mend{} }

// Examine holds a run against a machine.
func Examine(r Run, m Machine) Result {
	return Result{Checks: checks(r, m), Mend: mend(r, m)}
}

func checks(r Run, m Machine) []Check {
	return []Check{
		{Files, r.files(), m.Files},
		{Ports, r.Ports(), m.Ports * int64(max(1, r.Sources))},
		{Memory, r.Memory(), m.Memory},
	}
}

// Fits reports whether a run fits a machine.
func Fits(r Run, m Machine) bool {
	for _, c := range checks(r, m) {
		if !c.Fits() {
			return false
		}
	}
	return true
}

// mostShards bounds the processes that anyone would start.
const mostShards = 1000

// mend finds the fewest processes with which the run fits, and the fewest source
// addresses: processes that share a broker share the ports on the way to it, too.
func mend(r Run, m Machine) Mend {
	if Fits(r, m) {
		return Mend{}
	}
	var mend Mend
	if !r.Embedded && !checks(r, m)[Ports].Fits() {
		mend.Sources = int((r.Ports() + m.Ports - 1) / m.Ports)
		if r.Sources = mend.Sources; Fits(r, m) {
			return mend
		}
	}
	for n := 2; n <= min(mostShards, r.Devices); n++ {
		if part := r.Part(n); Fits(part, m) {
			mend.Shards, mend.InTurn = n, m.Memory > 0 && int64(n)*part.Memory() > m.Memory
			return mend
		}
	}
	return Mend{Over: true}
}
