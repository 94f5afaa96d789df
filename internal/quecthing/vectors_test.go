package quecthing

import (
	"crypto/aes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// vector is what a function of the SDK made of an input: name, input, what it
// returned, what it made.
type vector []string

func readVectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var all []vector
	require.NoError(t, json.Unmarshal(text, &all))
	return all
}

// different names the vectors in which the codec differs from the SDK on purpose.
var different = map[string]string{
	"F76": "the SDK forgets an escape behind the command, and cannot read this itself",
	"F77": "the same", "F78": "the same",
	"D47": "the SDK's division is wrong in the last digit",
	"D44": "the SDK cuts integers to 32 bits", "D45": "the same", "D46": "the same",
	"M119": "a version may not have a separator", "M124": "its list depends on a vector that is not recorded",
}

func TestVectorsOfTheSDK(t *testing.T) {
	list := []Version(nil) // the version list of the M vectors, which build on each other
	for _, v := range readVectors(t) {
		id, kind, _ := strings.Cut(v[0], " ")
		t.Run(id, func(t *testing.T) {
			switch {
			case kind == "ttlv encode":
				require.Equal(t, v[3], hex.EncodeToString(itemsOf(t, v[1]).Encode()))
			case kind == "ttlv decode":
				testDecode(t, id, v)
			case kind == "frame encode":
				testEncodeFrame(t, id, v)
			case kind == "frame decode":
				testDecodeFrame(t, v)
			case id[0] == 'P':
				testPassword(t, kind, v)
			case id[0] == 'M':
				list = testVersions(t, id, kind, v[1], list)
			default:
				t.Fatalf("no test for vectors %q", kind)
			}
		})
	}
}

// itemsOf makes the items that the words of an input describe.
func itemsOf(t *testing.T, input string) Items {
	t.Helper()
	words := regexp.MustCompile(`^id (\d+) (int|float|text|bytes|empty text) ?(\S*)( \(.*\))?$`).FindStringSubmatch(input)
	if words == nil {
		return map[string]Items{
			"id 9 true, id 10 false": {Bool(9, true), Bool(10, false)},
			// the SDK's setter replaces; here are the items that it ends with
			"id 1=1, id 2=a, then id 1=300 (same id twice)": {Int(1, 300), Text(2, "a")},
			"id 28 array of two structs {4,7}": {List(28, Items{Text(4, "A"), Int(7, 0)},
				Items{Text(4, "B"), Int(7, 1)})},
		}[input]
	}
	number, err := strconv.ParseUint(words[1], 10, 16)
	require.NoError(t, err)
	id := uint16(number)
	switch words[2] {
	case "int":
		n, err := strconv.ParseInt(words[3], 10, 64)
		require.NoError(t, err)
		return Items{Int(id, n)}
	case "float":
		n, err := strconv.ParseFloat(words[3], 64)
		require.NoError(t, err)
		return Items{Float(id, n)}
	case "bytes":
		b, err := hex.DecodeString(words[3])
		require.NoError(t, err)
		return Items{Raw(id, b)}
	}
	return Items{Text(id, strings.Trim(words[3], `"`))}
}

func testDecode(t *testing.T, id string, v vector) {
	t.Helper()
	b, err := hex.DecodeString(v[2])
	require.NoError(t, err)
	items, err := DecodeItems(b)
	switch {
	case v[3] == "REJECTED (null)":
		require.Empty(t, items)
		require.Equal(t, len(b) > 0, err != nil)
	case different[id] != "":
		require.NotEqual(t, v[3], describe(items))
	default:
		require.NoError(t, err)
		require.Equal(t, v[3], describe(items))
	}
}

// describe puts items into the words of the vectors.
func describe(s Items) string {
	var words []string
	for i := range s {
		text := ""
		switch it := &s[i]; it.Kind {
		case False, True:
			text = strconv.FormatBool(it.Kind == True)
		case Number:
			if text = "float(" + strconv.FormatFloat(it.number.float(), 'g', 17, 64) + ")"; it.number.decimals == 0 {
				n, _ := it.number.int()
				text = fmt.Sprintf("int(%d)", n)
			}
		case Bytes:
			text = fmt.Sprintf("bytes(%d:%x,\"%s\")", len(it.Bytes), it.Bytes, Items{*it}.Text(it.ID))
			if len(it.Bytes) == 0 {
				text = "bytes(0:,asString=NULL)"
			}
		case Struct:
			text = "struct{" + describe(it.Items) + "}"
		}
		words = append(words, fmt.Sprintf("%d=%s", s[i].ID, text))
	}
	return strings.Join(words, " ")
}

func testEncodeFrame(t *testing.T, id string, v vector) {
	t.Helper()
	f := frameOf(t, v[1])
	b, err := f.Encode()
	require.NoError(t, err)
	if different[id] == "" {
		require.Equal(t, v[2], hex.EncodeToString(b))
	} else {
		require.NotEqual(t, v[2], hex.EncodeToString(b))
	}
	back, err := DecodeFrame(b)
	require.NoError(t, err)
	require.Equal(t, f, back)
}

// frameOf is the frame that the words of a vector describe.
func frameOf(t *testing.T, words string) (f Frame) {
	t.Helper()
	var payload string
	_, err := fmt.Sscanf(words, "pkgId=%x cmd=%x", &f.ID, &f.Command)
	require.NoError(t, err)
	_, payload, _ = strings.Cut(words, "payload=")
	f.Payload, err = hex.DecodeString(strings.TrimPrefix(payload, "(len 0)"))
	require.NoError(t, err)
	return f
}

func testDecodeFrame(t *testing.T, v vector) {
	t.Helper()
	b, err := hex.DecodeString(v[2])
	require.NoError(t, err)
	f, err := DecodeFrame(b)
	if v[3] == "REJECTED" {
		require.ErrorIs(t, err, ErrFrame)
		return
	}
	require.NoError(t, err)
	require.Equal(t, frameOf(t, v[3]), f)
}

func testPassword(t *testing.T, kind string, v vector) {
	t.Helper()
	const productSecret = "d2c5Q1FsVWpwT1k3" // of every recording that does not say another
	switch {
	case strings.HasPrefix(kind, "first contact"):
		p, err := ParsePassword(v[1])
		require.NoError(t, err)
		require.True(t, p.First)
		device, err := p.CheckFirst(productSecret)
		require.NoError(t, err)
		require.Equal(t, "866123456789012", device)
	case strings.HasPrefix(kind, "login"):
		_, secret, _ := strings.Cut(kind, "DS=")
		p, err := ParsePassword(v[1])
		require.NoError(t, err)
		require.NoError(t, p.CheckLogin(productSecret, secret))
		require.Equal(t, strings.Contains(kind, "session flag"), p.Session)
		require.Equal(t, v[1], LoginPassword(productSecret, secret, p.random, p.Session))
	default:
		block, err := aes.NewCipher([]byte("0123456789abcdef"))
		require.NoError(t, err)
		c := Cipher{block: block, iv: [aes.BlockSize]byte([]byte("fedcba9876543210"))}
		var size int
		_, err = fmt.Sscanf(kind, "payload cipher of %d", &size)
		require.NoError(t, err)
		sealed := c.Seal([]byte(strings.Repeat("x", size)))
		require.Equal(t, v[1], fmt.Sprintf("%d bytes %x", len(sealed), sealed))
		plain, err := c.Open(sealed)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("x", size), string(plain))
	}
}

// testVersions sets a version as the vector does. Some steps between the vectors are
// not recorded; their effect is in the lists that follow.
func testVersions(t *testing.T, id, kind, want string, list []Version) []Version {
	t.Helper()
	switch id {
	case "M116":
		list = ParseVersions("A:1;AB:2")
	case "M124":
		list = ParseVersions("B:1;x;BA:1;A:1:2")
	case "M126":
		list = ParseVersions("B:1;x;BA:1;A:1:2;aaaaaaaaaabbbbbbbbbbccccccccccdd:1")
	case "M130":
		list[len(list)-1].Version = "1"
	case "M131":
		for i := 1; i < 22; i++ {
			list, _ = SetVersion(list, fmt.Sprintf("comp%02d", i), "version_1234")
		}
	}
	words := regexp.MustCompile(`^set\((.*?),(.*)\) -> (\d)`).FindStringSubmatch(kind)
	require.NotNil(t, words, kind)
	after, err := SetVersion(list, words[1], words[2])
	if id == "M119" {
		require.Error(t, err, different[id])
		return ParseVersions("B:1;A:1;x")
	}
	require.Equal(t, words[3] == "1", err == nil, "%v", err)
	text := FormatVersions(after)
	if list, whole := strings.CutPrefix(want, "list="); whole {
		require.Equal(t, strings.Trim(list, `"`), text)
	} else {
		require.Equal(t, want, fmt.Sprintf("list length %d", len(text)))
	}
	return after
}
