package history

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/verdict"
)

// lineEvent is an event as most of a run's are.
func lineEvent() verdict.Event {
	return verdict.Event{At: 123456789123, Kind: verdict.Stored, Device: "gateways-000123", Plan: "spring",
		Component: "rootfs",
		Status:    ota.Downloading, Seq: 5, N: -1234567890123456789}
}

// lineDocument is a line for a library to write and read.
type lineDocument struct {
	At        int64  `json:"t,omitzero"`
	Kind      string `json:"k"`
	Device    string `json:"d,omitempty"`
	Plan      string `json:"p,omitempty"`
	Component string `json:"c,omitempty"`
	Status    string `json:"s,omitempty"`
	Seq       int    `json:"q,omitzero"`
	N         int64  `json:"n,omitzero"`
	Text      string `json:"x,omitempty"`
	Detail    string `json:"f,omitempty"`
}

func documentOf(e *verdict.Event) lineDocument {
	return lineDocument{At: int64(e.At), Kind: e.Kind.String(), Device: e.Device, Plan: e.Plan, Component: e.Component,
		Status: e.Status.String(), Seq: e.Seq, N: e.N, Text: e.Text, Detail: e.Detail}
}

// event is the event of a document that was read.
func (d *lineDocument) event(p *parser) verdict.Event {
	return verdict.Event{At: time.Duration(d.At), Kind: p.kinds[d.Kind], Device: d.Device, Plan: d.Plan,
		Component: d.Component,
		Status:    p.statuses[d.Status], Seq: d.Seq, N: d.N, Text: d.Text, Detail: d.Detail}
}

// BenchmarkLine is what a line costs to be written and read, by hand and by
// encoding/json; with GOEXPERIMENT=jsonv2 by encoding/json/v2 too.
func BenchmarkLine(b *testing.B) {
	e := lineEvent()
	line := bytes.TrimSuffix(appendLine(nil, &e), []byte("\n"))
	benchmarkLine(b, "append by hand", func() error {
		line = appendLine(line[:0], &e)
		return nil
	})
	line = bytes.TrimSuffix(line, []byte("\n"))
	p := newParser()
	benchmarkLine(b, "parse by hand", func() error { return p.parse(line, &e) })
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	benchmarkLine(b, "append by json", func() error {
		out.Reset()
		return encoder.Encode(documentOf(&e))
	})
	benchmarkLine(b, "parse by json", func() error {
		var d lineDocument
		err := json.Unmarshal(line, &d)
		e = d.event(p)
		return err
	})
}

func benchmarkLine(b *testing.B, name string, do func() error) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := do(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
