package reporter_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/reporter"
)

// play drives an outbox by a script: "a" adds a report of plan a, "a2" acks plan
// a up to number 2, "?" asks what is unsent, "!" begins a new session and "~"
// brings the queue to disk and back. It returns what was sent and what is left.
func play(t *testing.T, script string) (sent, left string) {
	var out reporter.Outbox
	last := map[string]int{}
	var answers []string
	for _, word := range strings.Fields(script) {
		switch {
		case word == "?":
			answers = append(answers, text(out.Unsent()))
		case word == "!":
			out.Replay()
		case word == "~":
			out = reporter.Restore(out.Queue())
		case len(word) == 1:
			r := out.Add(last[word], ota.Report{Plan: word, Component: "app"})
			last[word] = r.Seq
		default:
			var seq int
			_, err := fmt.Sscan(word[1:], &seq)
			require.NoError(t, err)
			out.Ack(word[:1], seq)
		}
	}
	assert.Equal(t, len(out.Queue()), out.Len())
	return strings.Join(answers, " | "), text(out.Queue())
}

func text(reports []ota.Report) string {
	words := make([]string, len(reports))
	for i, r := range reports {
		words[i] = fmt.Sprintf("%s%d", r.Plan, r.Seq)
	}
	return strings.Join(words, " ")
}

func TestOutbox(t *testing.T) {
	for _, c := range []struct{ name, script, sent, left string }{
		{"empty", "?", "", ""},
		{"numbered from 1, in order", "a a a ?", "a1 a2 a3", "a1 a2 a3"},
		{"each plan has its numbers", "a b a b ?", "a1 b1 a2 b2", "a1 b1 a2 b2"},
		{"sent once in a session", "a ? a ? ?", "a1 | a2 | ", "a1 a2"},
		{"all again in the next", "a a ? ! ?", "a1 a2 | a1 a2", "a1 a2"},
		{"ack of the front", "a a a ? a2 ?", "a1 a2 a3 | ", "a3"},
		{"ack of all", "a a ? a2 ! ?", "a1 a2 | ", ""},
		{"ack of more than there is", "a a ? a9 a ?", "a1 a2 | a3", "a3"},
		{"ack again", "a a ? a1 a1 ?", "a1 a2 | ", "a2"},
		{"ack from the past", "a a ? a2 a1 a ?", "a1 a2 | a3", "a3"},
		{"ack of another plan", "a ? b1 ! ?", "a1 | a1", "a1"},
		{"ack of what was not sent", "a a a1 ?", "a2", "a2"},
		{"ack in the middle", "a b a ? b1 ! ?", "a1 b1 a2 | a1 a2", "a1 a2"},
		{"ack in the middle, later ones unsent", "a b ? a b b1 ?", "a1 b1 | a2 b2", "a1 a2 b2"},
		{"ack at the front and in the middle", "a b a b ? a2 ! ?", "a1 b1 a2 b2 | b1 b2", "b1 b2"},
		{"numbers go on after all are stored", "a a ? a2 a ?", "a1 a2 | a3", "a3"},
		{"kept over a restart", "a a ? a1 ~ ? a ?", "a1 a2 | a2 | a3", "a2 a3"},
		{"empty over a restart", "a ? a1 ~ a ?", "a1 | a2", "a2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent, left := play(t, c.script)
			assert.Equal(t, c.sent, sent)
			assert.Equal(t, c.left, left)
		})
	}
}

// naive is an outbox that is plain to see: reports, each with a mark.
type naive []struct {
	report ota.Report
	sent   bool
}

func (n *naive) unsent() (reports []ota.Report) {
	for i := range *n {
		if e := &(*n)[i]; !e.sent {
			e.sent = true
			reports = append(reports, e.report)
		}
	}
	return reports
}

func (n *naive) ack(plan string, seq int) (dropped int) {
	var kept naive
	for _, e := range *n {
		if e.report.Plan != plan || e.report.Seq > seq {
			kept = append(kept, e)
		}
	}
	dropped = len(*n) - len(kept)
	*n = kept
	return dropped
}

// TestOutboxAgainstModel plays at random, and keeps queues from on the way: none
// of them may change afterwards.
func TestOutboxAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var out reporter.Outbox
		var model naive
		last := map[string]int{}
		snapshots := map[string][]ota.Report{}
		for step := range 120 {
			plan := string("abc"[rng.IntN(3)])
			switch rng.IntN(8) {
			default:
				r := out.Add(last[plan], ota.Report{Plan: plan, Attempt: step})
				last[plan]++
				require.Equal(t, last[plan], r.Seq)
				model = append(model, struct {
					report ota.Report
					sent   bool
				}{report: r})
			case 0, 1:
				require.Equal(t, text(model.unsent()), text(out.Unsent()))
			case 2:
				out.Replay()
				for i := range model {
					model[i].sent = false
				}
			case 3, 4:
				seq := rng.IntN(last[plan] + 2)
				require.Equal(t, model.ack(plan, seq), out.Ack(plan, seq))
			case 5:
				q := out.Queue()
				snapshots[text(q)] = q
				if rng.IntN(3) == 0 {
					out = reporter.Restore(q)
					for i := range model {
						model[i].sent = false
					}
				}
			}
			require.Equal(t, len(model), out.Len())
		}
		for want, q := range snapshots {
			require.Equal(t, want, text(q), "a snapshot changed (seed %d)", seed)
		}
	}
}

// Two outboxes that were restored from one queue do not write over each other's
// reports, even if the queue has room behind it.
func TestRestoreTwice(t *testing.T) {
	queue := make([]ota.Report, 0, 8)
	queue = append(queue, ota.Report{Plan: "a", Seq: 1})
	one, two := reporter.Restore(queue), reporter.Restore(queue)
	one.Add(1, ota.Report{Plan: "a", Component: "one"})
	two.Add(1, ota.Report{Plan: "a", Component: "two"})
	assert.Equal(t, "one", one.Queue()[1].Component)
	assert.Equal(t, "two", two.Queue()[1].Component)
}

func TestPace(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var p reporter.Pace
	for _, c := range []struct {
		after time.Duration
		due   bool
	}{
		{0, true},
		{0, false},
		{999 * time.Millisecond, false},
		{time.Second, true},
		{1500 * time.Millisecond, false},
		{time.Hour, true},
		{-time.Hour, true}, // the clock was set back
		{-time.Hour + time.Second, true},
	} {
		assert.Equal(t, c.due, p.Due(start.Add(c.after)), "%s", c.after)
	}
}
