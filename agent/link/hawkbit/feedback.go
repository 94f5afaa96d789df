package hawkbit

import (
	"encoding/json"

	"otafleet/internal/ota"
)

// Bounds of hawkBit's: what is longer it refuses.
const (
	maxDetails = 50  // texts of one feedback
	maxText    = 500 // bytes of a text, which it keeps in 512 characters
)

// feedback is what a device says of an action, or of its cancellation. The time is
// left to the server: a device's clock may not be set.
type feedback struct {
	ID     string `json:"id"`
	Status status `json:"status"`
}

type status struct {
	Execution string   `json:"execution"`
	Result    result   `json:"result"`
	Details   []string `json:"details,omitempty"`
}

type result struct {
	Finished string `json:"finished"`
}

// confirmation is a device's answer to an action that waits for one.
type confirmation struct {
	Confirmation string   `json:"confirmation"` // confirmed or denied
	Details      []string `json:"details,omitempty"`
}

// attributes are what hawkBit shows of a device beside its actions.
type attributes struct {
	Mode string            `json:"mode"`
	Data map[string]string `json:"data"`
}

// encode writes a body. Its types are this package's, so that it cannot fail.
func encode(body any) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return text
}

func (a *action) feedback(execution, finished string, texts ...string) []byte {
	return encode(feedback{ID: a.id, Status: status{execution, result{finished}, details(texts)}})
}

// details are texts as hawkBit takes them.
func details(texts []string) []string {
	var kept []string
	for _, t := range texts[:min(len(texts), maxDetails)] {
		if t != "" {
			kept = append(kept, ota.Clip(t, maxText))
		}
	}
	return kept
}
