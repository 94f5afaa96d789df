package hawkbit

import (
	"bytes"
	"crypto/md5" // old devices know no better
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
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
	weak, weaker, strong := sha1.Sum(m), md5.Sum(m), sha256.Sum256(m)
	return platform.File{
		Name: name, Size: int64(len(m)), SHA1: hex.EncodeToString(weak[:]), MD5: hex.EncodeToString(weaker[:]),
		SHA256: hex.EncodeToString(strong[:]),
	}
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
