package quecthing

import (
	"fmt"
	"slices"
	"strings"
)

// MaxVersions is how many bytes a version list may have.
const MaxVersions = 512

// Version is an entry of a version list, the text by which a device says what its
// MCU components run: "STM32:1_0_0;ESP:7".
type Version struct{ Component, Version string }

// ParseVersions takes a version list apart. It takes what a device says that does
// not guard its names: behind the first colon is the version.
func ParseVersions(text string) []Version {
	var list []Version
	for _, entry := range strings.Split(text, ";") {
		if component, version, _ := strings.Cut(entry, ":"); component != "" && len(text) <= MaxVersions {
			list = append(list, Version{component, version})
		}
	}
	return list
}

// FormatVersions is the text of a version list, empty for none.
func FormatVersions(list []Version) string {
	entries := make([]string, len(list))
	for i, v := range list {
		entries[i] = v.Component
		if v.Version != "" {
			entries[i] += ":" + v.Version
		}
	}
	return strings.Join(entries, ";")
}

// SetVersion is the list with what a component runs, at its end; "" takes the
// component off the list. It fails, and gives the list as it was, if the wire
// cannot say it.
func SetVersion(list []Version, component, version string) ([]Version, error) {
	switch {
	case component == "" || len(component) > MaxComponent || strings.ContainsAny(component, ":;\x00"):
		return list, fmt.Errorf("%q cannot be named on the wire: want 1 to %d bytes without colon and semicolon",
			component, MaxComponent)
	case len(version) > MaxVersion || strings.ContainsAny(version, ";\x00"):
		return list, fmt.Errorf("the version %q of %s cannot be named on the wire: want at most %d bytes without semicolon",
			version, component, MaxVersion)
	}
	with := slices.DeleteFunc(slices.Clone(list), func(v Version) bool { return v.Component == component })
	if version != "" {
		with = append(with, Version{component, version})
	}
	if size := len(FormatVersions(with)); size > MaxVersions {
		return list, fmt.Errorf("with %s the version list has %d bytes, over the limit of %d", component, size, MaxVersions)
	}
	return with, nil
}
