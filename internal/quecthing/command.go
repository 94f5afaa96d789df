package quecthing

import "fmt"

// Command says what a frame is.
type Command uint16

// The commands, with their direction as the device sees it, and what they carry.
const (
	ReadModel     Command = 0x0011 // down: asks for values of the data model; raw
	ModelValues   Command = 0x0012 // up: answers ReadModel
	ReadStatus    Command = 0x0031 // down; the SDK never answers
	DeviceStatus  Command = 0x0034 // up: Battery, Voltage, Signal, FreeSpace
	ReadInfo      Command = 0x0041 // down; the SDK never answers
	DeviceInfo    Command = 0x0044 // up: Model, InfoVersion, InfoVersions, …
	Exception     Command = 0x00a3 // down: ExceptionCode, ExceptionID
	DeviceConfig  Command = 0x00b4 // down: ConfigServer, NewDeviceSecret, SessionKey, …
	UpgradePlan   Command = 0x0111 // down: one component at the top, or Components
	UpgradeFile   Command = 0x0113 // down: address, size and digest of a component's file
	UpgradeStatus Command = 0x0114 // up: StatusCode, StatusText, ComponentType, Component
	UpgradeAsk    Command = 0x0115 // up: ModuleVersion, Versions; the platform may answer with a plan
)

// String is the command in hex, as documents of the wire name it.
func (c Command) String() string { return fmt.Sprintf("0x%04X", uint16(c)) }

// Numbers of the items of DeviceStatus.
const (
	Battery   = 1 // percent
	Voltage   = 2 // volts, with decimals
	Signal    = 3 // RSSI, dBm
	FreeSpace = 4 // bytes
)

// Numbers of the items of DeviceInfo. Texts all.
const (
	Model               = 1
	InfoVersion         = 2 // of the module
	InfoVersions        = 3 // of the MCU components: a version list, empty for none
	ICCID               = 5 // of the SIM card
	SDKVersion          = 11
	Positioning         = 12
	DataProtocol        = 13
	CommunicationFormat = 14
)

// Numbers of the items of Exception.
const (
	ExceptionCode = 1
	ExceptionID   = 2 // of the frame that it is about
)

// Numbers of the items of DeviceConfig.
const (
	ConfigServer     = 1  // struct: another server to connect to
	DeviceSecret     = 5  // text: sent after first contact
	SessionKey       = 6  // 16 bytes: payloads are encrypted from here on
	NewProduct       = 7  // text: another product key
	NewProductSecret = 8  // text: its secret
	ForgetSecret     = 9  // bool: first contact again
	NewDeviceSecret  = 10 // text: log in again with it
)

// Numbers of the items of UpgradePlan, UpgradeFile, UpgradeStatus and UpgradeAsk.
const (
	URL              = 1
	Size             = 2 // bytes
	MD5              = 3 // 32 hex digits
	Component        = 4 // at most MaxComponent bytes
	Source           = 5 // version; may be absent
	Target           = 6 // version; at most MaxVersion bytes
	ComponentType    = 7 // ModuleType or MCUType
	MinBattery       = 8 // percent
	NeededSpace      = 9 // bytes
	MinSignal        = 10
	StatusCode       = 13
	StatusText       = 14
	CRC              = 15 // hex digits of a CRC-32/MPEG-2
	SHA256           = 16 // 64 hex digits
	WantedDigest     = 19 // "sha256", with the status Confirmed
	Files            = 20 // list of {FileIndex, URL, MD5, Size}
	ModuleVersion    = 25
	ModuleVersions   = 26 // of the MCU components: a version list, absent for none
	ControlType      = 27
	Components       = 28 // list of plans for a component each, at most MaxComponents
	FileIndex        = 30
	ModuleType       = 0
	MCUType          = 1
	MaxComponents    = 20
	MaxComponent     = 32
	MaxVersion       = 64
	DigestWanted     = "sha256" // the value of WantedDigest
	MaxDeviceSecret  = 32
	SessionKeySize   = 16
	MinProductSecret = 16
)

// Codes of an Exception.
const (
	CodeAuthentication = 10422 // of the device: rejected; tried again after ten minutes
	CodeNotFound       = 10423 // the device; tried again after half a minute
	CodeForbidden      = 10425 // the device; tried again after half a minute
	CodeBusy           = 10426 // tried again after ten minutes
	CodeTooOften       = 10428 // messages come too often
	CodeQuota          = 10429 // of messages: used up
	CodeSecret         = 10430 // the device's is wrong
)

// Status is what a device says of a component's upgrade.
type Status uint8

// The statuses. 7 and 10 are not used.
const (
	Received       Status = 1  // the device has the plan
	Confirmed      Status = 2  // it takes it, for all its components
	Refused        Status = 3  // or does not
	Ready          Status = 4  // it has the address
	Downloading    Status = 5  // repeated each five seconds
	DownloadFailed Status = 6  // a new address may be tried
	Downloaded     Status = 8  // of an MCU component: the current block
	Upgrading      Status = 9  // the component is being written
	Succeeded      Status = 11 // it runs the target
	Failed         Status = 12 // it does not, and nothing more is tried
)

// String is the text that goes with the status on the wire; "" for a number that is
// none. The first is misspelled there.
func (s Status) String() string {
	switch s {
	case Received:
		return "REVICEPLAN"
	case Confirmed:
		return "SUBMITOTA"
	case Refused:
		return "REFUSEDOTA"
	case Ready:
		return "DOWNLOADSTART"
	case Downloading:
		return "DOWNLOADING"
	case DownloadFailed:
		return "DOWNLOADERROR"
	case Downloaded:
		return "DOWNLOADSUCCESS"
	case Upgrading:
		return "UPDATING"
	case Succeeded:
		return "UPDATESUCCESS"
	case Failed:
		return "UPDATEERROR"
	}
	return ""
}
