//go:build slurm

package slurm_test

import (
	"fmt"
	"os"
	"testing"

	"otafleet/test/harness"
)

func TestMain(m *testing.M) {
	if err := harness.Inside("./cluster.sh", "test-slurm", "SLURM", "OTA_SIM"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
