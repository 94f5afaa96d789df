//go:build noline

package main

import "testing"

// A check of a configuration says what a run would say.
func TestWithoutLines(t *testing.T) {
	for installer, settings := range map[string]string{
		"serial": "{port: tty0, protocol: smp}",
		"modem":  "{port: tty0, profile: quectel}",
	} {
		refuses(t, "broker: {urls: [mqtts://ota.example.com]}\ntrust: {allow_unsigned: true}\n"+
			"components:\n- {id: radio, type: module, installer: "+installer+", "+installer+": "+settings+"}\n",
			":6:40: components[0].installer: this program was built without serial and modem components (tag noline)")
	}
}
