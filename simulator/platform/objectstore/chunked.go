package objectstore

import (
	"bufio"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"
)

const (
	chunkLine    = 4 << 10  // bytes of a chunk's first line; S3 needs under 100
	chunkTrailer = 16 << 10 // bytes after the last chunk
	maxChunk     = 1 << 30  // bytes of one chunk
)

// chunkReader takes the framing of aws-chunked off a body:
//
//	<hex size>[;chunk-signature=<hex>]CRLF <bytes> CRLF … 0[;chunk-signature=<hex>]CRLF trailer
//
// The signature of a chunk is checked when the chunk has been read, so a
// caller must not use anything before the end. The trailer's checksums are not
// checked: they repeat what the signatures say.
type chunkReader struct {
	r      *bufio.Reader
	verify func(sum, signature string) bool // nil for unsigned chunks
	sum    hash.Hash                        // of the chunk so far, with verify

	left      int64  // bytes of the chunk to come
	signature string // of the chunk
	begun     bool
	err       error
}

// Read gives the bytes of the chunks. Its errors are io.EOF, a *failure, or
// the body's own.
func (c *chunkReader) Read(p []byte) (int, error) {
	for c.err == nil && c.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.verify != nil {
		c.sum.Write(p[:n])
	}
	if err != nil {
		c.err = cutShort(err)
	}
	return n, c.err
}

// next ends a chunk and begins another. An upload of no bytes may have no
// chunk at all.
func (c *chunkReader) next() error {
	if c.begun {
		if err := c.end(); err != nil {
			return err
		}
	} else if _, err := c.r.Peek(1); errors.Is(err, io.EOF) {
		return io.EOF
	}
	c.begun = true
	line, err := c.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	if c.left, err = strconv.ParseInt(size, 16, 64); err != nil || c.left < 0 || c.left > maxChunk || size[0] == '+' {
		return incompleteBody.saying("A chunk's size is invalid.")
	}
	c.signature, _ = strings.CutPrefix(extension, "chunk-signature=")
	if c.left > 0 {
		return nil
	}
	if err := c.check(); err != nil {
		return err
	}
	if n, err := io.CopyN(io.Discard, c.r, chunkTrailer+1); n > chunkTrailer {
		return incompleteBody.saying("The trailer is too long.")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return io.EOF
}

// end checks what follows a chunk's bytes.
func (c *chunkReader) end() error {
	line, err := c.line()
	switch {
	case err != nil:
		return err
	case line != "":
		return incompleteBody.saying("A chunk is longer than its size.")
	}
	return c.check()
}

// check compares the signature of the chunk that has been read.
func (c *chunkReader) check() error {
	if c.verify == nil {
		return nil
	}
	sum := hex.EncodeToString(c.sum.Sum(nil))
	c.sum.Reset()
	if !c.verify(sum, c.signature) {
		return signatureDoesNotMatch
	}
	return nil
}

func (c *chunkReader) line() (string, error) {
	line, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", incompleteBody.saying("A chunk's first line is too long.")
	case err != nil:
		return "", cutShort(err)
	}
	return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
}

// cutShort tells a body that ends too early from one that cannot be read.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return incompleteBody
	}
	return err
}

// chunkVerifier checks the signatures of the chunks that follow a signed
// request; each is made over the one before.
func (c Credentials) chunkVerifier(claimed claim) func(sum, signature string) bool {
	const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	previous := claimed.signature
	return func(sum, signature string) bool {
		want := c.mac(claimed.time, algorithm+"-PAYLOAD", claimed.time.Format(timeFormat), claimed.scope, previous, emptySum, sum)
		previous = signature
		return hmac.Equal([]byte(want), []byte(signature))
	}
}
