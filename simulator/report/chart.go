package report

import (
	"fmt"
	"time"

	"otafleet/internal/chart"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// seriesChart is the run over time. Its drawings are 1000 wide and 1000 high and
// are stretched to the page; positions of texts are percentages.
type seriesChart struct {
	Devices string
	End     string
	Bands   []band // from the bottom to the top
	Grid    []tick // devices
	Ticks   []tick // time
	Marks   []mark // events of the scenario
	Strips  []strip
	Data    seriesData
	Table   []momentRow
}

// band is how many devices showed a state.
type band struct {
	State verdict.State
	Name  string
	Path  string
	Last  int // at the end of the run
	Most  int
}

// tick is a place on an axis, as a percentage, and what is written there. A
// narrow page leaves out the minor ones.
type tick struct {
	At, Label string
	Minor     bool
}

// mark is an event of the scenario.
type mark struct {
	N           int
	From, Width string // percentages
	Label       string
}

// strip is a small chart below the large one.
type strip struct {
	Name, Most, Path string
}

// seriesData is what the page's script shows for the place that is pointed at.
type seriesData struct {
	Times  []string `json:"times"`
	Bands  [][]int  `json:"bands"`  // as the bands, a number for each time
	Places []string `json:"places"` // percentages
}

// momentRow is a line of the chart's table.
type momentRow struct {
	At      string
	Devices []int // as the bands
	Online  int
}

// bandOrder is the order of the bands, the lowest first: what is done stays
// below, so that its upper edge is how far the run has come.
func bandOrder() []verdict.State {
	return []verdict.State{
		verdict.State(ota.DeviceUpgraded), verdict.State(ota.DeviceNoUpdateRequired),
		verdict.State(ota.DeviceUpgradeFailed), verdict.State(ota.DeviceUpgrading),
		verdict.State(ota.DeviceNotUpgraded), verdict.NotArrived,
	}
}

// momentsOf are the states of the devices over a run, the last at its end: the last slice
// goes beyond that.
func momentsOf(f *verdict.Figures) []verdict.Moment {
	moments := f.Series.Moments(f.Devices)
	moments[len(moments)-1].At = f.Duration
	return moments
}

func newSeriesChart(v *verdict.Verdict) *seriesChart {
	f := v.Figures
	moments := momentsOf(f)
	if len(moments) < 3 || f.Devices == 0 || f.Duration == 0 {
		return nil
	}
	last := len(moments) - 1
	c := &seriesChart{Devices: grouped(f.Devices), End: verdict.Seconds(f.Duration),
		Grid: deviceGrid(f.Devices), Ticks: timeTicks(f.Duration), Marks: marks(v.Scenario.Events, f.Duration)}
	at := make([]float64, len(moments))
	for i := range moments {
		at[i] = moments[i].At.Seconds() / f.Duration.Seconds()
	}
	area := chart.New(at)
	for _, state := range bandOrder() {
		b := band{State: state, Name: state.Name(), Last: moments[last].Devices[state]}
		for i := range moments {
			b.Most = max(b.Most, moments[i].Devices[state])
		}
		if b.Most > 0 {
			b.Path = area.Add(func(i int) float64 { return float64(moments[i].Devices[state]) / float64(f.Devices) })
			c.Bands = append(c.Bands, b)
		}
	}
	c.Strips = strips(moments, at, f)
	c.addNumbers(moments)
	return c
}

// addNumbers puts the numbers behind the chart into it.
func (c *seriesChart) addNumbers(moments []verdict.Moment) {
	end := moments[len(moments)-1].At
	c.Data.Bands = make([][]int, len(c.Bands))
	for i := range moments {
		m := &moments[i]
		c.Data.Times = append(c.Data.Times, verdict.Seconds(m.At))
		c.Data.Places = append(c.Data.Places, percent(m.At.Seconds(), end.Seconds()))
		for k := range c.Bands {
			c.Data.Bands[k] = append(c.Data.Bands[k], m.Devices[c.Bands[k].State])
		}
	}
	const rows = 12
	for row := range rows + 1 {
		m := &moments[row*(len(moments)-1)/rows]
		r := momentRow{At: verdict.Seconds(m.At), Online: m.Online}
		for k := range c.Bands {
			r.Devices = append(r.Devices, m.Devices[c.Bands[k].State])
		}
		if n := len(c.Table); n == 0 || c.Table[n-1].At != r.At {
			c.Table = append(c.Table, r)
		}
	}
}

// strips are the sessions, the downloads and the faults over time.
func strips(moments []verdict.Moment, at []float64, f *verdict.Figures) []strip {
	draw := func(name string, figure func(*verdict.Moment) float64, show func(float64) string) strip {
		most := 0.0
		for i := range moments {
			most = max(most, figure(&moments[i]))
		}
		path := chart.New(at).Add(func(i int) float64 {
			if most == 0 {
				return 0
			}
			return figure(&moments[i]) / most
		})
		return strip{name, "at most " + show(most), path}
	}
	width := f.Series.Width.Seconds()
	return []strip{
		draw("Connected", func(m *verdict.Moment) float64 { return float64(m.Online) },
			func(most float64) string { return groupedDevices(int(most)) }),
		draw("Downloaded", func(m *verdict.Moment) float64 { return float64(m.Bytes) / width },
			func(most float64) string { return ota.FormatSize(int64(most)) + "/s" }),
		draw("Faults", func(m *verdict.Moment) float64 { return float64(m.Faults) / width },
			func(most float64) string { return fmt.Sprintf("%.1f/s", most) }),
	}
}

// percent is a place between the beginning and the end of an axis.
func percent(at, end float64) string { return fmt.Sprintf("%.4g%%", 100*at/end) }

// timeTicks are round times up to the end, four to nine of them.
func timeTicks(end time.Duration) []tick {
	step := roundUp(end / 8)
	var ticks []tick
	for at := step; at < end-step/3; at += step {
		ticks = append(ticks, tick{percent(at.Seconds(), end.Seconds()), yamlform.FormatDuration(at), len(ticks)%2 == 0})
	}
	return ticks
}

// marks are the events that came before the end.
func marks(events []scenario.Event, end time.Duration) []mark {
	var all []mark
	for i := range events {
		e := &events[i]
		if e.At > end {
			continue
		}
		label := string(e.Do)
		for _, about := range []string{e.Plan, e.Fleet} {
			if about != "" {
				label += " " + about
			}
		}
		label += " at " + yamlform.FormatDuration(e.At)
		if e.For > 0 {
			label += " for " + yamlform.FormatDuration(e.For)
		}
		width := min(e.For, end-e.At)
		all = append(all, mark{N: len(all) + 1, From: percent(e.At.Seconds(), end.Seconds()),
			Width: percent(width.Seconds(), end.Seconds()), Label: label})
	}
	return all
}

// barChart is a distribution.
type barChart struct {
	Bars  []chartBar
	Ticks []tick
	Lines []quantileLine
	Most  string
	Count string
}

type chartBar struct{ X, Width, Y, Height, Title string }

// quantileLine marks a quantile. Its label is in a row of its own where it would
// lie on another one's.
type quantileLine struct {
	At, Label string
	Y         int  // pixels
	Left      bool // the label lies to the left
}

// mostBars is how many bars a chart has at most.
const mostBars = 40

func newBarChart(d *verdict.Distribution) *barChart {
	bars := d.Bars(roundUp(d.At(scenario.Max)/mostBars + 1))
	if len(bars) == 0 {
		return nil
	}
	most := 0
	for _, bar := range bars {
		most = max(most, bar.Count)
	}
	end := bars[len(bars)-1].To
	c := &barChart{Most: grouped(most), Count: groupedDevices(d.Count()), Ticks: timeTicks(end)}
	for _, bar := range bars {
		if bar.Count == 0 {
			continue
		}
		height := 100 * float64(bar.Count) / float64(most)
		c.Bars = append(c.Bars, chartBar{
			X: percent(bar.From.Seconds(), end.Seconds()), Width: percent((bar.To - bar.From).Seconds(), end.Seconds()),
			Y: fmt.Sprintf("%.4g%%", 100-height), Height: fmt.Sprintf("%.4g%%", height),
			Title: fmt.Sprintf("%s to %s: %s", verdict.Seconds(bar.From), verdict.Seconds(bar.To), groupedDevices(bar.Count)),
		})
	}
	for row, q := range []scenario.Quantile{scenario.P50, scenario.P95, scenario.P99} {
		at := d.At(q)
		c.Lines = append(c.Lines, quantileLine{At: percent(at.Seconds(), end.Seconds()),
			Label: string(q) + " " + verdict.Seconds(at), Y: 14 * row, Left: at > end/2})
	}
	return c
}
