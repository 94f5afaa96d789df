package platform

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMPEG2(t *testing.T) {
	var c mpeg2
	_, _ = c.Write([]byte("12345"))
	_, _ = c.Write([]byte("6789"))
	assert.Equal(t, "0376E6E7", c.String(), "the check value of the CRC's definition")
	assert.Equal(t, "FFFFFFFF", (&mpeg2{}).String())
}
