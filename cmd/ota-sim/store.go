package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/objectstore"
)

// storeFlags name an S3-compatible object store of yours.
type storeFlags struct {
	url        string
	bucket     string
	accessKey  string
	secretFile string
	region     string
}

func (f *storeFlags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "store", "", "object store to use instead of the embedded one: http(s)://host:port")
	flags.StringVar(&f.bucket, "store-bucket", "packages", "bucket of that store; it must exist")
	flags.StringVar(&f.accessKey, "store-access-key", "", "access key of that store")
	flags.StringVar(&f.secretFile, "store-secret-file", "", "file with the secret key of that store")
	flags.StringVar(&f.region, "store-region", "", "region of that store; empty means us-east-1")
}

// remote is the store to use; nil means the embedded one.
func (f *storeFlags) remote() (*platform.RemoteStore, error) {
	if f.url == "" {
		return nil, nil
	}
	secret, err := readSecret(f.secretFile)
	if err != nil {
		return nil, err
	}
	s := &platform.RemoteStore{URL: f.url, Bucket: f.bucket,
		Credentials: objectstore.Credentials{AccessKey: f.accessKey, SecretKey: string(secret), Region: f.region}}
	if err := s.Credentials.Validate(); err != nil {
		return nil, fmt.Errorf("--store needs --store-access-key and --store-secret-file, a file with the secret key:\n%w",
			err)
	}
	return s, nil
}
