//go:build nohawkbit

package main

import "testing"

// TestWithoutHawkBit: validate and run refuse the same.
func TestWithoutHawkBit(t *testing.T) {
	refuses(t, "platform: {hawkbit: {url: https://ota.example.com}}\ntrust: {allow_unsigned: true}\n"+
		"components:\n- {id: app, type: module, installer: file, version: 1.0.0, file: {path: app.bin}}\n",
		":3:27: platform.hawkbit.url: this program was built without hawkBit (tag nohawkbit)")
}
