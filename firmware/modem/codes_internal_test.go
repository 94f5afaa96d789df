package modem

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCodesOfQuectel(t *testing.T) {
	p := Quectel()
	for text, want := range map[string]struct {
		kind  codeKind
		value string
	}{
		"+QIND: \"FOTA\",\"START\"\r\n":       {codeProgress, ""},
		"+QIND: \"FOTA\",\"HTTPSTART\"\r\n":   {codeProgress, ""},
		"+QIND: \"FOTA\",\"HTTPEND\",0\r\n":   {codeProgress, "0"},
		"+QIND: \"FOTA\",\"HTTPEND\",701\r\n": {codeFailed, "701"},
		"+QIND: \"FOTA\",\"UPDATING\",42\r\n": {codeProgress, "42"},
		"+QIND: \"FOTA\",\"RESTORE\", 7\r\n":  {codeProgress, "7"},
		"+QIND: \"FOTA\",\"END\",0\r\n":       {codeEnd, "0"},
		"+QIND: \"FOTA\",\"END\",504\r\n":     {codeEnd, "504"},
		"+QIND: SMS DONE\r\n":                 {codeOther, ""},
		"RDY\r\n":                             {codeOther, ""},
	} {
		kind, value := p.read(text)
		assert.Equal(t, want.kind, kind, text)
		assert.Equal(t, want.value, value, text)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("+QIND: \"FOTA\",\"END\",0\r\n")
	f.Add("+QIND: \"FOTA\",\"UPDATING\",42\r\n")
	p := Quectel()
	f.Fuzz(func(t *testing.T, text string) {
		kind, value := p.read(text)
		if kind == codeOther {
			require.Empty(t, value)
		}
	})
}
