package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

func down(t *testing.T, m ota.Down) []byte {
	t.Helper()
	_, payload, err := wire.EncodeDown(m)
	require.NoError(t, err)
	return payload
}

func TestPlanIsChecked(t *testing.T) {
	component := `{"id":"x","type":"mcu","package":"full","target":"1"},`
	checkEdits(t, "plan", down(t, plan()), []edit{
		{"no time", `"time"`, `"sent"`, "time: must be"},
		{"id leaves its directory", `"plan":"p-17"`, `"plan":"../../etc/passwd"`, "plan: must be"},
		{"id with dots", `"plan":"p-17"`, `"plan":"spring.2026"`, ""},
		{"name too long", `Frühling`, strings.Repeat("ü", 101), "name: must be at most 100"},
		{"name just fits", `Frühling`, strings.Repeat("ü", 100), ""},
		{"name rings a bell", `Frühling`, `\u0007`, "name: must be"},
		{"attempt 0", `"attempt":1`, `"attempt":0`, "attempt: must be"},
		{"attempt negative", `"attempt":1`, `"attempt":-1`, "attempt: must be"},
		{"mode", `silent`, `loud`, "mode: must be"},
		{"never ends", `"ends":"2026-12-01T00:00:00.000Z",`, ``, "ends: must be"},
		{"ends at no time", `2026-12-01T`, `2026-13-01T`, "ends: must be"},
		{"unknown answer to failure", `"on_failure":"stop"`, `"on_failure":"panic"`, "on_failure: must be"},
		{"battery", `"min_battery":30`, `"min_battery":300`, "conditions.min_battery: must be"},
		{"signal", `"min_rssi":-95`, `"min_rssi":-950`, "conditions.min_rssi: must be"},
		{"signal in words", `"min_rssi":-95`, `"min_rssi":"good"`,
			"conditions.min_rssi: must not be of the JSON type string"},
		{"space negative", `"space":10485760`, `"space":-1`, "conditions.space: must be"},
		{"no conditions", `"conditions":`, `"circumstances":`, ""},
		{"conditions are a list", `"conditions":{`, `"conditions":[],"other":{`,
			"conditions: must not be of the JSON type array"},
		{"no components", `"components":[`, `"components":[],"other":[`, "components: must have 1 to 20 items"},
		{"too many components", `"components":[`, `"components":[` + strings.Repeat(component, 19),
			"components: must have 1 to 20 items"},
		{"component twice", `"id":"motor"`, `"id":"rootfs"`, "components[1].id: must not stand twice"},
		{"component id", `"id":"motor"`, `"id":"mot\u0000r"`, "components[1].id: must be"},
		{"component is null", `"components":[`, `"components":[null,`, "components[0].id: must be"},
		{"component type", `"type":"mcu"`, `"type":"MCU"`, "components[1].type: must be"},
		{"package kind", `"package":"full"`, `"package":"half"`, "components[0].package: must be"},
		{"delta from nowhere", `"sources":["3_0"],`, ``, "components[1].sources: must be exactly one"},
		{"delta from two", `["3_0"]`, `["3_0","2_9"]`, "components[1].sources: must be exactly one"},
		{"delta from nothing", `["3_0"]`, `[""]`, "components[1].sources[0].version: must be"},
		{"full from anything", `"sources":["1.0.0"],`, ``, ""},
		{"full from nothing", `"sources":["1.0.0"],`, `"sources":[],`, ""},
		{"full from eight", `["1.0.0"]`, `["1","2","3","4","5","6","7","8"]`, ""},
		{"full from nine", `["1.0.0"]`, `["1","2","3","4","5","6","7","8","9"]`, "components[0].sources: must be at most 8"},
		{"no target", `"target":"1.1.0"`, `"target":""`, "components[0].target: must be"},
		{"size negative", `"size":4096`, `"size":-4096`, "components[1].size: must be"},
		{"size not a number", `"size":4096`, `"size":NaN`, "must be JSON"},
		{"size beyond a package", `"size":4096`, `"size":6000000000000`, "components[1].size: must be"},
	})
}

func TestAPlanStopsOnFailureUnlessItSaysOtherwise(t *testing.T) {
	got, err := wire.DecodeDown("plan", []byte(edited(t, down(t, plan()), `"on_failure":"stop",`, ``)))
	require.NoError(t, err)
	assert.Equal(t, plan(), got)
}

func TestPackageIsChecked(t *testing.T) {
	file := `{"name":"x","urls":["https://a"]},`
	checkEdits(t, "package", down(t, address(t)), []edit{
		{"no component", `"component":"rootfs"`, `"component":""`, "component: must be"},
		{"attempt 0", `"attempt":1`, `"attempt":0`, "attempt: must be"},
		{"no manifest", `"manifest":`, `"list":`, "manifest: must be a DSSE envelope"},
		{"manifest is a word", `"manifest":{`, `"manifest":"x","other":{`, "manifest: must not be of the JSON type string"},
		{"manifest of another type is for Open", `vnd.ota.manifest.v1`, `vnd.other`, ""},
		{"payload is not base64", `"payload":"`, `"payload":"§`, "manifest.payload: must be base64"},
		{"no payload", `"payload":"`, `"other":"`, "manifest.payload: must be base64"},
		{"signature is not base64", `"sig":"`, `"sig":"*`, "manifest.signatures[0].sig: must be base64"},
		{"key id is a book", `"keyid":"`, `"keyid":"` + strings.Repeat("a", 65),
			"manifest.signatures[0].keyid: must be at most 128"},
		{"unsigned is for Open", `"signatures":`, `"others":`, ""},
		{"too many signatures", `"signatures":[`, `"signatures":[` + strings.Repeat(`{"sig":"AAAA"},`, 16),
			"manifest.signatures: must have 0 to 16 items"},
		{"no files", `"files":[`, `"files":[],"others":[`, "files: must have 1 to 5 items"},
		{"too many files", `"files":[`, `"files":[` + strings.Repeat(file, 4), "files: must have 1 to 5 items"},
		{"file leaves its directory", `"name":"rootfs.img"`, `"name":"../rootfs.img"`, "files[0].name: must be"},
		{"file is the directory", `"name":"rootfs.img"`, `"name":".."`, "files[0].name: must be"},
		{"file with an end of string", `"name":"rootfs.img"`, `"name":"rootfs.img\u0000.txt"`, "files[0].name: must be"},
		{"file name too long", `"name":"rootfs.img"`, `"name":"` + strings.Repeat("a", 129) + `"`, "files[0].name: must be"},
		{"file twice", `"name":"app.zst"`, `"name":"rootfs.img"`, "files[1].name: must not stand twice"},
		{"no address", `["http://127.0.0.1:8080/app.zst"]`, `[]`, "files[1].urls: must have 1 to 16 items"},
		{"address of a file", `http://127.0.0.1:8080/app.zst`, `file:///etc/passwd`, "files[1].urls[0].url: must be"},
		{"address by ftp", `http://`, `ftp://`, "files[1].urls[0].url: must be"},
		{"address in capitals", `http://`, `HTTP://`, ""},
		{"address without a host", `http://127.0.0.1:8080/`, `http:///`, "files[1].urls[0].url: must be"},
		{"address without a scheme", `http://127.0.0.1:8080/`, `//127.0.0.1/`, "files[1].urls[0].url: must be"},
		{"address with a line end", `http://127.0.0.1:8080/`, `http://127.0.0.1:8080/\n`, "files[1].urls[0].url: must be"},
		{"address too long", `http://127.0.0.1:8080/`, `http://127.0.0.1:8080/` + strings.Repeat("a", ota.MaxURL),
			"files[1].urls[0].url: must be"},
		{"second address", `s3://bucket`, `gopher://bucket`, "files[0].urls[1].url: must be"},
		{"expires at no time", `"expires":"`, `"expires":"x`, "files[0].expires: must be"},
		{"expires by number", `"expires":"2026-11-23T10:00:50.250Z"`, `"expires":1795428050`,
			"files.expires: must not be of the JSON type number"},
	})
}

func TestAPackageHasAtMostSixteenAddresses(t *testing.T) {
	p := address(t)
	p.Files[0].URLs = make([]string, ota.MaxURLs+1)
	for i := range p.Files[0].URLs {
		p.Files[0].URLs[i] = "https://oss.example.com/rootfs.img"
	}
	_, _, err := wire.EncodeDown(p)
	requireInvalid(t, err, "files[0].urls: must have 1 to 16 items")
	p.Files[0].URLs = p.Files[0].URLs[1:]
	down(t, p)
}

func TestAckIsChecked(t *testing.T) {
	checkEdits(t, "ack", down(t, &ota.Ack{Plan: "p-17", Seq: 5}), []edit{
		{"no plan", `"p-17"`, `""`, "plan: must be"},
		{"seq 0", `5`, `0`, "seq: must be"},
		{"seq negative", `5`, `-5`, "seq: must be"},
		{"seq too large", `5`, `5e30`, "seq: must not be of the JSON type number"},
	})
}

func TestNoneIsChecked(t *testing.T) {
	checkEdits(t, "none", down(t, &ota.NoPlan{Time: at(0), Reason: ota.NoPlanAwaitingUser}), []edit{
		{"known reason", `awaiting_user`, `outside_push_period`, ""},
		{"unknown reason", `awaiting_user`, `awaiting_godot`, "reason: must be"},
		{"no time", `"time"`, `"date"`, "time: must be"},
	})
}

func TestTerminateIsChecked(t *testing.T) {
	checkEdits(t, "terminate", down(t, &ota.Termination{Time: at(0), Plan: "p-17", Reason: ota.Ended}), []edit{
		{"known reason", `"ended"`, `"terminated"`, ""},
		{"unknown reason", `"ended"`, `"forgotten"`, "reason: must be"},
		{"no plan", `"p-17"`, `17`, "plan: must not be of the JSON type number"},
	})
}
