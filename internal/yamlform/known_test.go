package yamlform_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/yamlform"
)

func TestKnown(t *testing.T) {
	doc := yamlform.Parse("tea.yaml", []byte("cups: [{}, {}]"))
	m := doc.Root()
	var text string
	m.Text("name", &text, yamlform.Line)
	m.Map("pot").Text("colour", &text, yamlform.Line)
	m.Map("pot").Map("lid").Has("knob")
	for _, cup := range m.Maps("cups", 0, 9) {
		cup.Text("tea", &text, yamlform.Line)
	}
	assert.Equal(t, []string{"cups.tea", "name", "pot.colour", "pot.lid.knob"}, doc.Known())
}
