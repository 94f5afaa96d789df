package control

import (
	"net/http"
	"net/url"
)

// Subject is the device that a request is about.
type Subject struct {
	Agent    Agent
	Records  Records
	Packages Packages
}

// deviceParameter names, in a request, the sub-device that it is about.
const deviceParameter = "device"

// about makes a handler of one for a device: the sub-device that the request
// names, or the agent's own.
func (s *Server) about(do func(Subject, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		subject, key := Subject{s.Agent, s.Records, s.Packages}, r.URL.Query().Get(deviceParameter)
		switch {
		case key == "":
		case s.SubDevice == nil:
			refuse(w, http.StatusNotFound, "this agent speaks for no sub-device")
			return
		default:
			var err error
			if subject, err = s.SubDevice(key); err != nil {
				refuse(w, http.StatusNotFound, err.Error())
				return
			}
		}
		do(subject, w, r)
	}
}

// aboutDevice makes a path one about the client's device.
func (c *Client) aboutDevice(path string) string {
	if c.Device == "" {
		return path
	}
	return path + "?" + url.Values{deviceParameter: {c.Device}}.Encode()
}
