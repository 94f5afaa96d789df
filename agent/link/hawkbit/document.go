package hawkbit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is read, before memory is taken for it.
const (
	maxRoot       = 64 << 10 // bytes of the root and of a cancellation
	maxDeployment = 2 << 20  // bytes of a deployment: 20 modules with 50 artifacts each
	maxManifest   = 1 << 20  // bytes of a signed manifest
	maxValues     = 50_000   // values of a document: an empty one has a byte or two, and takes a hundred
	maxSleep      = 24 * time.Hour
	minSleep      = time.Second
)

// reference is a link of a document.
type reference struct {
	Href string `json:"href"`
}

// root is what hawkBit answers to a poll: the pause until the next one, and the one
// action that the device is to look at.
type root struct {
	Config struct {
		Polling struct {
			Sleep string `json:"sleep"` // HH:MM:SS
		} `json:"polling"`
	} `json:"config"`
	Links struct {
		Deployment   *reference `json:"deploymentBase"`
		Confirmation *reference `json:"confirmationBase"`
		Cancel       *reference `json:"cancelAction"`
		Attributes   *reference `json:"configData"`
	} `json:"_links"`
}

// deployment is an action as the device sees it.
type deployment struct {
	ID         string `json:"id"`
	Deployment *order `json:"deployment"`
	// Confirmation stands in the place of Deployment while the action waits to be
	// confirmed.
	Confirmation *order `json:"confirmation"`
}

// order is what an action asks for.
type order struct {
	Download string  `json:"download"`          // skip, attempt or forced
	Update   string  `json:"update"`            // the same
	Window   string  `json:"maintenanceWindow"` // available or unavailable; empty without one
	Chunks   []chunk `json:"chunks"`
}

// chunk is a software module of the action.
type chunk struct {
	Part      string     `json:"part"` // the module's type
	Name      string     `json:"name"`
	Version   string     `json:"version"`
	Artifacts []artifact `json:"artifacts"`
	Metadata  []pair     `json:"metadata"`
}

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type artifact struct {
	Name   string `json:"filename"`
	Size   int64  `json:"size"`
	Hashes struct {
		SHA256 string `json:"sha256"`
		SHA1   string `json:"sha1"`
		MD5    string `json:"md5"`
	} `json:"hashes"`
	Links struct {
		Download *reference `json:"download"`
		Plain    *reference `json:"download-http"` // over HTTP, or whatever the device came by
	} `json:"_links"`
}

// url is where the artifact can be had; empty if it says nothing.
func (a *artifact) url() string {
	for _, l := range []*reference{a.Links.Download, a.Links.Plain} {
		if l != nil && l.Href != "" {
			return l.Href
		}
	}
	return ""
}

// cancellation is the operator's wish to end an action.
type cancellation struct {
	Cancel struct {
		StopID string `json:"stopId"`
	} `json:"cancelAction"`
}

// decode reads a document of hawkBit. Fields that are not known are of a later
// hawkBit, or of another server that speaks its API.
func decode(body []byte, into any) error {
	if bytes.Count(body, []byte(",")) > maxValues {
		return errors.New("has more values than any of hawkBit's")
	}
	if err := json.Unmarshal(body, into); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("is not JSON at byte %d", syntax.Offset)
		}
		return fmt.Errorf("is not a document of hawkBit: %w", err)
	}
	return nil
}

// parseSleep reads HH:MM:SS within its bounds; false if it is something else.
func parseSleep(text string) (time.Duration, bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return 0, false
	}
	var d time.Duration
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		n, err := strconv.ParseUint(parts[i], 10, 8)
		if err != nil {
			return 0, false
		}
		d += time.Duration(n) * unit
	}
	return min(max(d, minSleep), maxSleep), true
}

// actionOf is the id of the action that a reference leads to, and the reference
// without its query. It must be below the device's root: its token goes with it.
func (x *Exchange) actionOf(l *reference, kind string) (id, address string, err error) {
	u, err := x.below(l)
	if err != nil {
		return "", "", fmt.Errorf("the reference %s: %w", kind, err)
	}
	u.RawQuery = ""
	before, id := path.Split(u.Path)
	if n, err := strconv.ParseUint(id, 10, 63); err != nil || id != strconv.FormatUint(n, 10) ||
		!strings.HasSuffix(before, "/"+kind+"/") {
		return "", "", fmt.Errorf("the reference %s does not end with %s and the number of an action", kind, kind)
	}
	return id, u.String(), nil
}

// below is the address of a reference, if it belongs to the server that the device
// was configured for.
func (x *Exchange) below(l *reference) (*url.URL, error) {
	u, err := url.Parse(l.Href)
	if err != nil {
		return nil, errors.New("is not an address")
	}
	if u = x.base.ResolveReference(u); !sameOrigin(u, x.base) {
		return nil, fmt.Errorf("leads to %s://%s, not to %s://%s: does hawkBit, or its proxy, know its own address?",
			u.Scheme, u.Host, x.base.Scheme, x.base.Host)
	}
	u.User, u.Fragment = nil, ""
	return u, nil
}

// sameOrigin reports whether two addresses are of one server.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
