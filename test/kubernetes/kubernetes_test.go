//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"os"
	"testing"

	"otafleet/test/harness"
)

// node is the node's address, under which pods reach what runs beside them.
const node = "10.77.0.1"

func TestMain(m *testing.M) {
	needed := []string{"KUBERNETES", "OTA_SIM", "IMAGE", "IMAGES", "MOSQUITTO", "VERSITYGW"}
	if err := harness.Inside("./node.sh", "test-kubernetes", needed...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
