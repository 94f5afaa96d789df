package main

import "time"

// These are the fields of docs/PROTOCOL.md that the happy path needs.

type component struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Version string `json:"version"`
}

type inventory struct {
	Time       time.Time   `json:"time"`
	Agent      string      `json:"agent"`
	Request    bool        `json:"request"`
	Components []component `json:"components"`
	Running    *running    `json:"running,omitempty"`
}

type running struct {
	Plan    string `json:"plan"`
	Attempt int    `json:"attempt"`
	Seq     int    `json:"seq"`
}

type plan struct {
	Plan       string `json:"plan"`
	Attempt    int    `json:"attempt"`
	Components []struct {
		ID     string `json:"id"`
		Target string `json:"target"`
	} `json:"components"`
}

type decision struct {
	Time    time.Time `json:"time"`
	Plan    string    `json:"plan"`
	Attempt int       `json:"attempt"`
	Accept  bool      `json:"accept"`
}

type status struct {
	Time      time.Time `json:"time"`
	Plan      string    `json:"plan"`
	Attempt   int       `json:"attempt"`
	Seq       int       `json:"seq"`
	Component string    `json:"component"`
	Status    string    `json:"status"`
	Version   string    `json:"version"`
}

type pack struct {
	Component string `json:"component"`
	Files     []struct {
		URLs []string `json:"urls"`
	} `json:"files"`
}

type ack struct {
	Seq int `json:"seq"`
}
