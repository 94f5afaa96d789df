package download

import (
	"cmp"
	"context"
	"crypto/md5"  //nolint:gosec // the operator has allowed it, and a SHA-256 is taken beside it
	"crypto/sha1" //nolint:gosec // the same
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"net/http"

	"otafleet/agent/download/policy"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

const (
	// claimedStep is how many bytes of a file without chunks are written at once.
	claimedStep = 16 << 10
	// markEvery is how many bytes may be fetched again after a power cut, at least; of
	// a large file, it is a part of it (markParts), which bounds how often is synced.
	markEvery = 1 << 20
	markParts = 64
)

// claimed is a file on its way into its place of which nothing but size and digest is
// known, by the platform's word. It goes to its place as it comes, and counts for
// nothing until all of it is there, has been read back, and has the digest. A request
// goes on where the last one broke off only if the server says that the object is
// still the same one.
type claimed struct {
	d     *download
	file  *ota.File
	place firmware.Target

	have   int64 // bytes in place
	best   int64 // the most that ever were, since the file was begun anew
	synced int64 // bytes that survive a power cut
	mark   claimedMark
}

// claimedMark is what of a claimed file survives a power cut.
type claimedMark struct {
	Job       string `json:"job"`       // whose place it is about
	Validator string `json:"validator"` // of the object that the bytes are of
	Have      int64  `json:"have"`      // bytes in place
	// Again says that the whole file has had another digest before: it is fetched in one
	// piece now, and the next wrong digest is the last.
	Again bool `json:"again"`
}

// runClaimed downloads the one file of a job that has no chunks. found is its SHA-256
// if it was known by a weak digest.
func (d *download) runClaimed(ctx context.Context) (found ota.Digest, need ota.AddressReason, err error) {
	c, err := d.newClaimed()
	if err != nil {
		return found, "", err
	}
	if err := d.fetcher.enter(ctx); err != nil {
		return found, "", err
	}
	defer d.fetcher.leave()
	buf := d.fetcher.buffer(claimedStep)
	defer d.fetcher.giveBack(buf)
	d.buf = buf

	d.begin()
	d.total = c.file.Size
	c.recall()
	as := d.addresses(c.file)
	for {
		left := func() bool { return c.have < c.file.Size }
		if need, err := d.bring(ctx, as, left, c.receive); need != "" || err != nil {
			return found, need, err
		}
		var right bool
		if found, right, err = c.verify(ctx); right || err != nil {
			d.course.Whole()
			return found, "", err
		}
		if need, err := c.wrong(as); need != "" || err != nil {
			return found, need, err
		}
	}
}

func (d *download) newClaimed() (*claimed, error) {
	if len(d.job.Files) != 1 || len(d.job.Places) != 1 || d.job.Places[0] == nil {
		return nil, &ota.Failure{Code: ota.ManifestMismatch, Detail: "a package without a signed manifest has one file"}
	}
	f := &d.job.Files[0]
	if f.Size < 1 || f.Size > ota.MaxFileSize || f.Encoding != ota.Plain || newHash(f.Claimed.Kind) == nil {
		return nil, &ota.Failure{Code: ota.ManifestMismatch, Detail: "file " + f.Name + " is not described as it must be"}
	}
	return &claimed{d: d, file: f, place: d.job.Places[0], mark: claimedMark{Job: d.job.ID}}, nil
}

func newHash(kind ota.ChecksumKind) hash.Hash {
	switch kind {
	case ota.SHA256:
		return sha256.New()
	case ota.SHA1:
		return sha1.New() //nolint:gosec // see its import
	case ota.MD5:
		return md5.New() //nolint:gosec // see its import
	}
	return nil
}

// recall takes up what was in place before a restart.
func (c *claimed) recall() {
	var m claimedMark
	if c.d.job.Mark == nil || json.Unmarshal(c.d.job.Mark.Kept(), &m) != nil || m.Job != c.d.job.ID || m.Have < 0 ||
		m.Have > c.file.Size {
		return
	}
	c.mark = m
	if !m.Again && m.Validator != "" {
		c.have, c.synced, c.best = m.Have, m.Have, m.Have
	}
	c.show()
}

// keep makes durable what the mark says. Without it a power cut costs bytes, no more.
func (c *claimed) keep() {
	if c.d.job.Mark == nil {
		return
	}
	content, err := json.Marshal(c.mark)
	if err == nil {
		err = c.d.job.Mark.Keep(content)
	}
	if err != nil {
		c.d.log.Info("how far the download has come cannot be kept", "step", "download", "reason", err)
	}
}

// show tells how far the file is.
func (c *claimed) show() {
	c.d.done = c.have
	c.d.progress()
}

// restart begins the file anew, of an object with this validator. What is in place is
// disowned first.
func (c *claimed) restart(validator string) {
	marked := c.mark.Have > 0
	c.have, c.synced = 0, 0
	c.mark.Have, c.mark.Validator = 0, validator
	if marked {
		c.keep()
	}
}

// resumes reports whether the next request may go on where the last one broke off.
func (c *claimed) resumes() bool { return c.have > 0 && c.mark.Validator != "" && !c.mark.Again }

// receive asks for the rest of the file, or for all of it, and writes what comes.
func (c *claimed) receive(ctx context.Context, s *stream, from *address) error {
	q := ask{last: c.file.Size - 1, size: c.file.Size}
	if c.resumes() {
		q.first, q.validator = c.have, c.mark.Validator
	}
	a, err := c.d.open(ctx, from, q)
	if err != nil {
		return err
	}
	defer a.body.Close()
	if err := c.judge(a, from, q); err != nil {
		return err
	}
	s.body = a.body
	s.watch.restart()
	err = c.read(ctx, s)
	return errors.Join(err, c.checkpoint(s))
}

// judge checks status and headers of an answer, and begins the file anew unless it
// goes on.
func (c *claimed) judge(a *answer, from *address, q ask) error {
	validator := cmp.Or(strong(a.header.Get("ETag")), lastModified(a.header))
	switch a.status {
	case http.StatusPartialContent:
		start, err := judgeRange(a.header.Get("Content-Range"), q)
		switch {
		case err != nil:
			return err
		case start != q.first:
			return refusef(ota.HTTPError, "it does not start at byte %d, which was asked for", q.first)
		case q.first > 0 && validator != q.validator:
			c.restart("")
			return refusef(ota.HTTPError, "the object has changed since the last request")
		case q.first > 0:
			return nil
		}
	case http.StatusOK:
		if err := judgeWhole(a.length, q); err != nil {
			return err
		}
	default:
		if a.status == http.StatusRequestedRangeNotSatisfiable {
			c.restart("")
		}
		return a.refuse(from)
	}
	c.restart(validator)
	return nil
}

// lastModified is when an object was changed, as it can be sent back; empty if that
// is not said.
func lastModified(h http.Header) string {
	text := h.Get("Last-Modified")
	if _, err := http.ParseTime(text); err != nil {
		return ""
	}
	return text
}

// read writes what comes until the file is whole.
func (c *claimed) read(ctx context.Context, s *stream) error {
	for c.have < c.file.Size {
		data := s.buf[:min(int64(len(s.buf)), c.file.Size-c.have)]
		if err := s.fill(ctx, data); err != nil {
			return err
		}
		s.watch.pause()
		_, err := c.place.WriteAt(data, c.have)
		s.watch.resume()
		if err != nil {
			return placeFailure("write", c.file.Name, err)
		}
		c.have += int64(len(data))
		if c.have > c.best {
			c.best = c.have
			s.answer.Right()
		}
		c.show()
		if c.have-c.synced >= max(markEvery, c.file.Size/markParts) {
			if err := c.checkpoint(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkpoint makes what is in place durable, and notes it.
func (c *claimed) checkpoint(s *stream) error {
	if c.have == c.synced {
		return nil
	}
	s.watch.pause()
	defer s.watch.resume()
	if err := c.place.Sync(); err != nil {
		return placeFailure("sync", c.file.Name, err)
	}
	c.synced = c.have
	if c.resumes() {
		c.mark.Have = c.have
		c.keep()
	}
	return nil
}

// verify reads the whole file back and reports whether it has the digest that the
// platform names.
func (c *claimed) verify(ctx context.Context) (found ota.Digest, right bool, err error) {
	named, sum := newHash(c.file.Claimed.Kind), sha256.New()
	both := io.MultiWriter(named, sum)
	for at := int64(0); at < c.file.Size; {
		if err := ctx.Err(); err != nil {
			return found, false, err
		}
		data := c.d.buf[:min(int64(len(c.d.buf)), c.file.Size-at)]
		n, err := c.place.ReadAt(data, at)
		switch {
		case n < len(data) && errors.Is(err, io.EOF):
			return found, false, nil // a power cut has taken what was there
		case n < len(data):
			return found, false, placeFailure("read", c.file.Name, err)
		}
		_, _ = both.Write(data) // a hash takes everything
		at += int64(n)
	}
	if hex.EncodeToString(named.Sum(nil)) != c.file.Claimed.Hex {
		return found, false, nil
	}
	if c.file.Claimed.Kind.Weak() {
		found = ota.Digest(sum.Sum(nil))
	}
	return found, true, nil
}

// wrong goes on after a whole file with another digest: once, from its beginning and
// in one piece. It counts as a wrong answer of the address that came last.
func (c *claimed) wrong(as *addresses) (ota.AddressReason, error) {
	last := c.mark.Again
	c.have, c.synced, c.best = 0, 0, 0
	c.mark.Have, c.mark.Validator, c.mark.Again = 0, "", true
	c.keep()
	c.show()
	mismatch := refusef(ota.DigestMismatch, "what has come as file %s has not the %s that the platform names", c.file.Name,
		c.file.Claimed.Kind)
	switch {
	case last:
		return "", &mismatch.Failure
	case len(as.list) == 0:
		return "", nil // it was whole before a restart, and there is no one to ask yet
	}
	v := c.d.judge(as, c.d.asked, outcome{Answer: policy.Answer{Spoilt: 1}, refused: mismatch})
	return c.d.decided(v)
}
