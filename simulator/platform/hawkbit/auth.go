package hawkbit

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"otafleet/simulator/platform/hawkbit/management"
)

// letsIn reports whether a request may act for a device.
func (h *Handler) letsIn(r *http.Request, key string) bool {
	if h.config.Credentials == nil && h.config.GatewayToken == "" {
		return h.config.Targets == nil // else operators say who there is
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case token == "":
		return false
	case strings.EqualFold(kind, "TargetToken"):
		return h.config.Credentials != nil && h.config.Credentials(key, token)
	case strings.EqualFold(kind, "GatewayToken"):
		return h.isGateway(token)
	}
	return false
}

// letsTargetIn reports whether a request may act for a target that operators have made.
func (h *Handler) letsTargetIn(r *http.Request, target management.Device) bool {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(kind, "TargetToken"):
		return target.LetsIn(token)
	case strings.EqualFold(kind, "GatewayToken"):
		return h.isGateway(token)
	}
	return false
}

// isGateway compares in a time that tells nothing.
func (h *Handler) isGateway(token string) bool {
	want, got := sha256.Sum256([]byte(h.config.GatewayToken)), sha256.Sum256([]byte(token))
	return h.config.GatewayToken != "" && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}
