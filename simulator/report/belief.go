package report

import (
	"fmt"
	"strings"

	"otafleet/internal/ota"
	"otafleet/internal/terminal"
	"otafleet/simulator/verdict"
)

// beliefRow is what the platform believes of its devices, under one plan or all.
type beliefRow struct {
	Plan     string // empty for all
	Bar      []slicePart
	Statuses []countRow
}

// beliefRows are those of a run whose scenario asks what the platform believes.
func beliefRows(v *verdict.Verdict) []beliefRow {
	if len(v.Scenario.Expect.Platform) == 0 {
		return nil
	}
	rows := []beliefRow{newBeliefRow(v.Figures, "")}
	for i := range v.Scenario.Plans {
		rows = append(rows, newBeliefRow(v.Figures, v.Scenario.Plans[i].Name))
	}
	return rows
}

func newBeliefRow(f *verdict.Figures, plan string) beliefRow {
	row, all := beliefRow{Plan: plan}, 0
	for _, n := range f.Beliefs[plan] {
		all += n
	}
	var b barBuilder
	for s := ota.DeviceNotUpgraded; s <= ota.DeviceNoUpdateRequired; s++ {
		if n := f.Beliefs[plan][s.String()]; n > 0 {
			style := beliefStyle(s)
			row.Statuses = append(row.Statuses, countRow{s.Name(), n, style})
			b.add(style, s.Name(), n, all)
		}
	}
	row.Bar = b.parts
	return row
}

// beliefStyle is the class of the style in which a device's status is shown.
func beliefStyle(s ota.DeviceStatus) string {
	if s == ota.DeviceUpgrading {
		return "k-unfinished"
	}
	return "k-" + s.String()
}

// beliefs shows what the platform believes.
func (t *text) beliefs() {
	rows := beliefRows(t.v)
	if rows == nil {
		return
	}
	fmt.Fprintf(t, "\nThe platform believes\n")
	for _, row := range rows {
		name, parts := "of all", make([]string, len(row.Statuses))
		if row.Plan != "" {
			name = "under " + row.Plan
		}
		for i, s := range row.Statuses {
			parts[i] = fmt.Sprintf("%d %s", s.Count, t.style.paint(dim, s.Name))
		}
		if len(parts) == 0 {
			parts = []string{"nothing"}
		}
		fmt.Fprintf(t, "  %-20s %s\n", terminal.Escape(name), strings.Join(parts, ", "))
	}
	if n := t.v.Figures.Mistaken; n > 0 {
		fmt.Fprintf(t, "  %-20s %s that run another version\n", "wrongly", ota.Counted(n, "device"))
	}
}
