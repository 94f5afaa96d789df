package bucket

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

// download reads a file from its beginning to its end. Where a connection breaks, it goes
// on behind what it has.
type download struct {
	ctx  context.Context
	file *Place

	body    io.ReadCloser
	cancel  context.CancelFunc // ends the request of body
	idle    *time.Timer        // does so when nothing comes
	tag     string             // of the file: another one would not go on with it
	offset  int64              // of what comes next
	retries int                // since something came
}

// Open reads a file.
func (p *Place) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	d := &download{ctx: ctx, file: p.below(name)}
	if err := d.connect(); err != nil {
		return nil, err
	}
	return d, nil
}

// connect asks for the file from offset on.
func (d *download) connect() error {
	err := d.file.store.retry(d.ctx, reading, func(context.Context) error {
		var options minio.GetObjectOptions
		if d.offset > 0 {
			if err := errors.Join(options.SetRange(d.offset, 0), options.SetMatchETag(d.tag)); err != nil {
				return err
			}
		}
		ctx, cancel := context.WithCancel(d.ctx) // it goes on behind this function
		idle := time.AfterFunc(patience, cancel)
		body, object, _, err := d.file.store.core.GetObject(ctx, d.file.bucket, d.file.prefix, options)
		if err != nil {
			idle.Stop()
			cancel()
			return err
		}
		d.body, d.cancel, d.idle, d.tag = body, cancel, idle, object.ETag
		return nil
	})
	return d.file.explain(err, "s3:GetObject")
}

func (d *download) Read(p []byte) (int, error) {
	for {
		d.idle.Reset(patience)
		n, err := d.body.Read(p)
		d.idle.Stop()
		d.offset += int64(n)
		if n > 0 {
			d.retries = 0
			return n, nil // an error comes again
		}
		if err == nil || errors.Is(err, io.EOF) {
			return 0, err
		}
		if d.ctx.Err() != nil {
			return 0, d.ctx.Err()
		}
		if d.retries++; d.retries > len(d.file.store.pauses(reading)) {
			return 0, d.file.explain(err, "s3:GetObject")
		}
		d.release()
		if err := d.connect(); err != nil {
			return 0, err
		}
	}
}

func (d *download) release() {
	d.idle.Stop()
	_ = d.body.Close() // it has failed, or is not read on
	d.cancel()
}

// Close lets go of the connection.
func (d *download) Close() error {
	d.release()
	return nil
}
