package fleet

import (
	"bytes"
	"encoding/csv"
	"slices"
)

// Text writes the file, with the columns that some device fills. The same devices
// give the same bytes, and Parse reads them back.
func (f *File) Text() []byte {
	var names []string
	var values []func(*Device) string
	for _, c := range columns() {
		if slices.ContainsFunc(f.Devices, func(d Device) bool { return c.get(&d) != "" }) {
			names, values = append(names, c.name), append(values, c.get)
		}
	}
	for i, component := range f.Components {
		names = append(names, versionColumn+component)
		values = append(values, func(d *Device) string { return d.Versions[i] })
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(names) // a buffer takes everything
	record := make([]string, len(values))
	for i := range f.Devices {
		for k, value := range values {
			record[k] = value(&f.Devices[i])
		}
		_ = w.Write(record)
	}
	w.Flush()
	return b.Bytes()
}

// Public is the file without a login: what a history keeps.
func (f *File) Public() *File {
	public := &File{Name: f.Name, Components: f.Components, Devices: slices.Clone(f.Devices)}
	for i := range public.Devices {
		public.Devices[i].Login = nil
	}
	return public
}
