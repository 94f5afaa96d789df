package hawkbit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Bounds of what devices send, which are hawkBit's.
const (
	maxBody       = 256 << 10 // bytes
	maxAttributes = 100       // of a device
	maxKey        = 128       // bytes of an attribute's name, and of a device's
	maxValue      = 512       // bytes of an attribute, and of a line of feedback
	maxDetails    = 50        // lines of one feedback
	maxEntries    = 1000      // feedback on one action that does not close it
)

type link struct {
	Href string `json:"href"`
}

type root struct {
	Config struct {
		Polling struct {
			Sleep string `json:"sleep"`
		} `json:"polling"`
	} `json:"config"`
	Links map[string]link `json:"_links"`
}

// deployment is the document of an action; confirmation takes the place of deployment
// while it waits for the device's user.
type deployment struct {
	ID           string `json:"id"`
	Deployment   *order `json:"deployment,omitempty"`
	Confirmation *order `json:"confirmation,omitempty"`
}

type order struct {
	Download string  `json:"download"`
	Update   string  `json:"update"`
	Chunks   []chunk `json:"chunks"`
}

type chunk struct {
	Part      string     `json:"part"`
	Version   string     `json:"version"`
	Name      string     `json:"name"`
	Artifacts []artifact `json:"artifacts"`
	Metadata  []pair     `json:"metadata"`
}

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type artifact struct {
	Name   string          `json:"filename"`
	Hashes hashes          `json:"hashes"`
	Size   int64           `json:"size"`
	Links  map[string]link `json:"_links"`
}

// artifactsOf is where the artifacts of a module are.
func (r *request) artifactsOf(module any) string {
	return fmt.Sprint(r.base, "/softwaremodules/", module, "/artifacts/")
}

// describe is an artifact among those of a module.
func describe(name string, size int64, digests hashes, base string) artifact {
	address := base + url.PathEscape(name)
	return artifact{Name: name, Size: size, Hashes: digests, Links: map[string]link{
		"download-http": {address}, "md5sum-http": {address + ".MD5SUM"}}}
}

type hashes struct {
	SHA1   string `json:"sha1"`
	MD5    string `json:"md5"`
	SHA256 string `json:"sha256"`
}

type cancellation struct {
	ID     string `json:"id"`
	Cancel struct {
		StopID string `json:"stopId"`
	} `json:"cancelAction"`
}

type confirmationState struct {
	AutoConfirm struct {
		Active bool `json:"active"`
	} `json:"autoConfirm"`
	Links map[string]link `json:"_links"`
}

// attributes are what a device says of itself. hawkBit's own clients add fields that
// nothing needs.
type attributes struct {
	Mode string            `json:"mode"`
	Data map[string]string `json:"data"`
}

// feedback is what a device says of an action, or of its cancellation.
type feedback struct {
	Status struct {
		Execution string `json:"execution"`
		Result    struct {
			Finished string `json:"finished"`
		} `json:"result"`
		Details []string `json:"details"`
	} `json:"status"`
}

// closed reports whether nothing comes after it.
func (f *feedback) closed() bool {
	return f.Status.Execution == "closed" || f.Status.Execution == "canceled"
}

// check refuses what hawkBit does not know.
func (f *feedback) check() error {
	switch f.Status.Execution {
	case "closed", "proceeding", "canceled", "scheduled", "rejected", "resumed", "download", "downloaded":
	default:
		return badBody(
			fmt.Sprintf(
				"execution %.40q: want closed, proceeding, canceled, scheduled, rejected, resumed, download or downloaded",
				f.Status.Execution,
			),
		)
	}
	switch f.Status.Result.Finished {
	case "success", "failure", "none":
	default:
		return badBody(fmt.Sprintf("finished %.40q: want success, failure or none", f.Status.Result.Finished))
	}
	if len(f.Status.Details) > maxDetails {
		return overQuota(fmt.Sprintf("%d details: at most %d are kept", len(f.Status.Details), maxDetails))
	}
	return nil
}

// confirmation is a device's answer to an action that waits for its user.
type confirmation struct {
	Confirmation string   `json:"confirmation"`
	Details      []string `json:"details"`
}

// check refuses what hawkBit does not know.
func (c *confirmation) check() error {
	if c.Confirmation != "confirmed" && c.Confirmation != "denied" {
		return badBody(fmt.Sprintf("confirmation %.40q: want confirmed or denied", c.Confirmation))
	}
	if len(c.Details) > maxDetails {
		return overQuota(fmt.Sprintf("%d details: at most %d are kept", len(c.Details), maxDetails))
	}
	return nil
}

// read takes the body of a request.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return badBody(fmt.Sprintf("the body has more than %d bytes", maxBody))
	case err != nil:
		return badBody("the body broke off")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return badBody("the body: " + err.Error())
	}
	return nil
}

// clock writes a pause as hawkBit does: HH:MM:SS.
func clock(d time.Duration) string {
	seconds := int(d / time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// apply changes a device's attributes.
func (a *attributes) apply(known map[string]string) (map[string]string, error) {
	changed := map[string]string{}
	switch strings.ToLower(a.Mode) {
	case "", "merge", "remove":
		for key, value := range known {
			changed[key] = value
		}
	case "replace":
	default:
		return nil, badBody(fmt.Sprintf("mode %.40q: want merge, replace or remove", a.Mode))
	}
	for key, value := range a.Data {
		switch {
		case strings.EqualFold(a.Mode, "remove"):
			delete(changed, key)
		case key == "" || len(key) > maxKey || len(value) > maxValue:
			return nil, badBody(
				fmt.Sprintf("attribute %.40q: want a name of 1 to %d bytes, and at most %d", key, maxKey, maxValue),
			)
		default:
			changed[key] = value
		}
	}
	if len(changed) > maxAttributes {
		return nil, overQuota(fmt.Sprintf("%d attributes: at most %d are kept", len(changed), maxAttributes))
	}
	return changed, nil
}
