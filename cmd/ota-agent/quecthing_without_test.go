//go:build noquecthing

package main

import "testing"

// TestWithoutQuecThing: validate and run refuse the same.
func TestWithoutQuecThing(t *testing.T) {
	refuses(t, "platform: {quecthing: {url: mqtts://ota.example.com}}\ntrust: {allow_unsigned: true}\n"+
		"components:\n- {id: app, type: module, installer: file, version: 1.0.0, file: {path: app.bin}}\n",
		":3:29: platform.quecthing.url: this program was built without quecthing (tag noquecthing)")
}
