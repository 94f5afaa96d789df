package platform

import (
	"fmt"
	"net"

	"otafleet/simulator/platform/objectstore"
)

// checkAdvertised refuses a store that would have no address for devices: one that
// listens on every address of the machine has none of its own.
func checkAdvertised(listen, given string) error {
	if given != "" {
		host, port := splitAddress(given)
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			return fmt.Errorf("cannot give devices the store address %q: want a host, or host:port, that they reach", given)
		}
		if _, err := net.LookupPort("tcp", port); err != nil {
			return fmt.Errorf("cannot give devices the store address %q: %w", given, err)
		}
		return nil
	}
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); listen != "" && err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return fmt.Errorf(
			"cannot give devices addresses of a store that listens on all of them (%s): say where they reach it, as "+
				"--store-address HOST, or listen on one address",
			listen,
		)
	}
	return nil
}

// advertised is the beginning of the addresses that devices get.
func advertised(server *objectstore.Server, given string) string {
	if given == "" {
		return server.URL()
	}
	host, port := splitAddress(given)
	if port == "" {
		_, port, _ = net.SplitHostPort(server.Addr().String())
	}
	return "http://" + net.JoinHostPort(host, port)
}

// splitAddress splits host:port; the port is empty without one.
func splitAddress(text string) (host, port string) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return text, ""
	}
	return host, port
}
