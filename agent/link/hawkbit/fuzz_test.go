package hawkbit_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"otafleet/agent"
	"otafleet/agent/link/hawkbit"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// fuzzRoot shows action 8.
var fuzzRoot = []byte(`{"config":{"polling":{"sleep":"00:00:01"}},"_links":{"deploymentBase":{"href":"` + base +
	`/DEFAULT/controller/v1/gw-0001/deploymentBase/8?c=1"}}}`)

// FuzzExchange gives a device answers that no hawkBit gives: it neither panics nor asks
// without an end, and the agent hears of no plan that the native wire would not carry,
// nor of a file that no place could be made for. A device without a connection says why.
func FuzzExchange(f *testing.F) {
	root := fuzzRoot
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
		playAnswers(t, false, answersOf(s1, b1, s2, b2, s3, b3))
	})
}

// FuzzVouchedExchange is the same for a device that takes hawkBit's word.
func FuzzVouchedExchange(f *testing.F) {
	document := []byte(`{"deployment":{"chunks":[{"part":"os","name":"app","version":"1.1.0","artifacts":[{"filename":` +
		`"a b.swu","size":1,"hashes":{"sha1":"` + strings.Repeat("0", 40) + `"},` +
		`"_links":{"download":{"href":"http://a/b"}}}]}]}}`)
	f.Add(uint16(200), fuzzRoot, uint16(200), document, uint16(200), document)
	f.Add(uint16(200), fuzzRoot, uint16(200), bytes.ReplaceAll(document, []byte(`"size":1`), []byte(`"size":-1`)),
		uint16(200), []byte{})
	f.Fuzz(func(t *testing.T, s1 uint16, b1 []byte, s2 uint16, b2 []byte, s3 uint16, b3 []byte) {
		playAnswers(t, true, answersOf(s1, b1, s2, b2, s3, b3))
	})
}

func answersOf(s1 uint16, b1 []byte, s2 uint16, b2 []byte, s3 uint16, b3 []byte) []hawkbit.Response {
	return []hawkbit.Response{{Status: int(s1), Body: b1}, {Status: int(s2), Body: b2}, {Status: int(s3), Body: b3}}
}

// playAnswers gives a device these answers in turn, for a minute.
func playAnswers(t *testing.T, word bool, answers []hawkbit.Response) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	x := hawkbit.NewExchange(hawkbit.Settings{Identity: identity, URL: parse(t, base), OnFailure: ota.Stop,
		Vouched: word, Draw: func() float64 { return 0 }})
	asked, online := 0, false
	for end := now.Add(time.Minute); now.Before(end); {
		inputs, handled := x.Deliveries()
		for _, in := range inputs {
			online = follow(online, in)
			check(t, word, in)
			reply(x, now, in)
		}
		if asked > 0 && !online && x.Trouble() == nil {
			t.Fatal("it does not say why there is no connection")
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
}

// follow is whether there is a connection after an input.
func follow(online bool, in agent.Input) bool {
	switch in.(type) {
	case agent.Connected:
		return true
	case agent.Disconnected:
		return false
	}
	return online
}

// check holds what the agent receives against what it may be given.
func check(t *testing.T, word bool, in agent.Input) {
	received, is := in.(agent.Received)
	if !is {
		return
	}
	switch m := received.Message.(type) {
	case *ota.Plan:
		if _, _, err := wire.EncodeDown(m); err != nil {
			t.Fatal(err)
		}
	case *ota.Package:
		if (m.Claim != nil) != word {
			t.Fatal("a package is vouched for, or signed, as the configuration does not say")
		}
		if word && (m.Claim.Problem() != "" || m.Claim.Name != m.Files[0].Name || len(m.Files[0].URLs[0]) > ota.MaxURL) {
			t.Fatalf("%+v of %+v", m.Claim, m.Files)
		}
	}
}

// reply does what an agent does with what it receives.
func reply(x *hawkbit.Exchange, now time.Time, in agent.Input) {
	switch in := in.(type) {
	case agent.Connected:
		x.Send(now, &ota.Inventory{Request: true, Components: []ota.ComponentVersion{
			{ID: "app", Type: ota.Module, Version: "1.0.0"}}})
	case agent.Received:
		if plan, is := in.Message.(*ota.Plan); is {
			x.Send(now, &ota.Report{Plan: plan.ID, Attempt: plan.Attempt, Seq: 1, Component: plan.Components[0].ID,
				Status: ota.PlanReceived})
			x.Send(now, &ota.Decision{Plan: plan.ID, Attempt: plan.Attempt, Accept: plan.Attempt%2 == 1})
		}
	}
}
