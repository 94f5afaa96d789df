package hawkbit

import (
	"bytes"
	"net/http"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// manifest is a signed manifest as it lies beside the files.
type manifest []byte

func sidecar(envelope ota.Envelope) (manifest, error) { return wire.EncodeEnvelope(envelope) }

func (m manifest) describe(name string) platform.File {
	f, _ := platform.Describe(name, bytes.NewReader(m)) // which does not fail
	return f
}

// serveManifest answers with the signed manifest of a component's package.
func (h *Handler) serveManifest(r *request, p *engine.AssignedPart) error {
	envelope, _, err := h.platform.Files(p.Package)
	if err != nil {
		return err
	}
	m, err := sidecar(envelope)
	if err != nil {
		return err
	}
	r.w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(r.w, r.Request, "", time.Time{}, bytes.NewReader(m))
	return nil
}
