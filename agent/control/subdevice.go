package control

import (
	"fmt"
	"net/http"
	"net/url"
)

// deviceParameter names, in a request, the sub-device that it is about.
const deviceParameter = "device"

// about finds the device that a request is about: the one that it names, or the
// agent's own. It answers a request for one that is not there.
func (s *Server) about(w http.ResponseWriter, r *http.Request) (a Agent, ok bool) {
	id := r.URL.Query().Get(deviceParameter)
	if id == "" {
		return s.Agent, true
	}
	if s.SubDevice != nil {
		if a = s.SubDevice(id); a != nil {
			return a, true
		}
	}
	refuse(w, http.StatusNotFound, fmt.Sprintf("this agent speaks for no sub-device %q: see 'ota-agent status'", id))
	return nil, false
}

// aboutDevice makes a path one about the client's device.
func (c *Client) aboutDevice(path string) string {
	if c.Device == "" {
		return path
	}
	return path + "?" + url.Values{deviceParameter: {c.Device}}.Encode()
}
