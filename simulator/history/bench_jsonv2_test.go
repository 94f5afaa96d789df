//go:build goexperiment.jsonv2

package history

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"testing"
)

// BenchmarkLineV2 is what a line costs by encoding/json/v2.
func BenchmarkLineV2(b *testing.B) {
	e := lineEvent()
	line := bytes.TrimSuffix(appendLine(nil, &e), []byte("\n"))
	p := newParser()
	var out bytes.Buffer
	encoder := jsontext.NewEncoder(&out)
	benchmarkLine(b, "append by json", func() error {
		out.Reset()
		return json.MarshalEncode(encoder, documentOf(&e))
	})
	benchmarkLine(b, "parse by json", func() error {
		var d lineDocument
		err := json.Unmarshal(line, &d)
		e = d.event(p)
		return err
	})
}
