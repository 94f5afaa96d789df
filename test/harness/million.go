package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Million writes the bundled scenario "million" with fewer devices, and gives its path.
func Million(t testing.TB, devices string) string {
	t.Helper()
	text, err := os.ReadFile("../../scenarios/million.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const all = "count: 1000000"
	if strings.Count(string(text), all) != 1 {
		t.Fatalf("the scenario does not say %q once", all)
	}
	path := filepath.Join(t.TempDir(), "fewer.yaml")
	fewer := strings.Replace(string(text), all, "count: "+devices, 1)
	if err := os.WriteFile(path, []byte(fewer), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
