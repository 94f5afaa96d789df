package agent

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// stateFormat numbers the form on disk. Of a higher number than the program knows
// it reads what it understands: a new agent that is rolled back may have left it.
const stateFormat = 1

// The form of a State on disk. Plans and reports are kept in it as the messages
// that they came or leave as. Names here lie on disks in the field: they may be
// added to, and never change their meaning.
type stateRecord struct {
	Format     int               `json:"format"`
	Components []componentRecord `json:"components"`
	Gone       []componentRecord `json:"gone,omitempty"`
	Ended      []endedRecord     `json:"ended,omitempty"`
	Floor      *time.Time        `json:"floor,omitempty"`
	Run        *runRecord        `json:"run,omitempty"`
	Past       []*runRecord      `json:"past,omitempty"`
	Reports    []json.RawMessage `json:"reports,omitempty"`
	Paused     *pauseRecord      `json:"paused,omitempty"`
}

type componentRecord struct {
	ID             string `json:"id"`
	Version        string `json:"version,omitempty"`
	Release        int64  `json:"release,omitempty"`
	Content        string `json:"content,omitempty"` // hex
	RestartCounter string `json:"suspect,omitempty"` // image, hex
	Restarts       int    `json:"restarts,omitempty"`
}

type endedRecord struct {
	Plan     string `json:"plan"`
	Attempt  int    `json:"attempt"`
	LastSeq  int    `json:"last_seq"`
	Accepted bool   `json:"accepted,omitempty"`
}

type pauseRecord struct {
	Since  string `json:"since"`
	Reason string `json:"reason,omitempty"`
}

type runRecord struct {
	Plan    json.RawMessage `json:"plan"`
	Attempt int             `json:"attempt"`
	LastSeq int             `json:"last_seq"`
	Answer  string          `json:"answer"`
	Parts   []partRecord    `json:"parts"`
	Taken   string          `json:"taken,omitempty"`
	Agreed  bool            `json:"agreed,omitempty"`
	Local   string          `json:"local,omitempty"`
}

type partRecord struct {
	Status   string         `json:"status"`
	Step     string         `json:"step,omitempty"`
	FailedIn int            `json:"failed_in,omitempty"`
	Again    bool           `json:"again,omitempty"`
	Renewed  bool           `json:"renewed,omitempty"`
	Staging  bool           `json:"staging,omitempty"`
	Full     bool           `json:"full,omitempty"`
	From     string         `json:"from,omitempty"`
	Image    string         `json:"image,omitempty"` // hex
	Release  int64          `json:"release,omitempty"`
	Content  string         `json:"content,omitempty"` // hex
	Found    string         `json:"found,omitempty"`   // hex
	Failure  *failureRecord `json:"failure,omitempty"`
	Owed     string         `json:"owed,omitempty"`
	BootID   string         `json:"boot_id,omitempty"`
	Restarts int            `json:"restarts,omitempty"`
	At       string         `json:"at,omitempty"`
}

type failureRecord struct {
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

var stepNames = [...]string{
	StepNone: "", StepActivate: "activate", StepRestart: "restart", StepTrial: "trial",
	StepConfirm: "confirm", StepRevert: "revert", StepReturn: "return",
}

// format is the form in which a state is written. While a component is being
// switched, which may be the agent itself, that is the form in which it was read:
// an older agent that is rolled back must find what it can read.
func (s *State) format() int {
	if s.Older > 0 && s.Run != nil && s.Run.switching() {
		return s.Older
	}
	return stateFormat
}

// EncodeState gives the form of a state on disk.
func EncodeState(s *State) ([]byte, error) {
	record := stateRecord{Format: s.format(), Components: make([]componentRecord, len(s.Components))}
	for i, c := range s.Components {
		record.Components[i] = componentRecord{ID: c.ID, Version: c.Version, Release: c.Release,
			Content: encodeDigest(c.Content), RestartCounter: encodeDigest(c.RestartCounter.Image),
			Restarts: c.RestartCounter.Restarts}
	}
	for _, c := range s.Gone {
		record.Gone = append(record.Gone, componentRecord{ID: c.ID, Release: c.Release, Content: encodeDigest(c.Content)})
	}
	for _, e := range s.Ended {
		record.Ended = append(record.Ended, endedRecord(e))
	}
	if !s.Floor.IsZero() {
		record.Floor = &s.Floor
	}
	for i := range s.Reports {
		_, payload, err := wire.EncodeUp(&s.Reports[i])
		if err != nil {
			return nil, fmt.Errorf("cannot encode report %d of plan %s: %w", s.Reports[i].Seq, s.Reports[i].Plan, err)
		}
		record.Reports = append(record.Reports, payload)
	}
	for _, run := range s.Past {
		r, err := encodeRun(run)
		if err != nil {
			return nil, err
		}
		record.Past = append(record.Past, r)
	}
	if s.Run != nil {
		var err error
		if record.Run, err = encodeRun(s.Run); err != nil {
			return nil, err
		}
	}
	if s.Paused != nil {
		record.Paused = &pauseRecord{encodeTime(s.Paused.Since), s.Paused.Reason}
	}
	return json.Marshal(record)
}

func encodeRun(run *Run) (*runRecord, error) {
	_, plan, err := wire.EncodeDown(run.Plan)
	if err != nil {
		return nil, fmt.Errorf("cannot encode plan %s: %w", run.Plan.ID, err)
	}
	record := &runRecord{Plan: plan, Attempt: run.Attempt, LastSeq: run.LastSeq,
		Answer: answerNames[run.Answer], Parts: make([]partRecord, len(run.Parts)),
		Taken: encodeTime(run.Taken), Agreed: run.Agreed, Local: run.Local}
	for i, p := range run.Parts {
		record.Parts[i] = partRecord{Status: p.Status.String(), Step: stepNames[p.Step], FailedIn: p.FailedIn, Again: p.Again,
			Full: p.Full, Renewed: p.Renewed, Staging: p.Staging, From: p.From, Image: encodeDigest(p.Image),
			Release: p.Release, Content: encodeDigest(p.Content), Found: encodeDigest(p.Found),
			Owed: string(p.Owed), BootID: p.BootID, Restarts: p.Restarts, At: encodeTime(p.At)}
		if p.Failure != nil {
			record.Parts[i].Failure = &failureRecord{string(p.Failure.Code), tail(p.Failure.Detail)}
		}
	}
	return record, nil
}

// tail is the end of a detail, which tells most, as long as a report takes it: a state
// has a largest size, and one beyond it could never be saved.
func tail(detail string) string {
	return strings.ToValidUTF8(detail[max(0, len(detail)-ota.MaxDetail):], "")
}

// timeForm is how times are written in the state: in UTC, with milliseconds.
const timeForm = "2006-01-02T15:04:05.000Z"

func encodeTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeForm)
}

func encodeDigest(d ota.Digest) string {
	if d == (ota.Digest{}) {
		return ""
	}
	return hex.EncodeToString(d[:])
}
