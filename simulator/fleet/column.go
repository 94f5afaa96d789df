package fleet

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// The columns of a device file. versionColumn is before the id of a component.
const (
	keyColumn     = "key"
	versionColumn = "version."
)

// column is one that has a name of its own.
type column struct {
	name string
	// set takes the value of a line, which is not empty, and says what is wrong with
	// it; it never repeats a secret.
	set func(d *Device, value string) error
	get func(d *Device) string
}

// columns are those that a file may have, in the order in which Text writes them.
func columns() []column {
	return []column{
		textColumn(keyColumn, key, func(d *Device) *string { return &d.Key }),
		textColumn("fleet", key, func(d *Device) *string { return &d.Fleet }),
		textColumn("product", key, func(d *Device) *string { return &d.Product }),
		textColumn("hardware", version, func(d *Device) *string { return &d.Hardware }),
		{name: "tags", set: setTags, get: func(d *Device) string { return strings.Join(d.Tags, " ") }},
		loginColumn("username", maxLogin, func(l *Login) *string { return &l.Username }),
		loginColumn("password", maxLogin, func(l *Login) *string { return &l.Password }),
		loginColumn("password_file", maxPath, func(l *Login) *string { return &l.PasswordFile }),
		loginColumn("token", maxLogin, func(l *Login) *string { return &l.Token }),
		loginColumn("token_file", maxPath, func(l *Login) *string { return &l.TokenFile }),
		loginColumn("cert_file", maxPath, func(l *Login) *string { return &l.CertFile }),
		loginColumn("key_file", maxPath, func(l *Login) *string { return &l.KeyFile }),
	}
}

// textColumn is one of a text that obeys a rule.
func textColumn(name string, rule yamlform.Rule, of func(*Device) *string) column {
	return column{
		name: name,
		set:  func(d *Device, value string) error { *of(d) = value; return rule(value) },
		get:  func(d *Device) string { return *of(d) },
	}
}

// loginColumn is one of a text of at most so many bytes in a device's login.
func loginColumn(name string, most int, of func(*Login) *string) column {
	set := func(d *Device, value string) error {
		if d.Login == nil {
			d.Login = &Login{}
		}
		*of(d.Login) = value
		return line(value, most)
	}
	get := func(d *Device) string {
		if d.Login == nil {
			return ""
		}
		return *of(d.Login)
	}
	return column{name, set, get}
}

// columnNames lists the columns, for suggestions.
func columnNames() []string {
	names := []string{versionColumn + "app"}
	for _, c := range columns() {
		names = append(names, c.name)
	}
	return names
}

func key(text string) error {
	return yamlform.Words(ota.ValidKey, "want 1 to 64 characters of A-Z a-z 0-9 _ -")(text)
}

func version(text string) error {
	return yamlform.Words(ota.ValidVersion, "want 1 to 64 printable characters")(text)
}

// line is the rule of a text that may be a secret, and is not repeated.
func line(text string, most int) error {
	if len(text) > most || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("want 1 to %d bytes of text without control characters", most)
	}
	return nil
}

// setTags reads tags, which spaces divide.
func setTags(d *Device, text string) error {
	tags := strings.Fields(text)
	if len(tags) > MaxTags {
		return fmt.Errorf("has %d tags; want at most %d", len(tags), MaxTags)
	}
	for _, tag := range tags {
		if len(tag) > maxTag || !utf8.ValidString(tag) || strings.ContainsFunc(tag, unicode.IsControl) {
			return fmt.Errorf("%q is not a tag; want 1 to %d bytes without control characters, and spaces between tags",
				ota.Clip(tag, maxTag), maxTag)
		}
	}
	slices.Sort(tags)
	d.Tags = slices.Compact(tags)
	return nil
}
