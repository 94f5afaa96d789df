package download

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/terminal"
)

// maxShown is how many bytes of an address logs and reports show.
const maxShown = 128

// address is one place to ask for a file, and what is known of it.
type address struct {
	url    *url.URL // of an http or https address
	bucket string   // of an s3 address
	key    string   // of an s3 address
	name   string   // for people: no query, no signature

	gone *ota.Failure // why it is not asked any more; nil while it is
	etag string       // strong entity tag of its last answer; empty for none
	// ignoresRange is set when it answered a range with the whole file. Its
	// next answer of that kind is read and discarded up to the range.
	ignoresRange bool
}

// parseAddress accepts the three schemes of the protocol's rule 7.14.
func parseAddress(text string) *address {
	useless := func(format string, args ...any) *address {
		return &address{name: "address", gone: &ota.Failure{Code: ota.URLExpired, Detail: fmt.Sprintf(format, args...)}}
	}
	if rest, ok := strings.CutPrefix(text, "s3://"); ok {
		bucket, key, _ := strings.Cut(rest, "/")
		if bucket == "" || key == "" {
			return useless("it does not name a bucket and a key")
		}
		return &address{bucket: bucket, key: key, name: shown(text)}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil: // the error would quote the address with its signature
		return useless("it is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return useless("scheme %q is not https, http or s3", shown(u.Scheme))
	case u.Host == "":
		return useless("it names no host")
	}
	u.Fragment = ""
	return &address{url: u, name: shown(u.Scheme + "://" + u.Host + u.EscapedPath())}
}

// shown bounds an address for logs, reports and terminals, which must not be
// told to turn their text around.
func shown(name string) string {
	name = terminal.Escape(name)
	if len(name) > maxShown {
		name = strings.ToValidUTF8(name[:maxShown], "") + "..."
	}
	return name
}

// addresses is the list of one file, in the platform's order.
type addresses struct {
	list    []*address
	expires time.Time // by the platform's clock; zero if unknown
}

// findAddresses gives the addresses of the file named name. Those of a store
// are of use only to a device that has credentials for one.
func findAddresses(all []ota.FileAddress, name string, f *Fetcher) *addresses {
	as := &addresses{}
	for i := range all {
		if all[i].Name != name {
			continue
		}
		as.expires = all[i].Expires
		for _, text := range all[i].URLs {
			a := parseAddress(text)
			switch {
			case a.gone != nil:
			case a.url == nil && f.config.Storage == nil:
				a.gone = &ota.Failure{Code: ota.URLExpired, Detail: "no storage is configured"}
			}
			as.list = append(as.list, a)
		}
	}
	return as
}

// nameTheClock adds to the refusal of an address what this device's clock says
// of it. Whether an address has expired only its server knows, which is why it is
// asked; but a person should hear that a clock may be wrong. A storage that the
// device signs requests for refuses them from a clock that is minutes off.
func (as *addresses) nameTheClock(r *refusal, now time.Time) {
	const bearable = 5 * time.Minute
	switch {
	case r.Code != ota.URLExpired:
	case !r.at.IsZero() && now.Sub(r.at).Abs() > bearable:
		r.Detail += fmt.Sprintf("; this device's clock says %s, and the server's %s",
			now.UTC().Format(time.RFC3339), r.at.UTC().Format(time.RFC3339))
	case !as.expires.IsZero() && !now.Before(as.expires):
		r.Detail += fmt.Sprintf("; it expired at %s, and this device's clock says %s",
			as.expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
}

// whyNone says why no address is left, with the code of the last one.
func (as *addresses) whyNone() *ota.Failure {
	if len(as.list) == 0 {
		return &ota.Failure{Code: ota.URLExpired, Detail: "there is no address"}
	}
	why := &ota.Failure{}
	reasons := make([]string, len(as.list))
	for i, a := range as.list {
		why.Code = a.gone.Code
		reasons[i] = a.name + ": " + a.gone.Detail
	}
	why.Detail = strings.Join(reasons, "; ")
	return why
}
