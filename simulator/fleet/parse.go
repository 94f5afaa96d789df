package fleet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// Parse reads a device file: CSV as RFC 4180 has it, in UTF-8, with or without a
// byte order mark, lines ended by LF or CRLF, the first of which names the columns.
// The name stands before every mistake. The error is a *yamlform.Error with all
// mistakes at once, of which no more than yamlform.MaxProblems are kept.
func Parse(name string, data []byte) (*File, error) {
	file := &File{Name: name}
	p := &parser{file: file, keys: map[string]int{}, mistakes: file.Mistakes()}
	if len(data) > MaxBytes {
		p.mistakes.Addf(0, 0, "", "has %d bytes; want at most %d: divide it, and the run", len(data), MaxBytes)
		return nil, p.mistakes.Err()
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	p.csv = csv.NewReader(bytes.NewReader(data))
	p.csv.FieldsPerRecord = -1 // it is counted here, where the mistake gets its words
	p.csv.ReuseRecord = true
	if p.header() {
		p.lines()
	}
	if err := p.mistakes.Err(); err != nil {
		return nil, err
	}
	return file, nil
}

// parser reads one file.
type parser struct {
	csv      *csv.Reader
	file     *File
	columns  []column       // of the header; one without set is unknown, and has been reported
	keys     map[string]int // the lines on which keys were seen
	mistakes *Mistakes
}

// at notes a mistake in the i-th value of the current line.
func (p *parser) at(i int, format string, args ...any) {
	line, col := p.csv.FieldPos(i)
	p.mistakes.Addf(line, col, p.columns[i].name, format, args...)
}

// read gives the next line; nil at the end, and where nothing behind it can be made
// sense of.
func (p *parser) read() []string {
	fields, err := p.csv.Read()
	var syntax *csv.ParseError
	switch {
	case err == nil:
		return fields
	case errors.Is(err, io.EOF):
	case errors.As(err, &syntax):
		p.mistakes.Addf(syntax.Line, syntax.Column, "", "%s: a value with a comma, a quote or an end of line needs quotes "+
			`around it, and a quote inside of them is written ""; nothing behind this was looked at`, syntax.Err)
	default:
		p.mistakes.Addf(0, 0, "", "cannot be read: %s", err)
	}
	return nil
}

// header reads the names of the columns, and tells whether there are lines to read
// by them.
func (p *parser) header() bool {
	names := p.read()
	if names == nil {
		if p.mistakes.Err() == nil {
			p.mistakes.Addf(1, 1, "", "is empty; want a line with the names of the columns, such as key,product,version.app")
		}
		return false
	}
	known, seen := columns(), map[string]bool{}
	for i, name := range names {
		p.columns = append(p.columns, column{name: ota.Clip(name, maxTag)})
		switch k := slices.IndexFunc(known, func(c column) bool { return c.name == name }); {
		case seen[name]:
			p.at(i, "is there twice")
		case k >= 0:
			p.columns[i] = known[k]
		case strings.HasPrefix(name, versionColumn):
			p.versions(i, strings.TrimPrefix(name, versionColumn))
		default:
			p.at(i, "is not a column%s", yamlform.Suggest(p.columns[i].name, columnNames()))
		}
		seen[name] = true
	}
	if !seen[keyColumn] {
		p.mistakes.Addf(1, 1, keyColumn, "is missing: want a column with the keys of the devices")
	}
	return p.mistakes.Err() == nil
}

// versions makes the i-th column that of a component.
func (p *parser) versions(i int, component string) {
	place := len(p.file.Components)
	switch {
	case !ota.ValidComponentID(component):
		p.at(i, "names no component; want version. and 1 to 32 characters of A-Z a-z 0-9 _ . -")
	case place == ota.MaxComponents:
		p.at(i, "is one too many; a device has at most %d components", ota.MaxComponents)
	default:
		p.file.Components = append(p.file.Components, component)
		p.columns[i].set = func(d *Device, v string) error { d.Versions[place] = v; return version(v) }
	}
}

// lines reads the devices.
func (p *parser) lines() {
	for fields := p.read(); fields != nil; fields = p.read() {
		line, _ := p.csv.FieldPos(0)
		if len(fields) != len(p.columns) {
			p.mistakes.Addf(line, 1, "", "has %s, and the header names %s", ota.Counted(len(fields), "value"),
				ota.Counted(len(p.columns), "column"))
			continue
		}
		if len(p.file.Devices) == MaxDevices {
			p.mistakes.Addf(line, 1, "", "is one device too many; want at most %d", MaxDevices)
			return
		}
		p.device(line, fields)
	}
	if len(p.file.Devices) == 0 && p.mistakes.Err() == nil {
		p.mistakes.Addf(1, 1, "", "names no device: want a line for each below the names of the columns")
	}
}

// device reads a line.
func (p *parser) device(line int, fields []string) {
	d := Device{Line: line}
	if n := len(p.file.Components); n > 0 {
		d.Versions = make([]string, n)
	}
	for i, value := range fields {
		c := &p.columns[i]
		if value == "" {
			if c.name == keyColumn {
				p.at(i, "is empty; want the device's key")
			}
			continue
		}
		if err := c.set(&d, value); err != nil {
			p.at(i, "%s", err)
		}
		if first := p.keys[d.Key]; c.name == keyColumn && first > 0 {
			p.at(i, "%s is on line %d already; keys are unique", ota.Clip(d.Key, ota.MaxKey), first)
		}
	}
	p.keys[d.Key] = line
	p.complete(&d)
	if last := len(p.file.Devices) - 1; last >= 0 && slices.Equal(p.file.Devices[last].Versions, d.Versions) {
		d.Versions = p.file.Devices[last].Versions
	}
	p.file.Devices = append(p.file.Devices, d)
}

// complete holds the parts of a login against each other.
func (p *parser) complete(d *Device) {
	l := d.Login
	if l == nil {
		return
	}
	if l.Password != "" && l.PasswordFile != "" {
		p.mistakes.Addf(d.Line, 1, "password_file", "want either the password or the file that holds it")
	}
	if l.Token != "" && l.TokenFile != "" {
		p.mistakes.Addf(d.Line, 1, "token_file", "want either the token or the file that holds it")
	}
	if (l.CertFile == "") != (l.KeyFile == "") {
		p.mistakes.Addf(d.Line, 1, "cert_file", "want both a certificate and its key, in cert_file and key_file, or none")
	}
}
