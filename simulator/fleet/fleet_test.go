package fleet_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/yamlform"
	"otafleet/simulator/fleet"
)

func TestParse(t *testing.T) {
	text := "\ufeffkey,fleet,product,hardware,version.app,version.mcu-1,tags,username,password_file,token," +
		"cert_file,key_file\r\n" +
		"gw-1,gateways,gw-200,B,1.0.0,,pilot berlin pilot,gw-one,secrets/1,,gw-1.crt,gw-1.key\r\n" +
		"\r\n" +
		"\"gw-2\",,,,1.0.0,,,,,tok,,\r\n"
	f, err := fleet.Parse("fleet.csv", []byte(text))
	require.NoError(t, err)
	assert.Equal(t, &fleet.File{
		Name: "fleet.csv", Components: []string{"app", "mcu-1"},
		Devices: []fleet.Device{
			{Line: 2, Key: "gw-1", Fleet: "gateways", Product: "gw-200", Hardware: "B", Versions: []string{"1.0.0", ""},
				Tags: []string{"berlin", "pilot"}, Login: &fleet.Login{Username: "gw-one", PasswordFile: "secrets/1",
					CertFile: "gw-1.crt", KeyFile: "gw-1.key"}},
			{Line: 4, Key: "gw-2", Versions: []string{"1.0.0", ""}, Login: &fleet.Login{Token: "tok"}},
		},
	}, f)
	first := &f.Devices[0]
	assert.Equal(t, "1.0.0", f.Of(first, "app"))
	assert.Empty(t, f.Of(first, "mcu-1"))
	assert.Empty(t, f.Of(first, "other"))
	assert.Equal(t, "gateways", first.Group())
	assert.True(t, first.Tagged("pilot"))
	assert.False(t, first.Tagged("munich"))
	assert.NotContains(t, string(f.Public().Text()), "tok")
	assert.Equal(t, "tok", f.Devices[1].Login.Token, "the file itself stays as it was")
}

// TestMistakes names every mistake with its place, and no secret.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"": "f:1:1: is empty; want a line with the names of the columns, such as key,product,version.app",
		"key,versoin.app,version.,key,zone\n": `f:1:5: versoin.app: is not a column; did you mean "version.app"?` + "\n" +
			"f:1:17: version.: names no component; want version. and 1 to 32 characters of A-Z a-z 0-9 _ . -\n" +
			"f:1:26: key: is there twice\nf:1:30: zone: is not a column; want one of version.app, key, fleet, product, " +
			"hardware, tags, username, password, password_file, token, token_file, cert_file, key_file",
		"keys\na\n": "f:1:1: key: is missing: want a column with the keys of the devices\n" +
			`f:1:1: keys: is not a column; did you mean "key"?`,
		"key\n": "f:1:1: names no device: want a line for each below the names of the columns",
		"key,product\na b,p\n,p\ng,p,q\nh,ä\n": `f:2:1: key: "a b" is not valid; want 1 to 64 characters of A-Z a-z 0-9 _ -` +
			"\nf:3:1: key: is empty; want the device's key\nf:4:1: has 3 values, and the header names 2 columns\n" +
			`f:5:3: product: "ä" is not valid; want 1 to 64 characters of A-Z a-z 0-9 _ -`,
		"key\na\nb\na\n":              "f:4:1: key: a is on line 2 already; keys are unique",
		"key,password\na,s\x01cret\n": "f:2:3: password: want 1 to 1024 bytes of text without control characters",
		"key,password,password_file,cert_file\na,geheim,f,c\n": "f:2:1: password_file: want either the password or " +
			"the file that holds it\nf:2:1: cert_file: want both a certificate and its key, in cert_file and key_file, or none",
		"key,token,token_file\na,geheim,f\n":            "f:2:1: token_file: want either the token or the file that holds it",
		"key,product\na,\"p\nb,p\n":                     "f:3:5: extraneous or missing \" in quoted-field",
		"key,tags\na," + strings.Repeat("x", 65) + "\n": "is not a tag",
		"key,tags\na," + strings.Repeat("x y", 17):      "want at most 16",
	} {
		_, err := fleet.Parse("f", []byte(text))
		require.Error(t, err, text)
		for _, line := range strings.Split(want, "\n") {
			assert.ErrorContains(t, err, line, text)
		}
		assert.NotContains(t, err.Error(), "geheim")
		assert.NotContains(t, err.Error(), "cret\n")
	}
}

// TestManyMistakes are counted, and no more than some are kept.
func TestManyMistakes(t *testing.T) {
	_, err := fleet.Parse("f", []byte("key\n"+strings.Repeat("a b\n", 1000)))
	var all *yamlform.Error
	require.ErrorAs(t, err, &all)
	assert.Len(t, all.Problems, yamlform.MaxProblems)
	assert.Greater(t, all.More, 800)
}

func TestBounds(t *testing.T) {
	_, err := fleet.Parse("f", make([]byte, fleet.MaxBytes+1))
	require.ErrorContains(t, err, "want at most 268435456")
	header := "key"
	for i := range 21 {
		header += fmt.Sprintf(",version.c%d", i)
	}
	_, err = fleet.Parse("f", []byte(header+"\n"))
	assert.ErrorContains(t, err, "a device has at most 20 components")
	var b bytes.Buffer
	b.WriteString("key\n")
	for i := range fleet.MaxDevices + 1 {
		fmt.Fprintf(&b, "d%d\n", i)
	}
	_, err = fleet.Parse("f", b.Bytes())
	assert.ErrorContains(t, err, "f:1000002:1: is one device too many; want at most 1000000")
}

// FuzzParse holds that no text breaks the parser, and that what it takes is written
// and read again as it was.
func FuzzParse(f *testing.F) {
	f.Add([]byte("key,product,version.app,tags,username,password\nd-1,p,1.0.0,a b,\"u,1\",\"s\"\"1\"\n"))
	f.Add([]byte("\ufeffkey,token_file,cert_file,key_file\r\nd,t,c,k\r\n"))
	f.Add([]byte("key\n\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := fleet.Parse("f", data)
		if err != nil {
			return
		}
		again, err := fleet.Parse("f", file.Text())
		require.NoError(t, err)
		for i := range file.Devices {
			file.Devices[i].Line = again.Devices[i].Line
		}
		assert.Equal(t, file.Components, again.Components)
		assert.Equal(t, len(file.Devices), len(again.Devices))
		assert.Equal(t, file.Text(), again.Text())
	})
}
