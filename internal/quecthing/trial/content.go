package trial

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Contents of lines from the device or the platform.
type (
	// Opened is a new TCP connection.
	Opened struct{ Refused bool }
	// Closed is the end of a TCP connection, by the device.
	Closed struct{}
	// Connect is an MQTT CONNECT.
	Connect struct {
		Flags     byte
		KeepAlive int // seconds
		ClientID  string
		Password  string
	}
	// Connack is the answer to Connect.
	Connack struct{ Code int }
	// Subscribe is an MQTT SUBSCRIBE.
	Subscribe struct {
		ID     int
		Filter string
		QoS    int
	}
	// Suback is the answer to Subscribe. The device does not look at its code.
	Suback struct{ ID int }
	// Publish is an MQTT PUBLISH.
	Publish struct {
		Topic       string
		QoS         int
		Dup, Retain bool
		ID          int // 0 at QoS 0
		Payload     []byte
	}
	// Ack is a PUBACK, PUBREC, PUBREL or PUBCOMP; Kind says which.
	Ack struct {
		Kind string
		ID   int
	}
	// Ping is a PINGREQ.
	Ping struct{}
	// Pong is a PINGRESP.
	Pong struct{}
)

// Contents of lines that were seen on the device.
type (
	// Boot is the start of the device's program, with the settings that it got.
	Boot struct{ Env map[string]string }
	// Resumed is the upgrade's status that it found on its flash.
	Resumed struct{ Status int }
	// Exit is the end of the program: 42 for a reboot, -9 for a power cut.
	Exit struct{ Code int }
	// Event is what its application hears, such as 7, 10700.
	Event struct {
		Class, Code int
		Data        string
	}
	// State is the upgrade's state, by name: ota (its status), comp, type, target, …
	State map[string]string
	// Call is what the application asks for, with its arguments.
	Call []string
	// Return is what a Call gave: its words, and the result behind "->", if there is
	// one.
	Return struct {
		Call   []string
		Result string
	}
)

// Contents of lines of the download server.
type (
	// Request is a GET.
	Request struct{ Path, Range string }
	// Answer is what the server did: Status is 0 where it gave none.
	Answer struct {
		Status int
		Text   string
	}
)

func parseUp(text string) (any, error) {
	kind, rest, _ := strings.Cut(text, " ")
	switch kind {
	case "TCP":
		if strings.HasPrefix(rest, "closed") {
			return Closed{}, nil
		}
		return Opened{Refused: strings.Contains(rest, "refused")}, nil
	case "CONNECT":
		return parseConnect(rest)
	case "SUBSCRIBE":
		words := strings.Fields(rest)
		if len(words) < 3 {
			return nil, fmt.Errorf("a SUBSCRIBE is cut: %q", rest)
		}
		f := fields(rest)
		return Subscribe{ID: f.int("id"), Filter: words[1], QoS: f.int("qos")}, f.err
	case "PUBLISH":
		return parsePublish(rest)
	case "PUBACK", "PUBREC", "PUBREL", "PUBCOMP":
		f := fields(rest)
		return Ack{Kind: kind, ID: f.int("id")}, f.err
	case "PINGREQ":
		return Ping{}, nil
	}
	return nil, fmt.Errorf("unknown packet %q", text)
}

func parseDown(text string) (any, error) {
	kind, rest, _ := strings.Cut(text, " ")
	f := fields(rest)
	switch kind {
	case "CONNACK":
		return Connack{Code: f.int("rc")}, f.err
	case "SUBACK":
		return Suback{ID: f.int("id")}, f.err
	case "PUBLISH":
		return parsePublish(rest)
	case "PUBACK", "PUBREC", "PUBREL", "PUBCOMP":
		return Ack{Kind: kind, ID: f.int("id")}, f.err
	case "PINGRESP":
		return Pong{}, nil
	}
	return nil, fmt.Errorf("unknown packet %q", text)
}

func parseConnect(rest string) (any, error) {
	f := fields(rest)
	c := Connect{KeepAlive: f.int("keepalive"), ClientID: f.text["client_id"], Password: f.text["password"]}
	flags, _, _ := strings.Cut(f.text["flags"], "(")
	v, err := strconv.ParseUint(strings.TrimPrefix(flags, "0x"), 16, 8)
	if err != nil {
		return nil, fmt.Errorf("a CONNECT has the flags %q", flags)
	}
	c.Flags = byte(v)
	return c, f.err
}

func parsePublish(rest string) (any, error) {
	packet, _, _ := strings.Cut(rest, " | ")
	f := fields(packet)
	p := Publish{Topic: f.text["topic"], QoS: f.int("qos"), Dup: f.text["dup"] == "1", Retain: f.int("retain") == 1}
	if p.QoS > 0 {
		p.ID = f.int("id")
	}
	var err error
	if p.Payload, err = hex.DecodeString(f.text["hex"]); err != nil {
		return nil, fmt.Errorf("a payload is not hex: %w", err)
	}
	return p, f.err
}

func parseClient(text string) any {
	kind, rest, _ := strings.Cut(text, " ")
	f := fields(rest)
	switch kind {
	case "started":
		return Boot{Env: f.text}
	case "START":
		return Resumed{Status: f.int("state")}
	case "exit":
		words := strings.Fields(rest)
		code, _ := strconv.Atoi(words[min(1, len(words)-1)])
		return Exit{Code: code}
	case "EVT":
		parts := append(strings.SplitN(rest, ",", 3), "", "")
		class, _ := strconv.Atoi(parts[0])
		code, _ := strconv.Atoi(parts[1])
		return Event{Class: class, Code: code, Data: parts[2]}
	case "STATE":
		return State(f.text)
	case "RET":
		call, result, _ := strings.Cut(rest, " -> ")
		return Return{Call: strings.Fields(call), Result: result}
	}
	return nil
}

func parseHTTP(text string) any {
	if asked, is := strings.CutPrefix(text, "> GET "); is {
		path, head, _ := strings.Cut(asked, " ")
		_, span, _ := strings.Cut(head, "Range: bytes=")
		span, _, _ = strings.Cut(span, `\r`)
		return Request{Path: path, Range: span}
	}
	answer := strings.TrimPrefix(text, "< ")
	word, _, _ := strings.Cut(strings.TrimSuffix(answer, ","), " ")
	status, _ := strconv.Atoi(word)
	return Answer{Status: status, Text: answer}
}

// named is "key=value" words of a line, and what was wrong with them.
type named struct {
	text map[string]string
	err  error
}

func fields(line string) *named {
	f := &named{text: map[string]string{}}
	for _, word := range strings.Fields(line) {
		if key, value, is := strings.Cut(word, "="); is && f.text[key] == "" {
			f.text[key] = value
		}
	}
	return f
}

func (f *named) int(key string) int {
	v, err := strconv.Atoi(f.text[key])
	if err != nil {
		f.err = fmt.Errorf("%s=%q is no integer", key, f.text[key])
	}
	return v
}
