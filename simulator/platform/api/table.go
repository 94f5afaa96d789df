package api

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
)

// table is an answer that a spreadsheet reads. Whoever has gone hears nothing of it.
type table struct{ out *csv.Writer }

func newTable(w http.ResponseWriter, file string, head ...string) table {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", file))
	t := table{csv.NewWriter(w)}
	t.row(head...)
	return t
}

func (t table) row(cells ...string) {
	for i := range cells {
		cells[i] = cell(cells[i])
	}
	_ = t.out.Write(cells)
}

func (t table) end() { t.out.Flush() }

// cell keeps a spreadsheet from taking a text for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
