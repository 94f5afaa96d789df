package trace

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/yamlform"
)

// column is one that a file may have: what it says, and in which unit.
type column struct {
	name string
	set  func(p *Point, value float64) error
	mark func(g *Gives) *bool // nil for the time
}

// columns are those that a file may have; of a quantity it has one.
func columns() []column {
	down, up := func(p *Point) *int64 { return &p.Down }, func(p *Point) *int64 { return &p.Up }
	marksDown, marksUp := func(g *Gives) *bool { return &g.Down }, func(g *Gives) *bool { return &g.Up }
	return []column{
		{"time_ms", times(time.Millisecond), nil}, {"time_s", times(time.Second), nil},
		{"down_bytes_s", rates(down, 1), marksDown}, {"down_kbit_s", rates(down, 1e3/8), marksDown},
		{"down_mbit_s", rates(down, 1e6/8), marksDown},
		{"up_bytes_s", rates(up, 1), marksUp}, {"up_kbit_s", rates(up, 1e3/8), marksUp},
		{"up_mbit_s", rates(up, 1e6/8), marksUp},
		{"latency_ms", latency, func(g *Gives) *bool { return &g.Latency }},
		{"loss_percent", loss, func(g *Gives) *bool { return &g.Loss }},
	}
}

// quantity is what a column is about, without its unit.
func quantity(name string) string {
	word, _, _ := strings.Cut(name, "_")
	return word
}

func times(unit time.Duration) func(*Point, float64) error {
	return func(p *Point, value float64) error {
		if value > MaxLength.Seconds()*float64(time.Second/unit) {
			return fmt.Errorf("is out of bounds; want at most 24h")
		}
		p.At = rounded(value, unit)
		return nil
	}
}

// rounded is a time in whole microseconds.
func rounded(value float64, unit time.Duration) time.Duration {
	return time.Duration(math.Round(value*float64(unit/time.Microsecond))) * time.Microsecond
}

func rates(of func(*Point) *int64, unit float64) func(*Point, float64) error {
	return func(p *Point, value float64) error {
		rate := math.Round(value * unit)
		if rate > maxRate {
			return fmt.Errorf("is out of bounds; want at most %d bytes a second", int64(maxRate))
		}
		*of(p) = int64(rate)
		return nil
	}
}

func latency(p *Point, value float64) error {
	if p.Latency = rounded(min(value, 1e9), time.Millisecond); p.Latency > MaxLatency {
		return errors.New("is out of bounds; want at most a minute")
	}
	return nil
}

func loss(p *Point, value float64) error {
	if p.Loss = value; p.Loss > maxLoss {
		return fmt.Errorf("is out of bounds; want at most %d", maxLoss)
	}
	return nil
}

// Parse reads a trace. Its form is seen from its first line: names of columns begin a
// CSV file, a number begins one of mahimahi. The name stands before every mistake. The
// error is a *yamlform.Error with all mistakes, of which no more than
// yamlform.MaxProblems are kept.
func Parse(name string, data []byte) (*Trace, error) {
	p := &parser{trace: &Trace{}, all: yamlform.Error{Name: name}}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch {
	case len(data) > MaxBytes:
		p.problem(0, 0, "", "has %d bytes; want at most %d", len(data), MaxBytes)
	case len(data) > 0 && '0' <= data[0] && data[0] <= '9':
		p.mahimahi(data)
	default:
		p.csv = csv.NewReader(bytes.NewReader(data))
		p.csv.FieldsPerRecord = -1 // it is counted here, where the mistake gets its words
		p.csv.ReuseRecord = true
		if p.header() {
			p.lines()
		}
	}
	if len(p.all.Problems) == 0 {
		p.whole()
	}
	if len(p.all.Problems) > 0 {
		return nil, &p.all
	}
	return p.trace, nil
}

// parser reads one file.
type parser struct {
	csv     *csv.Reader
	columns []column
	last    time.Duration // the time of the last line
	step    time.Duration // between the last two lines
	ended   bool          // by a line of a time alone
	trace   *Trace
	all     yamlform.Error
}

// problem notes a mistake: in a line, at a byte of it, in a column.
func (p *parser) problem(line, at int, column, format string, args ...any) {
	if len(p.all.Problems) == yamlform.MaxProblems {
		p.all.More++
		return
	}
	p.all.Problems = append(p.all.Problems,
		yamlform.Problem{Line: line, Column: at, Path: column, Text: fmt.Sprintf(format, args...)})
}

// at notes a mistake in the i-th value of the current line.
func (p *parser) at(i int, format string, args ...any) {
	line, col := p.csv.FieldPos(i)
	p.problem(line, col, p.columns[i].name, format, args...)
}

// whole checks what all lines are together.
func (p *parser) whole() {
	t := p.trace
	switch {
	case len(t.points) > MaxPoints:
		p.problem(0, 0, "", "has more than %d points that differ", MaxPoints)
	case t.length <= 0 || t.length > MaxLength:
		p.problem(0, 0, "", "lasts %s; want more than 0s, and at most 24h", t.length)
	case t.outForEver():
		p.problem(0, 0, "", "never carries anything")
	}
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
		p.problem(syntax.Line, syntax.Column, "", "%s; nothing behind this was looked at", syntax.Err)
	default:
		p.problem(0, 0, "", "cannot be read: %s", err)
	}
	return nil
}

// header reads the names of the columns, and tells whether there are lines to read by
// them.
func (p *parser) header() bool {
	names := p.read()
	if names == nil {
		p.problem(1, 1, "", "is empty; want a line with the names of the columns, such as time_s,down_kbit_s,latency_ms")
		return false
	}
	known := columns()
	seen := map[string]bool{}
	for i, name := range names {
		k := slices.IndexFunc(known, func(c column) bool { return c.name == name })
		if k < 0 {
			p.columns = append(p.columns, column{name: "header"})
			p.at(i, "%.40q is not a column%s", name, yamlform.Suggest(name, columnNames()))
			continue
		}
		p.columns = append(p.columns, known[k])
		if seen[quantity(name)] {
			p.at(i, "is there twice")
		}
		seen[quantity(name)] = true
		if known[k].mark != nil {
			*known[k].mark(&p.trace.Gives) = true
		}
	}
	switch {
	case len(p.all.Problems) > 0:
	case p.columns[0].mark != nil:
		p.at(0, "is the first column; want time_ms or time_s there")
	case len(p.columns) == 1:
		p.at(0, "is the only column; want more, such as down_kbit_s")
	}
	return len(p.all.Problems) == 0
}

func columnNames() (names []string) {
	for _, c := range columns() {
		names = append(names, c.name)
	}
	return names
}

// lines reads the lines behind the header.
func (p *parser) lines() {
	for fields := p.read(); fields != nil; fields = p.read() {
		if len(p.trace.points) > MaxPoints || p.all.More > 0 {
			return
		}
		p.line(fields)
	}
	switch t := p.trace; {
	case len(t.points) == 0 && len(p.all.Problems) == 0:
		p.problem(0, 0, "", "has no line behind its header")
	case p.ended:
		t.length = p.last
	case p.step == 0 && len(p.all.Problems) == 0:
		p.problem(0, 0, "", "does not say when it ends: want a second line, of a time alone if there is nothing else")
	default:
		t.length = p.last + p.step
	}
}

// line reads one line: a point, or a time alone, at which the trace ends.
func (p *parser) line(fields []string) {
	line, _ := p.csv.FieldPos(0)
	if p.ended {
		p.problem(line, 1, "", "comes behind the line of a time alone, with which the trace ends")
		return
	}
	alone := !slices.ContainsFunc(fields[1:], func(s string) bool { return s != "" })
	if len(fields) != len(p.columns) && (!alone || len(fields) > 1) {
		p.problem(line, 1, "", "has %d values; want %d", len(fields), len(p.columns))
		return
	}
	if alone {
		fields = fields[:1]
	}
	point, good := p.point(fields)
	if !good {
		return
	}
	switch first := len(p.trace.points) == 0; {
	case first && point.At != 0:
		p.at(0, "the first line is at %s; want 0", fields[0])
		return
	case first && alone:
		p.at(0, "the first line has nothing but a time")
		return
	case !first && point.At <= p.last:
		p.at(0, "%s does not come behind the line before", fields[0])
		return
	}
	p.step, p.last = point.At-p.last, point.At
	if p.ended = alone; !alone {
		p.trace.add(point)
	}
}

// point reads the values of a line.
func (p *parser) point(fields []string) (point Point, good bool) {
	for i, text := range fields {
		value, err := number(text)
		if err == nil {
			err = p.columns[i].set(&point, value)
		}
		if err != nil {
			p.at(i, "%.40q %s", text, err)
			return point, false
		}
	}
	return point, true
}

// number reads a decimal number that is not negative.
func number(text string) (float64, error) {
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return 0, errors.New("is not a number; want digits, and a point")
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errors.New("is not a number; want digits, and a point")
	}
	return value, nil
}
