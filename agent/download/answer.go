package download

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"otafleet/agent/download/policy"
	"otafleet/internal/ota"
)

// cheapSkip is how many bytes of an answer that starts too early are discarded
// without another try elsewhere.
const cheapSkip = 1 << 20

// ask is what a request asks for: the bytes from first to last of a file of
// size bytes, of the object that had etag, if it is set. With a validator, all of
// the file is wanted if the object is another one by now.
type ask struct {
	first, last int64
	size        int64
	etag        string
	validator   string // an entity tag or a date of change
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	length int64 // of the body as announced; -1 if unknown
	body   io.ReadCloser
}

// refusal is why a request brought nothing more: the code to report if it was
// the last one, and what it tells of the address. Its words are ours: those of a
// server go into reports and logs of whoever sent the address.
type refusal struct {
	ota.Failure
	kind       policy.Kind
	retryAfter time.Duration // how long the server asks not to be asked again
	at         time.Time     // by the server's clock; zero if it did not say
}

// refusef is a refusal that costs an attempt.
func refusef(code ota.Code, format string, args ...any) *refusal {
	return &refusal{Failure: ota.Failure{Code: code, Detail: fmt.Sprintf(format, args...)}}
}

// gonef is the refusal of an address that is not asked again.
func gonef(code ota.Code, format string, args ...any) *refusal {
	r := refusef(code, format, args...)
	r.kind = policy.Gone
	return r
}

// judge checks status and headers of an answer and returns where in the file
// its body starts, and whether it is the whole file. It believes them only as
// far as they agree with the ask; the hashes decide about the body.
func (a *answer) judge(from *address, q ask) (start int64, whole bool, err error) {
	switch a.status {
	case http.StatusPartialContent:
		start, err = judgeRange(a.header.Get("Content-Range"), q)
	case http.StatusOK:
		whole, err = true, judgeWhole(a.length, q)
	default:
		err = a.refuse(from)
	}
	if err == nil {
		err = from.match(a.header.Get("ETag"))
	}
	if err == nil && q.first-start > cheapSkip && !from.ignoresRange {
		from.ignoresRange = true
		err = refusef(ota.HTTPError, "it does not start at byte %d, which was asked for", q.first)
	}
	return start, whole, err
}

// refuse maps a status other than 200 and 206.
func (a *answer) refuse(from *address) *refusal {
	r := refusef(policy.StatusCode(a.status), "%s", policy.StatusWords(a.status))
	r.kind = policy.StatusKind(a.status)
	switch {
	case a.status == http.StatusPreconditionFailed && from.etag != "":
		from.etag = ""
		r.Detail = "HTTP status 412: the object has changed"
	case from.url == nil && a.status >= 500:
		r.Code = ota.StorageUnavailable
	}
	r.at, _ = http.ParseTime(a.header.Get("Date"))
	if r.kind == policy.Away {
		r.retryAfter = retryAfter(a.header)
	}
	return r
}

// retryAfter reads Retry-After: seconds, or a time by the server's own clock. It
// is 0 where it says nothing that can be understood.
func retryAfter(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, until.Sub(now))
}

// judgeRange checks a Content-Range against the ask.
func judgeRange(text string, q ask) (start int64, err error) {
	start, end, total, err := parseContentRange(text)
	switch {
	case err != nil:
		return 0, refusef(ota.HTTPError, "its Content-Range cannot be understood: %v", err)
	case total >= 0 && total != q.size:
		return 0, refusef(ota.SizeMismatch, "the object has not the %d bytes that the manifest says", q.size)
	case start > q.first || end < q.first:
		return 0, refusef(ota.HTTPError, "other bytes came than %d to %d, which were asked for", q.first, q.last)
	}
	return start, nil
}

// judgeWhole checks the announced length of an answer that ignores the range.
func judgeWhole(length int64, q ask) error {
	if length >= 0 && length != q.size {
		return refusef(ota.SizeMismatch, "the object has not the %d bytes that the manifest says", q.size)
	}
	return nil
}

// match compares the entity tag of an answer with the one before. The hashes
// decide whether the bytes are right; a changed object costs one request, so
// that mirrors which have not changed are asked before it.
func (a *address) match(etag string) error {
	etag = strong(etag)
	before := a.etag
	a.etag = etag
	if before != "" && etag != "" && before != etag {
		return refusef(ota.HTTPError, "the object has changed since the last request")
	}
	return nil
}

// strong is an entity tag that names bytes; empty for none, a weak or an absurd one.
func strong(etag string) string {
	if !strings.HasPrefix(etag, `"`) || len(etag) > 256 {
		return ""
	}
	return etag
}

// parseContentRange reads "bytes first-last/total". total is -1 where it is
// given as unknown.
func parseContentRange(text string) (first, last, total int64, err error) {
	unit, rest, _ := strings.Cut(text, " ")
	if !strings.EqualFold(unit, "bytes") {
		return 0, 0, 0, errors.New("not a range of bytes")
	}
	span, size, _ := strings.Cut(strings.TrimSpace(rest), "/")
	from, to, _ := strings.Cut(span, "-")
	total = -1
	if size != "*" {
		if total, err = parseOffset(size); err != nil {
			return 0, 0, 0, err
		}
	}
	if first, err = parseOffset(from); err != nil {
		return 0, 0, 0, err
	}
	if last, err = parseOffset(to); err != nil {
		return 0, 0, 0, err
	}
	if last < first || total >= 0 && last >= total {
		return 0, 0, 0, errors.New("its ends contradict each other")
	}
	return first, last, total, nil
}

// parseOffset reads decimal digits and nothing else.
func parseOffset(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, errors.New("not a number of bytes")
	}
	return int64(n), nil
}
