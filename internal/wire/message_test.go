package wire_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// malformed is a message that must be refused, and words that the refusal must
// have.
type malformed struct {
	name    string
	payload string
	want    []string
}

// edited takes a golden message and replaces one part of it by another.
func edited(t *testing.T, payload []byte, old, replacement string) string {
	t.Helper()
	require.Contains(t, string(payload), old)
	return strings.Replace(string(payload), old, replacement, 1)
}

func requireInvalid(t *testing.T, err error, want ...string) *wire.Invalid {
	t.Helper()
	var invalid *wire.Invalid
	require.ErrorAs(t, err, &invalid)
	require.NotEmpty(t, invalid.Problems)
	assert.Less(t, len(err.Error()), 4<<10)
	for _, w := range want {
		assert.Contains(t, err.Error(), w)
	}
	return invalid
}

// decoders reads every kind of message, and the two forms that are no message.
func decoders() map[string]func([]byte) error {
	all := map[string]func([]byte) error{
		"manifest": func(p []byte) error { _, err := wire.DecodeManifest(p); return err },
		"envelope": func(p []byte) error { _, err := wire.DecodeEnvelope(p); return err },
	}
	for _, kind := range []string{"inventory", "decision", "status", "progress", "fetch", "offline"} {
		all[kind] = func(p []byte) error { _, err := wire.DecodeUp(kind, p); return err }
	}
	for _, kind := range []string{"plan", "package", "ack", "none", "terminate"} {
		all[kind] = func(p []byte) error { _, err := wire.DecodeDown(kind, p); return err }
	}
	return all
}

func TestEveryKindRefusesWhatIsNoMessage(t *testing.T) {
	cases := []malformed{
		{"empty", ``, []string{"must be a JSON object"}},
		{"blank", "  \n", []string{"must be a JSON object"}},
		{"null", `null`, []string{"must be a JSON object"}},
		{"list", `[{}]`, []string{"must be a JSON object"}},
		{"number", `17`, []string{"must be a JSON object"}},
		{"cut short", `{"plan":"p-17"`, []string{"must be JSON"}},
		{"string without end", `{"plan":"p-17`, []string{"must be JSON"}},
		{"ends in an escape", `{"plan":"\`, []string{"must be JSON"}},
		{"trailing garbage", `{}{}`, []string{"must be JSON"}},
		{"trailing word", `{} x`, []string{"must be JSON"}},
		{"closes too often", `{}}}]`, []string{"must be JSON"}},
		{"byte order mark", "\ufeff{}", []string{"must be a JSON object"}},
		{"not a number", `{"attempt":NaN}`, []string{"must be JSON"}},
		{"infinite", `{"attempt":Infinity}`, []string{"must be JSON"}},
		{"comment", `{/* */}`, []string{"must be JSON"}},
		{"invalid UTF-8", "{\"plan\":\"\xff\"}", []string{"valid UTF-8"}},
		{"too large", `{"x":"` + strings.Repeat("x", ota.MaxPayload) + `"}`, []string{"1 MiB"}},
		{"too deep", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, []string{"deeper"}},
		{"deep and unclosed", strings.Repeat(`{"x":`, 200000), []string{"deeper"}},
		{"too many values", `{"x":[` + strings.Repeat("{},", 5000) + `{}]}`, []string{"4096 values"}},
	}
	for kind, decode := range decoders() {
		for _, c := range cases {
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				invalid := requireInvalid(t, decode([]byte(c.payload)), c.want...)
				assert.Equal(t, kind, invalid.Kind)
				assert.Empty(t, invalid.Plan)
			})
		}
	}
}

func TestEveryKindButOfflineRefusesAnEmptyObject(t *testing.T) {
	for kind, decode := range decoders() {
		err := decode([]byte(`{}`))
		if kind == "offline" {
			assert.NoError(t, err)
			continue
		}
		requireInvalid(t, err, "invalid "+kind+": ")
	}
}

func TestEveryKindBearsWrongTypes(t *testing.T) {
	fields := []string{
		"time", "plan", "attempt", "seq", "component", "components", "status", "error", "accept", "reason", "retry_at",
		"battery", "rssi", "free_bytes", "running", "phase", "done", "conditions", "ends", "files", "manifest", "payload",
		"signatures", "hardware", "created", "release", "product",
	}
	values := []string{`null`, `true`, `-1`, `1e999`, `0.5`, `""`, `"\ud800"`, `[]`, `[1,"x",null,{}]`, `{}`,
		`{"plan":{}}`}
	for kind, decode := range decoders() {
		for _, field := range fields {
			for _, value := range values {
				payload := fmt.Sprintf(`{%q:%s,"components":[%s],"files":[%s]}`, field, value, value, value)
				if err := decode([]byte(payload)); err != nil {
					requireInvalid(t, err)
				} else {
					assert.Equal(t, "offline", kind, payload)
				}
			}
		}
	}
}

func TestAMessageReportsAllItsFaults(t *testing.T) {
	_, err := wire.DecodeDown("plan", []byte(`{"time":"yesterday","plan":"p-17","attempt":2,"mode":"loud","ends":7,
		"components":[{"id":"../etc","type":"module","package":"full","target":"","size":-1},
		              {"id":"motor","type":"robot","package":"delta","target":"2"}]}`))
	invalid := requireInvalid(t, err)
	assert.Equal(t, &wire.Invalid{Kind: "plan", Plan: "p-17", Attempt: 2, Problems: []string{
		"ends: must not be of the JSON type number",
		"time: must be an RFC 3339 time of the years 1970 to 9999",
		"mode: must be silent or manual",
		"ends: must be an RFC 3339 time of the years 1970 to 9999",
		"components[0].id: must be 1 to 32 characters of A-Z a-z 0-9 _ . -, not . or ..",
		"components[0].target: must be 1 to 64 printable characters",
		"components[0].size: must be a number of bytes from 0 to 5 TiB",
		"components[1].type: must be module or mcu",
		"components[1].sources: must be exactly one version for a delta",
	}}, invalid)
}

func TestAReportOfFaultsIsBoundedAndRepeatsNothing(t *testing.T) {
	const secret = "attacker-controlled"
	long := strings.Repeat(secret, 1000)
	component := fmt.Sprintf(`{"id":%q,"type":%q,"package":%q,"target":%q,"size":-1}`, long, long, long, long)
	_, err := wire.DecodeDown("plan", fmt.Appendf(nil, `{"plan":%q,"attempt":1%s,"components":[%s]}`,
		long, strings.Repeat("0", 5000), strings.Repeat(component+",", 9)+component))
	invalid := requireInvalid(t, err, "more")
	assert.NotContains(t, err.Error(), secret)
	assert.NotContains(t, err.Error(), "000000")
	assert.Empty(t, invalid.Plan)
	assert.Zero(t, invalid.Attempt)
}

func TestUnknownKindsAreRefused(t *testing.T) {
	for _, kind := range []string{"", "plan", "Status", "status/x", strings.Repeat("k", 1<<16)} {
		_, err := wire.DecodeUp(kind, []byte(`{}`))
		requireInvalid(t, err, "unknown")
	}
	_, err := wire.DecodeDown("status", []byte(`{}`))
	requireInvalid(t, err, "unknown")
	_, _, err = wire.EncodeUp(nil)
	assert.EqualError(t, err, "cannot encode a <nil> for the platform")
	_, _, err = wire.EncodeDown(nil)
	assert.EqualError(t, err, "cannot encode a <nil> for a device")
}

func TestWhatIsRefusedIsNotSentEither(t *testing.T) {
	r := report()
	r.Plan, r.Seq = "../p-17", 0
	_, payload, err := wire.EncodeUp(r)
	assert.Nil(t, payload)
	requireInvalid(t, err, "plan: ", "seq: ")

	p := address(t)
	p.Envelope.Payload = bytes.Repeat([]byte{'x'}, ota.MaxPayload)
	_, _, err = wire.EncodeDown(p)
	requireInvalid(t, err, "1 MiB")
}

func TestUnknownFieldsAndRepeatedFieldsAreBorne(t *testing.T) {
	got, err := wire.DecodeDown(
		"ack", []byte(` {"plan":"p-1","later":{"a":[1,{"b":"\"}]"}]},"seq":4,"plan":"p-2","seq":5} `))
	require.NoError(t, err)
	assert.Equal(t, &ota.Ack{Plan: "p-2", Seq: 5}, got)
}

func TestTimesBecomeUTCWithMilliseconds(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2026-11-23T10:00:00.25Z":          at(0),
		"2026-11-23T12:00:00.250999+02:00": at(0),
		"1970-01-01T00:00:00Z":             time.Unix(0, 0).UTC(),
	} {
		got, err := wire.DecodeDown("none", fmt.Appendf(nil, `{"time":%q,"reason":"ended"}`, text))
		require.NoError(t, err, text)
		assert.Equal(t, &ota.NoPlan{Time: want, Reason: ota.NoPlanEnded}, got)
	}
	for _, text := range []string{
		"", "now", "2026-11-23", "2026-11-23 10:00:00Z", "2026-11-23T10:00:00", "2026-02-30T10:00:00Z",
		"2026-11-23T24:00:00Z",
		"1969-12-31T23:59:59Z", "1970-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00Z",
		"12026-11-23T10:00:00Z",
	} {
		_, err := wire.DecodeDown("none", fmt.Appendf(nil, `{"time":%q,"reason":"ended"}`, text))
		requireInvalid(t, err, "time: must be an RFC 3339 time")
	}
}

func TestTimesOfOtherZonesAreWrittenInUTC(t *testing.T) {
	zone := time.FixedZone("east", 2*60*60)
	_, payload, err := wire.EncodeDown(&ota.NoPlan{Time: at(0).Add(999 * time.Microsecond).In(zone),
		Reason: ota.NoPlanEnded})
	require.NoError(t, err)
	assert.JSONEq(t, `{"time":"2026-11-23T10:00:00.250Z","reason":"ended"}`, string(payload))
}

func TestDetailsAreCutBetweenCharacters(t *testing.T) {
	for name, detail := range map[string]string{
		"fits":          strings.Repeat("x", ota.MaxDetail),
		"too long":      strings.Repeat("x", ota.MaxDetail+1),
		"two bytes":     "x" + strings.Repeat("ü", ota.MaxDetail),
		"four bytes":    "xxx" + strings.Repeat("😀", ota.MaxDetail),
		"invalid UTF-8": strings.Repeat("a\xff", ota.MaxDetail),
	} {
		t.Run(name, func(t *testing.T) {
			r := failedReport()
			r.Failure = &ota.Failure{Code: ota.InstallerFailed, Detail: detail}
			kind, payload, err := wire.EncodeUp(r)
			require.NoError(t, err)
			decoded, err := wire.DecodeUp(kind, payload)
			require.NoError(t, err)
			got := decoded.(*ota.Report).Failure.Detail
			assert.True(t, utf8.ValidString(got))
			assert.LessOrEqual(t, len(got), ota.MaxDetail)
			assert.Greater(t, len(got), ota.MaxDetail-2*utf8.UTFMax)
			whole := strings.ToValidUTF8(detail, "\uFFFD")
			head, tail, cut := strings.Cut(got, " … ")
			assert.Equal(t, len(whole) > ota.MaxDetail, cut)
			assert.True(t, strings.HasPrefix(whole, head))
			assert.True(t, strings.HasSuffix(whole, tail), "its end, which says most")
		})
	}
	long := "begins " + strings.Repeat("x", 3*ota.MaxDetail) + " ends"
	assert.Equal(t, ota.Clip(long, ota.MaxDetail), detailOf(t, long), "a longer one from elsewhere is cut, too")
}

func detailOf(t *testing.T, detail string) string {
	t.Helper()
	m, err := wire.DecodeUp("decision", fmt.Appendf(nil,
		`{"time":"2026-11-23T10:00:00Z","plan":"p","attempt":1,"accept":false,"reason":"busy","detail":%q}`, detail))
	require.NoError(t, err)
	return m.(*ota.Decision).Detail
}

func TestQualityOfService(t *testing.T) {
	for _, g := range upMessages() {
		want := byte(1)
		if g.kind == wire.KindProgress {
			want = 0
		}
		assert.Equal(t, want, wire.QoS(g.kind), g.kind)
	}
	assert.Equal(t, byte(1), wire.QoS(wire.KindPlan))
}

func TestInvalidIsOneLine(t *testing.T) {
	err := &wire.Invalid{Kind: "plan", Problems: []string{"a: b", "c: d"}}
	assert.EqualError(t, err, "invalid plan: a: b; c: d")
}
