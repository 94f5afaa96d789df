package download

import (
	"context"
	"net/http"
	"net/url"
)

// ParseContentRange is for the tests of the answer's reading.
var ParseContentRange = parseContentRange

// CheckRedirect is for the tests of the redirect rules.
var CheckRedirect = (&guard{}).checkRedirect

// Public is for the tests of where requests may lead.
var Public = public

// UnpackInto unpacks on a disk with so many free bytes.
func UnpackInto(ctx context.Context, archive, name, dir string, free int64) error {
	return Unpacker{free: func(string) (int64, error) { return free, nil }}.Unpack(ctx, archive, name, dir)
}

// Heed gives a Fetcher other proxies than those of the environment.
func (f *Fetcher) Heed(environment func(*http.Request) (*url.URL, error)) { f.guard.heed(environment) }
