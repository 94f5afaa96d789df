package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadGateways(t *testing.T) {
	t.Parallel()
	gateways, err := readGateways([]string{"gw-1=meter.m-1,meter.m-2", "gw-2=valve.v-1", "gw-1=meter.m-3"})
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{"gw-1": {"meter.m-1", "meter.m-2", "meter.m-3"}, "gw-2": {"valve.v-1"}}, gateways)
	for _, text := range []string{"", "gw-1", "=meter.m-1", "gw-1="} {
		_, err := readGateways([]string{text})
		assert.ErrorContains(t, err, "want GATEWAY=PRODUCT.DEVICE,…", text)
	}
}
