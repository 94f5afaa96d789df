package hawkbit

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// letsIn reports whether a request may act for a device.
func (h *Handler) letsIn(r *http.Request, key string) bool {
	if h.config.Credentials == nil && h.config.GatewayToken == "" {
		return true
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case token == "":
		return false
	case strings.EqualFold(kind, "TargetToken"):
		return h.config.Credentials != nil && h.config.Credentials(key, token)
	case strings.EqualFold(kind, "GatewayToken"):
		// Compared in a time that tells nothing.
		want, got := sha256.Sum256([]byte(h.config.GatewayToken)), sha256.Sum256([]byte(token))
		return h.config.GatewayToken != "" && subtle.ConstantTimeCompare(want[:], got[:]) == 1
	}
	return false
}
