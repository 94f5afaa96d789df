// Package exposition writes pages in the text format of Prometheus by hand: the
// few figures of these programs need no client library.
//
// One flow through it: a handler fills a Page, family by family and sample by
// sample, adds what is known of the process, and writes its Text as the answer
// with ContentType.
//
// The package serves nothing and keeps no figure.
package exposition

import (
	"fmt"
	"os"
	"runtime"
	rtmetrics "runtime/metrics"
	"strconv"
	"strings"
)

// ContentType is what a page is sent as.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Sink takes figures: a Page, or what carries them elsewhere.
type Sink interface {
	// Family begins a metric, of kind gauge, counter or histogram.
	Family(name, kind, help string)
	// Sample adds a value to it, with the names and values of its labels in turn.
	Sample(name string, value float64, labels ...string)
}

// Page is a page in the text format of Prometheus.
type Page struct{ text strings.Builder }

// Family begins a metric, of kind gauge, counter or histogram.
func (p *Page) Family(name, kind, help string) {
	fmt.Fprintf(&p.text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// Sample adds a value, with the names and values of its labels in turn.
func (p *Page) Sample(name string, value float64, labels ...string) {
	p.text.WriteString(name)
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	for i := 0; i+1 < len(labels); i += 2 {
		open := ","
		if i == 0 {
			open = "{"
		}
		fmt.Fprintf(&p.text, `%s%s="%s"`, open, labels[i], escape.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		p.text.WriteString("}")
	}
	fmt.Fprintf(&p.text, " %s\n", strconv.FormatFloat(value, 'g', -1, 64))
}

// Single adds a metric of one value.
func (p *Page) Single(name, kind, help string, value float64) { Single(p, name, kind, help, value) }

// Single gives a metric of one value.
func Single(to Sink, name, kind, help string, value float64) {
	to.Family(name, kind, help)
	to.Sample(name, value)
}

// Text is the page so far.
func (p *Page) Text() string { return p.text.String() }

// Process adds the figures of this process.
func (p *Page) Process() { Process(p) }

// Process gives the figures of this process, under the names that Prometheus' own
// clients use.
func Process(to Sink) {
	Single(to, "go_goroutines", "gauge", "Goroutines that exist.", float64(runtime.NumGoroutine()))
	samples := []rtmetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	rtmetrics.Read(samples)
	Single(to, "go_memstats_heap_alloc_bytes", "gauge",
		"Bytes of objects on the heap.", float64(samples[0].Value.Uint64()))
	Single(to, "go_memstats_sys_bytes", "gauge",
		"Bytes that Go has taken from the system.", float64(samples[1].Value.Uint64()))
	if resident, ok := residentMemory(); ok {
		Single(to, "process_resident_memory_bytes", "gauge", "Resident memory.", float64(resident))
	}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		Single(to, "process_open_fds", "gauge", "Open files.", float64(len(files)-1)) // one of them is the directory itself
	}
}

// residentMemory is what the process has in memory now, in bytes.
func residentMemory() (n int64, ok bool) {
	text, err := os.ReadFile("/proc/self/statm") // in pages: size, resident, shared and so on
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}
