package scenario

import (
	"slices"
	"time"
)

// Preset is a link by the name of what carries it.
type Preset struct {
	Name   string
	Link   Link
	Source string // of the figures, as Markdown
}

// kilobits are so many thousand bits a second, in bytes.
func kilobits(n float64) int64 { return int64(n * 1000 / 8) }

// Presets lists the presets, the slowest first. They say what their sources say and
// nothing else: jitter and loss are 0 where none is stated. A response time is there
// and back, a latency one way.
func Presets() []Preset {
	return []Preset{
		{"nb-iot", Link{Bandwidth: kilobits(26), Upload: kilobits(62), Latency: 1600 * time.Millisecond},
			"Category NB1, one HARQ process: blocks of 680 bits down and 1,000 up (3GPP TS 36.306), which with the pauses " +
				"between them make 26 and 62 kbit/s; latency 1.6 s in good coverage, up to 10 s at its edge (3GPP TR 45.820)"},
		{"lte-m", Link{Bandwidth: kilobits(300), Upload: kilobits(375), Latency: 12500 * time.Microsecond,
			Jitter: 2500 * time.Microsecond},
			"Category M1, half duplex: blocks of 1,000 bits (3GPP TS 36.306), which with the pauses between them make " +
				"300 and 375 kbit/s; latency 10 to 15 ms by the usual comparisons of the categories"},
		{"cat1", Link{Bandwidth: kilobits(10_296), Upload: kilobits(5160), Latency: 10500 * time.Microsecond,
			Jitter: 1350 * time.Microsecond},
			"Category 1: 10,296 bits a millisecond down and 5,160 up (3GPP TS 36.306, tables 4.1-1 and " +
				"4.1-2), which no device exceeds; response time as of `lte`"},
		{"satellite", Link{Bandwidth: kilobits(19_300), Upload: kilobits(2540), Latency: 372 * time.Millisecond},
			"Geostationary: Ookla, Speedtest Intelligence, third quarter of 2021, medians of HughesNet in the United States: " +
				"19.30 and 2.54 Mbit/s, response time 744 ms"},
		{"lte", Link{Bandwidth: kilobits(29_500), Upload: kilobits(7600), Latency: 10500 * time.Microsecond,
			Jitter: 1350 * time.Microsecond},
			"Ofcom, *Mobile Matters*, United Kingdom: averages of 4G in 2022/23, 29.5 and 7.6 Mbit/s; response times in " +
				"2023/24, 18.3 to 23.7 ms by operator"},
		{"5g", Link{Bandwidth: kilobits(129_900), Upload: kilobits(14_700), Latency: 9425 * time.Microsecond,
			Jitter: 1275 * time.Microsecond},
			"Ofcom, *Mobile Matters*, United Kingdom: averages of 5G in 2022/23, 129.9 and 14.7 Mbit/s; response times in " +
				"2023/24, 16.3 to 21.4 ms by operator"},
	}
}

// presetNames lists the names of presets.
func presetNames() (names []string) {
	for _, p := range Presets() {
		names = append(names, p.Name)
	}
	return names
}

// preset is the link of a name; the zero value for none.
func preset(name string) Link {
	all := Presets()
	if i := slices.IndexFunc(all, func(p Preset) bool { return p.Name == name }); i >= 0 {
		return all[i].Link
	}
	return Link{}
}
