package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"
)

const (
	// partSize is the length of a part, in bytes: S3 takes no smaller ones than 5 MiB, and
	// some stores want all of one length.
	partSize = 8 << 20
	// maxParts is how many S3 takes of one file: so it has at most 80 GB.
	maxParts = 10_000
)

// upload is a file that is written piece by piece. A part is sent while the next one is
// filled. One that is shorter than a part is sent in one piece.
type upload struct {
	ctx  context.Context
	file *Place

	filling []byte
	sending []byte // the part on its way, whose memory the one after the next takes
	id      string // of the upload; empty before its first part is full
	parts   []minio.CompletePart
	sent    chan error // of the part on its way; nil if there is none
	err     error      // the first failure
}

// Create writes a file that grows while a run goes on. Whoever writes waits while two parts
// are not in the store yet.
func (p *Place) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	return &upload{ctx: context.WithoutCancel(ctx), file: p.below(name)}, nil
}

func (u *upload) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0 && u.err == nil; {
		n := min(len(rest), partSize-len(u.filling))
		u.filling = append(u.filling, rest[:n]...)
		if rest = rest[n:]; len(u.filling) == partSize {
			u.err = u.send()
		}
	}
	if u.err != nil {
		return 0, u.err
	}
	return len(p), nil
}

// send sends what is there as the next part, after the one before.
func (u *upload) send() error {
	if err := u.await(); err != nil {
		return err
	}
	if u.id == "" {
		err := u.file.store.retry(u.ctx, writing, func(ctx context.Context) (err error) {
			u.id, err = u.file.store.core.NewMultipartUpload(ctx, u.file.bucket, u.file.prefix, minio.PutObjectOptions{})
			return err
		})
		if err != nil {
			return u.file.explain(err, "s3:PutObject")
		}
	}
	number, data := len(u.parts)+1, u.filling
	if number > maxParts {
		return fmt.Errorf("%s: it would have more than %d bytes", u.file, maxParts*partSize)
	}
	u.parts = append(u.parts, minio.CompletePart{PartNumber: number})
	u.filling, u.sending = u.sending[:0], data
	u.sent = make(chan error, 1)
	go func() {
		tag, err := u.put(number, data)
		u.parts[number-1].ETag = tag // read behind sent
		u.sent <- err
	}()
	return nil
}

func (u *upload) put(number int, data []byte) (tag string, err error) {
	options := minio.PutObjectPartOptions{Sha256Hex: digest(data), DisableContentSha256: true}
	err = u.file.store.retry(u.ctx, writing, func(ctx context.Context) error {
		part, err := u.file.store.core.PutObjectPart(ctx, u.file.bucket, u.file.prefix, u.id, number,
			bytes.NewReader(data), int64(len(data)), options)
		tag = part.ETag
		return err
	})
	return tag, u.file.explain(err, "s3:PutObject")
}

// await waits for the part on its way.
func (u *upload) await() error {
	if u.sent == nil {
		return nil
	}
	err := <-u.sent
	u.sent = nil
	return err
}

// Close makes the file appear, whole. After a failure it is given up.
func (u *upload) Close() error {
	if u.err == nil && u.id == "" {
		err := u.file.put(u.ctx, u.filling, minio.PutObjectOptions{})
		return u.file.explain(err, "s3:PutObject")
	}
	if u.err == nil && len(u.filling) > 0 {
		u.err = u.send()
	}
	if err := u.await(); u.err == nil {
		u.err = err
	}
	if u.err == nil {
		u.err = u.complete()
	}
	if u.err != nil && u.id != "" {
		u.abort()
	}
	return u.err
}

// complete puts the parts together. If it is done already, an answer was lost.
func (u *upload) complete() error {
	err := u.file.store.retry(u.ctx, writing, func(ctx context.Context) error {
		_, err := u.file.store.core.CompleteMultipartUpload(ctx, u.file.bucket, u.file.prefix, u.id, u.parts,
			minio.PutObjectOptions{})
		var response minio.ErrorResponse
		if errors.As(err, &response) && response.Code == "NoSuchUpload" && u.isThere(ctx) {
			return nil
		}
		return err
	})
	return u.file.explain(err, "s3:PutObject")
}

// isThere reports whether the file is there whose parts these are.
func (u *upload) isThere(ctx context.Context) bool {
	object, err := u.file.store.core.StatObject(ctx, u.file.bucket, u.file.prefix, minio.StatObjectOptions{})
	return err == nil && object.Size > int64(len(u.parts)-1)*partSize && object.Size <= int64(len(u.parts))*partSize
}

// abort lets the store forget the parts. If it does not, a rule of the bucket may.
func (u *upload) abort() {
	ctx, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	_ = u.file.store.core.AbortMultipartUpload(ctx, u.file.bucket, u.file.prefix, u.id)
}
