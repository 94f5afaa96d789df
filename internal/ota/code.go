package ota

// Code names the cause of a failure in a report. Released codes are never
// renamed or reused.
type Code string

// The error codes of the protocol's section 5.
const (
	URLExpired         Code = "url_expired"
	HTTPError          Code = "http_error"
	NetworkTimeout     Code = "network_timeout"
	StorageUnavailable Code = "storage_unavailable"
	SizeMismatch       Code = "size_mismatch"
	DigestMismatch     Code = "digest_mismatch"
	SignatureInvalid   Code = "signature_invalid"
	KeyUntrusted       Code = "key_untrusted"
	ManifestMismatch   Code = "manifest_mismatch"
	ManifestExpired    Code = "manifest_expired"
	DowngradeRefused   Code = "downgrade_refused"
	TooLarge           Code = "too_large"
	SpaceLow           Code = "space_low"
	VersionMismatch    Code = "version_mismatch"
	UnpackFailed       Code = "unpack_failed"
	DeltaFailed        Code = "delta_failed"
	WriteFailed        Code = "write_failed"
	InstallerFailed    Code = "installer_failed"
	ComponentSilent    Code = "component_silent"
	VerifyFailed       Code = "verify_failed"
	BootFailed         Code = "boot_failed"
	HealthCheckFailed  Code = "health_check_failed"
	Reverted           Code = "reverted"
	Interrupted        Code = "interrupted"
	PlanTerminated     Code = "plan_terminated"
	PlanExpired        Code = "plan_expired"
	Skipped            Code = "skipped"
	Internal           Code = "internal"
)

var codes = map[Code]struct {
	transient bool
	sentence  string
}{
	URLExpired:         {false, "every address of the package has expired or is forbidden"},
	HTTPError:          {true, "the storage answered with an unexpected HTTP status"},
	NetworkTimeout:     {true, "the storage could not be reached or stopped sending"},
	StorageUnavailable: {true, "the object store or the local storage failed"},
	SizeMismatch:       {true, "the storage sent fewer or more bytes than the manifest says"},
	DigestMismatch:     {true, "bytes do not have the digest that the manifest signs"},
	SignatureInvalid:   {false, "a known key's signature does not verify"},
	KeyUntrusted:       {false, "the manifest is not signed by enough trusted keys"},
	ManifestMismatch:   {false, "the manifest is for another product, component, hardware, version or kind"},
	ManifestExpired:    {false, "the manifest's validity has passed"},
	DowngradeRefused:   {false, "the release counter is lower than one that has run"},
	TooLarge:           {false, "the package is larger than the component can take"},
	SpaceLow:           {false, "the device has too little free space"},
	VersionMismatch:    {false, "the component does not run the version that the package starts from"},
	UnpackFailed:       {false, "the package cannot be unpacked"},
	DeltaFailed:        {false, "the delta cannot be applied"},
	WriteFailed:        {false, "the inactive place cannot be written"},
	InstallerFailed:    {false, "the installer failed"},
	ComponentSilent:    {false, "the MCU or module does not answer"},
	VerifyFailed:       {false, "the component runs another version than the target after the upgrade"},
	BootFailed:         {false, "the device fell back to the previous version at boot"},
	HealthCheckFailed:  {false, "the new version is not healthy or cannot reach the platform"},
	Reverted:           {false, "the component was rolled back because another one failed"},
	Interrupted:        {false, "the upgrade was given up after too many restarts"},
	PlanTerminated:     {false, "the plan was terminated before its switch began, by the platform or at the device"},
	PlanExpired:        {false, "the plan ended before its switch began"},
	Skipped:            {false, "an earlier component failed"},
	Internal:           {false, "the agent failed in a way that it does not know"},
}

// Known reports whether c is one of the protocol's codes.
func (c Code) Known() bool { _, ok := codes[c]; return ok }

// Transient reports whether the device tries again by itself, within its
// budget, before it reports c (the protocol's rule 7.10).
func (c Code) Transient() bool { return codes[c].transient }

// Sentence says what c means, for people; empty for an unknown code.
func (c Code) Sentence() string { return codes[c].sentence }

// Codes returns every code with its meaning.
func Codes() map[Code]string {
	all := make(map[Code]string, len(codes))
	for c, v := range codes {
		all[c] = v.sentence
	}
	return all
}

// Failure is a code with the circumstances for people. It is an error, so that
// whoever finds the cause can name it and whoever reports it can pass it on.
type Failure struct {
	Code   Code
	Detail string // at most MaxDetail bytes on the wire
}

// Error gives the code and the detail.
func (f *Failure) Error() string {
	if f.Detail == "" {
		return string(f.Code)
	}
	return string(f.Code) + ": " + f.Detail
}
