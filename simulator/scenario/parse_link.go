package scenario

import (
	"path"
	"strings"
	"time"

	"otafleet/internal/yamlform"
	"otafleet/simulator/trace"
)

const (
	// maxLoss is a loss at which something still comes through.
	maxLoss = 99
	// maxLatency bounds the latency of a line, one way.
	maxLatency = trace.MaxLatency
)

// Where devices begin in a trace.
const (
	drawnStart = "drawn"
	beginStart = "begin"
)

// readLink reads the link of a fleet: the name of a preset, or keys.
func readLink(fleet *yamlform.Map, c *composition) Link {
	var name string
	if fleet.Has("link") && !fleet.HasMap("link") {
		yamlform.Enum(fleet, "link", &name, presetNames()...)
		return preset(name)
	}
	m := fleet.Map("link")
	yamlform.Enum(m, "preset", &name, presetNames()...)
	l := preset(name)
	m.Rate("bandwidth", &l.Bandwidth)
	m.Rate("upload", &l.Upload)
	m.Duration("latency", &l.Latency, 0, maxLatency)
	m.Duration("jitter", &l.Jitter, 0, maxLatency)
	yamlform.Value(m, "loss", &l.Loss, yamlform.Between(0, maxLoss, parsePercent, show[Percent]))
	start := drawnStart
	yamlform.Enum(m, "trace_start", &start, drawnStart, beginStart)
	least := l.Latency
	if l.Trace = c.readTrace(m); l.Trace != nil {
		least = l.traced(m)
		l.TraceAtBegin = start == beginStart
	} else if m.Has("trace_start") && !m.Has("trace") {
		m.Problemf("trace_start", "goes with a trace")
	}
	if l.Jitter > least {
		m.Problemf("jitter", "is more than the latency of %s, by which it would make messages arrive before they are sent",
			yamlform.FormatDuration(least))
	}
	return l
}

// traced lets a trace go before the preset, and refuses keys beside it that say the
// same. It returns the least latency of the line.
func (l *Link) traced(m *yamlform.Map) (least time.Duration) {
	gives := l.Trace.Gives
	for key, given := range map[string]bool{"bandwidth": gives.Down, "upload": gives.Up, "latency": gives.Latency,
		"loss": gives.Loss} {
		if given && m.Has(key) {
			m.Problemf(key, "is what the trace says; remove it here, or the column there")
		}
	}
	least = l.Latency
	if gives.Latency {
		least = l.Trace.Fastest()
		if !m.Has("jitter") {
			l.Jitter = min(l.Jitter, least)
		}
	}
	return least
}

// readTrace reads the trace of a link; nil for none. It is a file beside the scenario,
// or in a history the text itself, which then has several lines.
func (c *composition) readTrace(m *yamlform.Map) *trace.Trace {
	var text string
	yamlform.Value(m, "trace", &text, func(text string) (string, error) {
		if strings.Contains(text, "\n") {
			return text, nil
		}
		return text, yamlform.Line(text)
	})
	if text == "" {
		return nil
	}
	name := m.Where("trace")
	if !strings.Contains(text, "\n") {
		file := path.Join(c.dirs[m.File("trace")], text)
		data, err := c.from.read(file, text, trace.MaxBytes)
		if err != nil {
			m.Problemf("trace", "%s", err)
			return nil
		}
		name, text = path.Join(path.Dir(c.name), file), string(data)
		c.inlined = true
	}
	t, err := trace.Parse(name, []byte(text))
	if err != nil {
		m.Problemf("trace", "the trace is not valid:\n%s", err)
		return nil
	}
	m.SetText("trace", t.Text())
	return t
}
