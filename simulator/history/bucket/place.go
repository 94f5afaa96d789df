// Package bucket is a place for the records of runs in a store that speaks S3: what a
// bucket has under a prefix. It is the only adapter of minio-go's client.
//
// One flow through it: Open takes an address (s3://bucket/prefix) and what the environment
// says of the store and of who may use it; package history writes its files through the
// Place, the one of events in parts, while the run goes on; later it lists them and reads
// them back. What fails for a while is tried again, a bounded number of times; what does
// not mend by itself is a Refusal, which says what to do.
//
// A file is written once: small ones only if there is none yet, so that of two processes
// that record the same shard one gets the place. The package holds two parts of an upload
// in memory and no file, takes answers of bounded length, and knows neither versions nor
// access lists. It deletes nothing but parts of an upload that it gives up; those of a
// process that was killed are for a rule of the bucket.
package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"otafleet/simulator/history"
)

// Scheme is how the address of a place in a bucket begins.
const Scheme = "s3://"

const (
	maxPrefix = 900     // bytes: a key has 1024, the names of a record's files included
	maxNames  = 100_000 // that are listed of one place
)

// Place is a prefix in a bucket, a history.Place.
type Place struct {
	store  *store
	bucket string
	prefix string // without a slash at its end; empty for the whole bucket
}

// Open makes the place of an address; env is os.Getenv or one like it. Nothing is asked of
// the store yet. The variables are those that are common to programs that speak S3:
//
//	AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL     where the store is; empty means Amazon's
//	AWS_REGION, AWS_DEFAULT_REGION            empty means us-east-1
//	AWS_CA_BUNDLE                             file with the authorities of its certificate
//	AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//
// Without keys in the environment, they come from what gives them to a container
// (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_CREDENTIALS_…), or from the files of the
// user (~/.aws, AWS_PROFILE).
func Open(address string, env func(string) string) (*Place, error) {
	if host, _, _ := strings.Cut(strings.TrimPrefix(address, Scheme), "/"); strings.Contains(host, "@") {
		return nil, errors.New("the address of a bucket has no credentials in it: give them by AWS_ACCESS_KEY_ID and " +
			"AWS_SECRET_ACCESS_KEY")
	}
	bucket, prefix, err := parse(address)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", address, err)
	}
	s, err := newStore(env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return &Place{store: s, bucket: bucket, prefix: prefix}, nil
}

// parse takes an address apart.
func parse(address string) (bucket, prefix string, err error) {
	rest, is := strings.CutPrefix(address, Scheme)
	if !is {
		return "", "", fmt.Errorf("want %sBUCKET/PREFIX", Scheme)
	}
	bucket, prefix, _ = strings.Cut(rest, "/")
	if err := s3utils.CheckValidBucketNameStrict(bucket); err != nil {
		return "", "", fmt.Errorf("the bucket: %w", err)
	}
	if prefix == "" {
		return bucket, "", nil
	}
	prefix = strings.TrimSuffix(prefix, "/")
	if len(prefix) > maxPrefix {
		return "", "", fmt.Errorf("the prefix has more than %d bytes", maxPrefix)
	}
	if strings.ContainsAny(prefix, "?#\\") || !fs.ValidPath(prefix) || strings.ContainsFunc(prefix, isControl) {
		return "", "", errors.New(`the prefix: want words with a slash between them, without "?", "#", "." and ".."`)
	}
	return bucket, prefix, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// String is the address.
func (p *Place) String() string {
	if p.prefix == "" {
		return Scheme + p.bucket
	}
	return Scheme + p.bucket + "/" + p.prefix
}

// Below is a longer prefix.
func (p *Place) Below(name string) history.Place { return p.below(name) }

func (p *Place) below(name string) *Place {
	return &Place{store: p.store, bucket: p.bucket, prefix: path.Join(p.prefix, name)}
}

// WriteOnce is true: see the comment of the package.
func (p *Place) WriteOnce() bool { return true }

// Names lists what lies under the prefix, up to the next slash.
func (p *Place) Names(ctx context.Context) (names []string, err error) {
	prefix := p.prefix + "/"
	if p.prefix == "" {
		prefix = ""
	}
	no := false
	options := minio.ListObjectsOptions{Prefix: prefix, FetchOwner: &no}
	err = p.store.retry(ctx, reading, func(ctx context.Context) error {
		names = nil
		for object := range p.store.core.ListObjectsIter(ctx, p.bucket, options) {
			if object.Err != nil {
				return object.Err
			}
			name, below := strings.CutPrefix(object.Key, prefix)
			if !below || !fs.ValidPath(strings.TrimSuffix(name, "/")) || strings.Contains(strings.TrimSuffix(name, "/"), "/") {
				continue // such as the prefix itself, which some tools make an object
			}
			if len(names) == maxNames {
				return &Refusal{Place: p.String(), Why: fmt.Sprintf("more than %d names lie there: it is not the place of "+
					"a run", maxNames)}
			}
			names = append(names, name)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, p.explain(err, "s3:ListBucket")
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Write puts a file where none is. One with the same content is the same file: an answer
// may have been lost.
func (p *Place) Write(ctx context.Context, name string, data []byte) error {
	file := p.below(name)
	var options minio.PutObjectOptions
	options.SetMatchETagExcept("*")
	err := file.put(ctx, data, options)
	switch minio.ToErrorResponse(err).StatusCode {
	case http.StatusPreconditionFailed:
		return p.compare(ctx, name, data)
	case http.StatusNotImplemented: // some stores have no conditions
		err = file.put(ctx, data, minio.PutObjectOptions{})
	}
	return file.explain(err, "s3:PutObject")
}

// put uploads a file in one piece, signed with its content.
func (p *Place) put(ctx context.Context, data []byte, options minio.PutObjectOptions) error {
	options.DisableContentSha256 = true // of minio-go's own making, which not every store reads
	return p.store.retry(ctx, writing, func(ctx context.Context) error {
		_, err := p.store.core.PutObject(ctx, p.bucket, p.prefix, bytes.NewReader(data), int64(len(data)), "",
			digest(data), options)
		return err
	})
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// compare gives fs.ErrExist unless the file has just this content.
func (p *Place) compare(ctx context.Context, name string, data []byte) error {
	file, err := p.Open(ctx, name)
	if err != nil {
		return err
	}
	defer file.Close()
	there, err := io.ReadAll(io.LimitReader(file, int64(len(data))+1))
	if err == nil && !bytes.Equal(there, data) {
		err = &fs.PathError{Op: "write", Path: p.below(name).String(), Err: fs.ErrExist}
	}
	return err
}
