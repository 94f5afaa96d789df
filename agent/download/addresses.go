package download

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"otafleet/internal/ota"
)

// maxShown is how many bytes of an address logs and reports show.
const maxShown = 128

// address is one place to ask for a file, and what is known of it.
type address struct {
	url    *url.URL // of an http or https address
	bucket string   // of an s3 address
	key    string   // of an s3 address
	name   string   // for people: no query, no signature

	gone   error  // why it is not asked any more; nil while it is
	failed bool   // its last request brought nothing, and none elsewhere has since
	etag   string // strong entity tag of its last answer; empty for none
	// ignoresRange is set when it answered a range with the whole file. Its
	// next answer of that kind is read and discarded up to the range.
	ignoresRange bool
}

// parseAddress accepts the three schemes of the protocol's rule 7.14.
func parseAddress(text string) *address {
	if rest, ok := strings.CutPrefix(text, "s3://"); ok {
		bucket, key, _ := strings.Cut(rest, "/")
		a := &address{bucket: bucket, key: key, name: shown(text)}
		if bucket == "" || key == "" {
			a.gone = errors.New("it does not name a bucket and a key")
		}
		return a
	}
	u, err := url.Parse(text)
	switch {
	case err != nil: // the error would quote the address with its signature
		return &address{name: "address", gone: errors.New("it is not a URL")}
	case u.Scheme != "https" && u.Scheme != "http":
		return &address{name: "address", gone: fmt.Errorf("scheme %q is not https, http or s3", u.Scheme)}
	case u.Host == "":
		return &address{name: "address", gone: errors.New("it names no host")}
	}
	u.Fragment = ""
	return &address{url: u, name: shown(u.Scheme + "://" + u.Host + u.EscapedPath())}
}

// shown bounds an address for logs and reports.
func shown(name string) string {
	if len(name) > maxShown {
		name = name[:maxShown] + "..."
	}
	return strings.ToValidUTF8(name, "?")
}

// addresses is the list of one file, in the platform's order.
type addresses struct {
	list    []*address
	expires time.Time // zero if unknown
	at      int       // the one to ask next
	asked   bool      // whether any has been asked
}

// findAddresses gives the addresses of the file named name. Those of a store
// are of use only to a device that has credentials for one.
func findAddresses(all []ota.FileAddress, name string, stores bool) *addresses {
	as := &addresses{}
	for i := range all {
		if all[i].Name != name {
			continue
		}
		as.expires = all[i].Expires
		for _, text := range all[i].URLs {
			a := parseAddress(text)
			if a.gone == nil && a.url == nil && !stores {
				a.gone = errors.New("no storage is configured")
			}
			as.list = append(as.list, a)
		}
	}
	return as
}

// next returns the address to ask, or nil when none is left.
func (as *addresses) next(now time.Time) *address {
	if !as.expires.IsZero() && !now.Before(as.expires) {
		for _, a := range as.list {
			if a.gone == nil {
				a.gone = fmt.Errorf("it expired at %s", as.expires.UTC().Format(time.RFC3339))
			}
		}
	}
	for range as.list {
		if a := as.list[as.at%len(as.list)]; a.gone == nil {
			return a
		}
		as.at++
	}
	return nil
}

// turn goes on to the address after the one just asked.
func (as *addresses) turn() { as.at++ }

// progressed starts a new round: something arrived from somewhere.
func (as *addresses) progressed() {
	for _, a := range as.list {
		a.failed = false
	}
}

// allFailed reports whether some addresses are left and all of them have failed.
func (as *addresses) allFailed() bool {
	left := 0
	for _, a := range as.list {
		if a.gone != nil {
			continue
		}
		if left++; !a.failed {
			return false
		}
	}
	return left > 0
}

// whyNone says why no address is left.
func (as *addresses) whyNone() string {
	if len(as.list) == 0 {
		return "there is no address"
	}
	reasons := make([]string, len(as.list))
	for i, a := range as.list {
		reasons[i] = fmt.Sprintf("%s: %v", a.name, a.gone)
	}
	return strings.Join(reasons, "; ")
}
