package ota_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

func TestConditionsOfTwo(t *testing.T) {
	weak := ota.Conditions{MinBattery: new(20), MinRSSI: new(-95), Space: 1}
	strong := ota.Conditions{MinBattery: new(30), MinRSSI: new(-90), Space: 2}
	assert.Equal(t, strong, weak.With(strong))
	assert.Equal(t, strong, strong.With(weak))
	assert.Equal(t, weak, weak.With(ota.Conditions{}))
	assert.Equal(t, weak, ota.Conditions{}.With(weak))
	assert.Equal(t, ota.Conditions{MinBattery: new(0), MinRSSI: new(-90)}, ota.Conditions{MinBattery: new(0)}.With(ota.Conditions{MinRSSI: new(-90)}))
}
