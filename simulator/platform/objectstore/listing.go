package objectstore

import (
	"encoding/base64"
	"encoding/xml"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	maxKeys   = 1000 // keys in one answer
)

// location is the answer to GetBucketLocation.
type location struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
	Region  string   `xml:",chardata"`
}

// listing is a request for a list of objects.
type listing struct {
	prefix    string
	delimiter string // folds keys that share a prefix up to it; empty folds nothing
	after     string // only keys after this one
	limit     int
	escaped   bool   // whether keys are percent-encoded in the answer
	token     string // as asked
}

// listResult is the answer to ListObjectsV2.
type listResult struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Namespace             string   `xml:"xmlns,attr"`
	Name                  string
	Prefix                string
	Delimiter             string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	MaxKeys               int
	KeyCount              int
	IsTruncated           bool
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	Contents              []listEntry
	CommonPrefixes        []listPrefix
}

type listEntry struct {
	Key          string
	LastModified string
	ETag         string
	Size         int64
	StorageClass string
}

type listPrefix struct{ Prefix string }

// parseListing reads the query of a ListObjectsV2.
func parseListing(query url.Values) (listing, error) {
	l := listing{
		prefix:    query.Get("prefix"),
		delimiter: query.Get("delimiter"),
		after:     query.Get("start-after"),
		limit:     maxKeys,
		escaped:   query.Get("encoding-type") == "url",
		token:     query.Get("continuation-token"),
	}
	if text := query.Get("max-keys"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return listing{}, invalidArgument.saying("max-keys must be a number of keys.")
		}
		l.limit = min(n, maxKeys)
	}
	if l.token != "" {
		last, err := base64.RawURLEncoding.DecodeString(l.token)
		if err != nil {
			return listing{}, invalidArgument.saying("The continuation token is not one of this store's.")
		}
		l.after = string(last)
	}
	return l, nil
}

// answer lists objects. The continuation token is the last key or folded
// prefix of an answer.
func (l listing) answer(bucket string, objects map[string]*object) listResult {
	result := listResult{
		Namespace: namespace, Name: bucket, Prefix: l.name(l.prefix), Delimiter: l.name(l.delimiter),
		MaxKeys: l.limit, ContinuationToken: l.token,
	}
	if l.escaped {
		result.EncodingType = "url"
	}
	last := l.after
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		folded := l.fold(key)
		if !strings.HasPrefix(key, l.prefix) || key <= l.after || folded != "" && folded <= last {
			continue
		}
		if result.KeyCount == l.limit {
			result.IsTruncated = l.limit > 0
			break
		}
		result.KeyCount++
		if last = key; folded != "" {
			last = folded
			result.CommonPrefixes = append(result.CommonPrefixes, listPrefix{l.name(folded)})
			continue
		}
		o := objects[key]
		result.Contents = append(result.Contents, listEntry{
			Key: l.name(key), LastModified: o.modified.UTC().Format("2006-01-02T15:04:05.000Z"),
			ETag: o.etag, Size: o.size, StorageClass: "STANDARD",
		})
	}
	if result.IsTruncated {
		result.NextContinuationToken = base64.RawURLEncoding.EncodeToString([]byte(last))
	}
	return result
}

// fold gives the prefix that stands for a key: up to the first delimiter after
// what was asked for. It is empty for a key that stands for itself.
func (l listing) fold(key string) string {
	if l.delimiter == "" || !strings.HasPrefix(key, l.prefix) {
		return ""
	}
	if i := strings.Index(key[len(l.prefix):], l.delimiter); i >= 0 {
		return key[:len(l.prefix)+i+len(l.delimiter)]
	}
	return ""
}

func (l listing) name(s string) string {
	if l.escaped {
		return escape(s, false)
	}
	return s
}
