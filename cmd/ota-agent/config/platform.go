package config

import (
	"net/url"

	"otafleet/agent/host"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// HawkBit says how the device reaches a hawkBit server.
type HawkBit struct {
	URL       *url.URL // https or http, up to what stands before its API
	Tenant    string   // default DEFAULT
	TokenFile string   // empty if the device is known by its certificate
	Gateway   bool     // TokenFile holds the tenant's gateway token
	host.Certificates
	OnFailure ota.OnFailure // default stop
	// Modules names components by the names, or types, of software modules; nil where
	// these are the same.
	Modules map[string]string
}

// QuecThing says how the device reaches a platform that speaks to Quectel's device SDK.
type QuecThing struct {
	URL               *url.URL // mqtts or mqtt
	ProductSecretFile string
	Username          string // empty for none, as the SDK
	SessionKey        bool   // payloads are encrypted with a key that the platform gives
	Model             string // default the product
	ICCID             string // of the SIM card; empty if it is not known
	host.Certificates
	OnFailure ota.OnFailure // default stop
}

// checkProducts reports sub-devices of a product whose secret the device does not have.
func checkProducts(m *yamlform.Map, c *Config) {
	for i := range c.SubDevices {
		if d := &c.SubDevices[i]; c.QuecThing != nil && d.Product != c.Product {
			m.Problemf("sub_devices", "has %s of product %s; with platform.quecthing they are of the product whose secret is "+
				"in product_secret_file, %s", d.Device, d.Product, c.Product)
		}
	}
}

// readPlatform reads which platform the device has.
func readPlatform(m *yamlform.Map, in base, c *Config) {
	broker, platform := m.Map("broker"), m.Map("platform")
	hawkbit, quecthing := platform.Map("hawkbit"), platform.Map("quecthing")
	readBroker(broker, in, &c.Broker)
	readHawkBit(hawkbit, in, c)
	readQuecThing(quecthing, in, c)
	switch {
	case broker.Given() && m.Has("platform"):
		m.Problemf("platform", "stands beside broker, which is another platform; want one of them")
	case !m.Has("broker") && !m.Has("platform"):
		m.Problemf("broker", "is missing, and so is platform: one of them says where the platform is")
	case hawkbit.Given() && quecthing.Given():
		m.Problemf("platform", "names two platforms; want hawkbit or quecthing below it")
	case m.Has("platform") && !hawkbit.Given() && !quecthing.Given():
		m.Problemf("platform", "names no platform; want hawkbit or quecthing below it")
	case hawkbit.Given() && m.Has("sub_devices") && !hawkbit.Has("gateway_token_file"):
		m.Problemf("sub_devices", "are devices of their own for hawkBit; they need platform.hawkbit.gateway_token_file")
	}
}
