package main

import (
	"fmt"
	"strings"
)

// readGateways reads "KEY=PRODUCT.DEVICE,…" once or several times: for which
// devices a gateway speaks, by its user name or device key. The broker checks the
// names.
func readGateways(texts []string) (map[string][]string, error) {
	gateways := make(map[string][]string, len(texts))
	for _, text := range texts {
		name, devices, ok := strings.Cut(text, "=")
		if !ok || name == "" || devices == "" {
			return nil, fmt.Errorf("--gateway %s: want GATEWAY=PRODUCT.DEVICE,…, such as gw-0001=meter.meter-1,meter.meter-2",
				text)
		}
		gateways[name] = append(gateways[name], strings.Split(devices, ",")...)
	}
	return gateways, nil
}
