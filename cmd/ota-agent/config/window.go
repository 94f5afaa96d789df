package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/internal/files"
	"otafleet/internal/yamlform"
)

// maxWindows is how many maintenance windows a device may have.
const maxWindows = 16

func readWindows(m *yamlform.Map, in base, windows *[]agent.Window) {
	yamlform.Values(m, "windows", windows, 1, maxWindows, func(text string) (agent.Window, error) {
		w, err := parseWindow(text)
		var zone *unknownZone
		if in.run && errors.As(err, &zone) {
			m.Warnf("windows", "%s; this window stays shut", zone)
			return agent.Window{Zone: time.UTC}, nil
		}
		return w, err
	})
}

// parseWindow reads "[DAYS] HH:MM-HH:MM ZONE". DAYS are days of the week and
// ranges of them, such as mon-fri or sat,sun; none means every day. The days are
// those on which a window opens that reaches over midnight.
func parseWindow(text string) (agent.Window, error) {
	const want = "want [days] from-to zone, such as mon-fri 01:00-05:00 Europe/Berlin"
	var w agent.Window
	fields := strings.Fields(text)
	if len(fields) == 2 && strings.Contains(fields[0], ":") {
		fields = append([]string{"mon-sun"}, fields...)
	}
	if len(fields) != 3 {
		return w, fmt.Errorf("%q is not a window; %s", text, want)
	}
	var err error
	if w.Days, err = parseDays(fields[0]); err != nil {
		return w, fmt.Errorf("%q is not a window: %w; %s", text, err, want)
	}
	from, to, found := strings.Cut(fields[1], "-")
	if !found {
		return w, fmt.Errorf("%q is not a window: %q has no end; %s", text, fields[1], want)
	}
	if w.From, err = parseMinute(from); err == nil && w.From == endOfDay {
		err = fmt.Errorf("24:00 is only an end")
	}
	if err == nil {
		w.To, err = parseMinute(to)
	}
	if err == nil && w.From == w.To {
		err = fmt.Errorf("%s has no length; the whole day is 00:00-24:00", fields[1])
	}
	if err != nil {
		return w, fmt.Errorf("%q is not a window: %w", text, err)
	}
	w.Zone, err = loadZone(fields[2])
	return w, err
}

// dayNames are the days of the week as time.Weekday counts them.
func dayNames() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// parseDays reads days and ranges of days, separated by commas. A range may go
// over the end of the week.
func parseDays(text string) (days [7]bool, err error) {
	for _, part := range strings.Split(strings.ToLower(text), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := parseDay(first)
		if err != nil {
			return days, err
		}
		to, err := parseDay(last)
		if err != nil {
			return days, err
		}
		for day := from; ; day = (day + 1) % 7 {
			days[day] = true
			if day == to {
				break
			}
		}
	}
	return days, nil
}

func parseDay(text string) (int, error) {
	for i, name := range dayNames() {
		if text == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%q is not a day%s", text, yamlform.Suggest(text, dayNames()))
}

const endOfDay = 24 * 60

// parseMinute reads a time of day as minutes since midnight.
func parseMinute(text string) (int, error) {
	hour, minute, _ := strings.Cut(text, ":")
	h, errHour := strconv.ParseUint(hour, 10, 8)
	m, errMinute := strconv.ParseUint(minute, 10, 8)
	if errHour != nil || errMinute != nil || len(hour) != 2 || len(minute) != 2 || m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%q is not a time of day; want 00:00 to 24:00", text)
	}
	return int(60*h + m), nil
}

// unknownZone says that the system's data have no such time zone.
type unknownZone struct {
	name string
	err  error
}

// Error says what to do about it.
func (u *unknownZone) Error() string {
	return fmt.Sprintf(
		"the time zone %q is not known on this device (%v): check its name, or install the zone data (Debian: tzdata, "+
			"OpenWrt: zoneinfo-all); UTC and Local need none", u.name,
		u.err)
}

// loadZone finds a time zone in the system's data: the program brings none, for
// its size.
func loadZone(name string) (*time.Location, error) {
	if name == "Local" {
		return time.Local, nil
	}
	if err := checkZone(name); err != nil {
		return nil, &unknownZone{name, err}
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, &unknownZone{name, err}
	}
	return zone, nil
}

// checkZone reports what else than a file is in the place of zone data: a pipe
// would be waited for.
func checkZone(name string) error {
	if !filepath.IsLocal(name) {
		return nil // it is refused without a look at any place
	}
	for _, dir := range []string{os.Getenv("ZONEINFO"), "/usr/share/zoneinfo", "/usr/share/lib/zoneinfo",
		"/usr/lib/locale/TZ", "/etc/zoneinfo"} {
		f, err := files.Open(filepath.Join(dir, name))
		if files.NoFile(err) {
			return err
		}
		if err == nil {
			return f.Close()
		}
	}
	return nil
}
