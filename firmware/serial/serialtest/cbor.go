package serialtest

import "encoding/binary"

// What Zephyr's server writes of CBOR: maps and lists of indefinite length.

func open(body []byte, container byte) []byte { return append(body, container) }

func text(body []byte, s string) []byte {
	if len(s) > 23 {
		panic("the emulator has no text so long: " + s)
	}
	return append(append(body, 0x60|byte(len(s))), s...)
}

func number(body []byte, n int) []byte {
	if n < 24 {
		return append(body, byte(n))
	}
	return binary.BigEndian.AppendUint32(append(body, 0x1a), uint32(n))
}

func flag(body []byte, name string, value bool) []byte {
	if value {
		return append(text(body, name), 0xf5)
	}
	return append(text(body, name), 0xf4)
}

// failed is an answer with an error code.
func failed(code int) []byte {
	return append(text(text(number(text(open(nil, 0xbf), "rc"), code), "rsn"), "refused"), 0xff)
}

// parse reads a map of definite length, with numbers, texts, bytes (as string)
// and booleans. It returns what it got up to anything else.
func parse(b []byte) map[string]any {
	values := map[string]any{}
	if len(b) == 0 {
		return values
	}
	b = b[1:]
	var key string
	for named := false; len(b) > 0; named = !named {
		kind, n, rest := item(b)
		b = rest
		var value any = n
		switch kind {
		case 2, 3:
			if n > len(b) {
				return values
			}
			value, b = string(b[:n]), b[n:]
		case 7:
			value = n == 21
		}
		if named {
			values[key] = value
		} else {
			key, _ = value.(string)
		}
	}
	return values
}

func item(b []byte) (kind byte, n int, rest []byte) {
	kind, n, rest = b[0]>>5, int(b[0]&31), b[1:]
	if size := map[int]int{24: 1, 25: 2, 26: 4}[n]; size > 0 && len(rest) >= size {
		n = 0
		for _, c := range rest[:size] {
			n = n<<8 | int(c)
		}
		return kind, n, rest[size:]
	}
	return kind, n, rest
}
