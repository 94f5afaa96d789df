package e2e_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// vendors is a gateway on which each part has a supplier of its own: app that of
// the device, radio two keys of its own, the valve one, and its table another.
type vendors struct {
	*site
	radio, second, valve, table harness.Key
}

func newVendors(t *testing.T) *vendors {
	v := &vendors{
		site:   newSite(t),
		radio:  harness.NewKey(t),
		second: harness.NewKey(t),
		valve:  harness.NewKey(t),
		table:  harness.NewKey(t),
	}
	for name, key := range map[string]harness.Key{"radio": v.radio, "second": v.second, "valve": v.valve,
		"table": v.table} {
		v.device.Write(name+".pub", key.Public(t), 0o644)
	}
	radio := harness.FileComponent("radio", "1.0.0", nil)
	radio["trust"] = harness.Settings{"keys": []string{"radio.pub", "second.pub"}, "threshold": 2}
	v.device.Write("radio.bin", []byte("old"), 0o755)
	v.device.Components(harness.FileComponent("app", "1.0.0", nil), radio)
	v.behind("valve", "valve-1")
	own := v.addHandler("table")
	own["id"], own["type"], own["trust"] = "table", "module", harness.Settings{"keys": []string{"table.pub"}}
	v.subs[0]["trust"] = harness.Settings{"keys": []string{"valve.pub"}}
	v.subs[0]["components"] = append(v.subs[0]["components"].([]harness.Settings), own)
	return v
}

// A key signs for that part of the device alone to which it was given.
func TestTrustOfParts(t *testing.T) {
	t.Parallel()
	v := newVendors(t)
	v.device.Start()
	of := func(product string) func(*ota.Manifest) { return func(m *ota.Manifest) { m.Product = product } }
	for i, test := range []struct {
		name, product, device, component string
		keys                             []harness.Key
		accepted                         bool
	}{
		{"app-by-radio", harness.Product, harness.DeviceName, "app", []harness.Key{v.radio, v.second}, false},
		{"radio-by-device", harness.Product, harness.DeviceName, "radio", []harness.Key{v.key}, false},
		{"radio-by-half", harness.Product, harness.DeviceName, "radio", []harness.Key{v.key, v.radio}, false},
		{"radio-by-valve", harness.Product, harness.DeviceName, "radio", []harness.Key{v.valve, v.table}, false},
		{"valve-by-device", "valve", "valve-1", "fw", []harness.Key{v.key}, false},
		{"valve-by-table", "valve", "valve-1", "fw", []harness.Key{v.table}, false},
		{"table-by-valve", "valve", "valve-1", "table", []harness.Key{v.valve}, false},
		{"app", harness.Product, harness.DeviceName, "app", []harness.Key{v.key}, true},
		{"radio", harness.Product, harness.DeviceName, "radio", []harness.Key{v.radio, v.second}, true},
		{"valve", "valve", "valve-1", "fw", []harness.Key{v.valve}, true},
		{"table", "valve", "valve-1", "table", []harness.Key{v.table}, true},
	} {
		want, status := ota.DeviceUpgradeFailed, refused(ota.KeyUntrusted)
		if test.accepted {
			want, status = ota.DeviceUpgraded, succeeded
		}
		v.platform.Offer(harness.Plan{ID: test.name},
			harness.Pack(t, test.component, fmt.Sprintf("1.1.%d", i), 2, []byte(test.name), of(test.product), test.keys...))
		v.platform.AwaitDevice(test.name, test.device, want)
		assert.Equal(t, status, v.platform.Trail(test.name, test.component), test.name)
	}
}

// A package file goes by the same keys as one of the platform.
func TestTrustOfPartsAtTheDevice(t *testing.T) {
	t.Parallel()
	v := newVendors(t)
	agent := v.device.Start()
	agent.AwaitOutput("connected to the broker")
	radio := func(name string, keys ...harness.Key) string {
		return v.bundleFile(name, "1.1.0", 2, "new", func(m *ota.Manifest) { m.Component = "radio" }, keys...)
	}
	untrusted, good := radio("untrusted.ota", v.key), radio("good.ota", v.radio, v.second)
	for _, verb := range []string{"rehearse", "install"} {
		outcome := v.device.Do(verb, untrusted)
		assert.Equal(t, 1, outcome.Code, verb)
		assert.Contains(t, outcome.Err, "key_untrusted")
		assert.Contains(t, outcome.Err, "signed by 0 of the trusted keys of component radio, and 2 must have signed", verb)
	}
	rehearsed := v.device.Do("rehearse", good)
	assert.Equal(t, 0, rehearsed.Code, rehearsed.Err)
	assert.Contains(t, rehearsed.Out, "signature  as the device asks for, by the keys of the component\n")
	installed := v.device.Do("install", good)
	assert.Equal(t, 0, installed.Code, installed.Err)
	assert.Equal(t, "new", string(v.device.Read("radio.bin")))
}

// What trusts keys of its own is said where a configuration is checked, and so is
// a key that cannot be read, whosever it is.
func TestTrustOfPartsIsValidated(t *testing.T) {
	t.Parallel()
	v := newVendors(t)
	v.device.Configure()
	validate := func() harness.Outcome {
		return harness.Run(t, v.device.Dir, programs.Agent, "validate", "--config", "agent.yaml")
	}
	valid := validate()
	assert.Equal(t, 0, valid.Code, valid.Err)
	for _, line := range []string{"component radio: 2 keys of its own, 2 signatures needed\n",
		"sub-device valve-1: 1 key of its own, 1 signature needed\n",
		"sub-device valve-1, component table: 1 key of its own, 1 signature needed\n"} {
		assert.Contains(t, valid.Out, line)
	}
	for file, says := range map[string]string{"radio.pub": "component radio: trust.keys: ",
		"valve.pub": "sub-device valve-1: trust.keys: ",
		"table.pub": "sub-device valve-1: component table: trust.keys: "} {
		key := v.device.Read(file)
		v.device.Write(file, []byte("none"), 0o644)
		outcome := validate()
		assert.Equal(t, 2, outcome.Code, file)
		assert.Contains(t, outcome.Err, says, file)
		v.device.Write(file, key, 0o644)
	}
}
