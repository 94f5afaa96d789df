package virtual

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"

	"otafleet/agent/link/hawkbit"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
	fake "otafleet/simulator/platform"
	face "otafleet/simulator/platform/hawkbit"
)

// openHawkBit lets the world's platform speak hawkBit's dialect, if its devices do.
func (w *world) openHawkBit() {
	if w.run.dialect != model.HawkBit {
		return
	}
	var err error
	if w.hawkBit, err = face.New((*hawkBitPlatform)(w), face.Config{Sleep: w.run.sleep}); err != nil {
		panic("internal error: " + err.Error()) // nothing in it is given
	}
}

// askHawkBit carries a request to the face of the platform.
func (w *world) askHawkBit(r *hawkbit.Request) hawkbit.Response {
	address, err := url.Parse(r.URL)
	if err != nil {
		return hawkbit.Response{Err: err}
	}
	a := w.hawkBit.Ask(r.Method, address, r.Body)
	return hawkbit.Response{Status: a.Status, Body: a.Body, RetryAfter: hawkbit.RetryAfter(a.Header)}
}

// missPolls lets the platform notice, in time, that a device has stopped polling.
func (w *world) missPolls() {
	w.polls.add(w.now+face.Overdue(w.run.sleep)+1, func() { w.hawkBit.Dismiss(w.clock()) })
}

// hawkBitPlatform is the world as hawkBit's face needs it (hawkbit.Platform).
type hawkBitPlatform world

// Converse lets a device talk with the plan engine.
func (w *hawkBitPlatform) Converse(talk func(*fake.Talk)) error {
	p := &w.platform
	if p.down {
		return fake.ErrDown
	}
	talk(fake.NewTalk(p.world.clock(), p.engine, p.execute))
	return nil
}

// Hear takes a message of a device that has gone.
func (w *hawkBitPlatform) Hear(id ota.Identity, m ota.Up) { w.platform.receive(id, m) }

// Files gives a package's signed manifest and its file.
func (w *hawkBitPlatform) Files(reference string) (ota.Envelope, []fake.File, error) {
	made := w.run.artifact(reference)
	return made.Envelope, made.files, nil
}

// ServeFile has nothing to serve: downloads are modelled.
func (w *hawkBitPlatform) ServeFile(answer http.ResponseWriter, r *http.Request, _, _ string) {
	http.NotFound(answer, r)
}

// describe reads the file of a package for the digests that a dialect names.
func (a *artifact) describe(d model.Dialect) error {
	if d.IsNative() {
		return nil
	}
	f, err := fake.Describe(a.Manifest.Files[0].Name, bytes.NewReader(a.Bytes))
	a.files = []fake.File{f}
	return err
}

// equal reports whether two envelopes say the same and are signed the same.
func equal(a, b *ota.Envelope) bool {
	return bytes.Equal(a.Payload, b.Payload) && slices.EqualFunc(a.Signatures, b.Signatures,
		func(x, y ota.Signature) bool { return x.KeyID == y.KeyID && bytes.Equal(x.Sig, y.Sig) })
}
