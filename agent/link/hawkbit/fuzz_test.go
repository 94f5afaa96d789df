package hawkbit_test

import (
	"bytes"
	"testing"
	"time"

	"otafleet/agent"
	"otafleet/agent/link/hawkbit"
	"otafleet/internal/ota"
)

// FuzzExchange gives a device answers that no hawkBit gives: it neither panics nor asks
// without an end, and the agent hears of no plan that the native wire would not carry.
func FuzzExchange(f *testing.F) {
	root := []byte(`{"config":{"polling":{"sleep":"00:00:01"}},"_links":{"deploymentBase":{"href":"` + base +
		`/DEFAULT/controller/v1/gw-0001/deploymentBase/8?c=1"}}}`)
	document := []byte(
		`{"id":"8","deployment":{"download":"forced","update":"forced",` +
			`"chunks":[{"part":"bApp","name":"app","version":"1.1.0",` +
			`"metadata":[{"key":"ota.order","value":"1"}],` +
			`"artifacts":[{"filename":"app.bin","size":1,"_links":{"download":{"href":"http://a/b"}}},` +
			`{"filename":"app.ota-manifest","size":1,"_links":{"download-http":{"href":"http://a/c"}}}]}]}}`)
	f.Add(uint16(200), root, uint16(200), document, uint16(200),
		[]byte(`{"payloadType":"a","payload":"e30=","signatures":[]}`))
	f.Add(uint16(200), bytes.ReplaceAll(root, []byte("deploymentBase"), []byte("cancelAction")), uint16(200),
		[]byte(`{"id":"8","cancelAction":{"stopId":"8"}}`), uint16(410), []byte{})
	f.Add(uint16(200), bytes.ReplaceAll(root, []byte("deploymentBase"), []byte("confirmationBase")), uint16(404), document,
		uint16(429), []byte{})
	f.Fuzz(func(t *testing.T, s1 uint16, b1 []byte, s2 uint16, b2 []byte, s3 uint16, b3 []byte) {
		answers := []hawkbit.Response{{Status: int(s1), Body: b1}, {Status: int(s2), Body: b2}, {Status: int(s3), Body: b3}}
		now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
		x := hawkbit.NewExchange(hawkbit.Settings{Identity: identity, URL: parse(t, base), OnFailure: ota.Stop,
			Draw: func() float64 { return 0 }})
		asked := 0
		for end := now.Add(time.Minute); now.Before(end); {
			inputs, handled := x.Deliveries()
			for _, in := range inputs {
				reply(x, now, in)
			}
			if handled {
				x.Handled(now)
			}
			r, at := x.Next(now)
			if r == nil {
				if !at.After(now) {
					t.Fatal("there is nothing to ask, and no time until there is")
				}
				now = at
				continue
			}
			if asked++; asked > 600 {
				t.Fatal("it asks without an end")
			}
			x.Answered(now, answers[asked%len(answers)])
		}
	})
}

// reply does what an agent does with what it receives.
func reply(x *hawkbit.Exchange, now time.Time, in agent.Input) {
	switch in := in.(type) {
	case agent.Connected:
		x.Send(now, &ota.Inventory{Request: true})
	case agent.Received:
		if plan, is := in.Message.(*ota.Plan); is {
			x.Send(now, &ota.Report{Plan: plan.ID, Attempt: plan.Attempt, Seq: 1, Component: plan.Components[0].ID,
				Status: ota.PlanReceived})
			x.Send(now, &ota.Decision{Plan: plan.ID, Attempt: plan.Attempt, Accept: plan.Attempt%2 == 1})
		}
	}
}
