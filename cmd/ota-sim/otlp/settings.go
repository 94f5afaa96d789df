package otlp

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"otafleet/internal/files"
)

// The environment variables of OpenTelemetry that this package looks at itself; the SDK
// reads the others. https://opentelemetry.io/docs/specs/otel/protocol/exporter/
const (
	prefix       = "OTEL_EXPORTER_OTLP_"
	ofMetrics    = "METRICS_" // behind prefix: what is for metrics alone, and goes before
	intervalName = "OTEL_METRIC_EXPORT_INTERVAL"
	timeoutName  = "OTEL_METRIC_EXPORT_TIMEOUT"
)

// settings are what the environment says.
type settings struct {
	grpc     bool
	endpoint *url.URL
	secrets  []string // values of headers
	interval time.Duration
	timeout  time.Duration // of one push
}

const (
	defaultInterval = time.Minute      // as the specification has it
	defaultTimeout  = 10 * time.Second // less than there: no push outlives two intervals of ten seconds
	maxCertificate  = 1 << 20
)

// readSettings reads the environment; nil if it names no endpoint, or wants no metrics.
// What is wrong is refused here: the SDK would go on without it, and log what headers say.
func readSettings(getenv func(string) string) (*settings, error) {
	get := func(name string) string {
		return cmp.Or(strings.TrimSpace(getenv(prefix+ofMetrics+name)), strings.TrimSpace(getenv(prefix+name)))
	}
	if get("ENDPOINT") == "" || strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") ||
		getenv("OTEL_METRICS_EXPORTER") == "none" {
		return nil, nil
	}
	s := &settings{interval: defaultInterval, timeout: defaultTimeout}
	problems := []error{s.readEndpoint(get("ENDPOINT")), checkCertificate(get("CERTIFICATE")),
		s.readHeaders(getenv(prefix + "HEADERS")), s.readHeaders(getenv(prefix + ofMetrics + "HEADERS")),
		readMilliseconds(getenv, intervalName, &s.interval), readMilliseconds(getenv, timeoutName, &s.timeout)}
	switch protocol := get("PROTOCOL"); protocol {
	case "", "http/protobuf":
	case "grpc":
		s.grpc = true
	default:
		problems = append(problems, fmt.Errorf("%sPROTOCOL=%s: want http/protobuf or grpc", prefix, protocol))
	}
	return s, errors.Join(problems...)
}

func (s *settings) readEndpoint(text string) (err error) {
	s.endpoint, err = url.Parse(text)
	if err != nil || s.endpoint.Host == "" || s.endpoint.Scheme != "http" && s.endpoint.Scheme != "https" {
		return fmt.Errorf("%sENDPOINT: want an address such as http://collector:4318", prefix)
	}
	return nil
}

// readHeaders makes sure that the SDK understands headers, and keeps what they say.
func (s *settings) readHeaders(text string) error {
	if text == "" {
		return nil
	}
	for i, pair := range strings.Split(text, ",") {
		name, value, is := strings.Cut(pair, "=")
		value, err := url.PathUnescape(value)
		if name = strings.TrimSpace(name); !is || err != nil || !isToken(name) {
			return fmt.Errorf("%sHEADERS: pair %d is not name=value, with the value as in a URL", prefix, i+1)
		}
		s.secrets = append(s.secrets, strings.TrimSpace(value))
	}
	return nil
}

// isToken reports whether a text can be the name of a header (RFC 9110, section 5.6.2).
func isToken(text string) bool {
	const marks = "!#$%&'*+-.^_`|~"
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(marks, r)
	})
}

// checkCertificate makes sure that the file of authorities can be read.
func checkCertificate(path string) error {
	if path == "" {
		return nil
	}
	text, err := files.Read(path, maxCertificate)
	if err != nil {
		return fmt.Errorf("%sCERTIFICATE: %w", prefix, err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return fmt.Errorf("%sCERTIFICATE: %s has no certificate in PEM", prefix, path)
	}
	return nil
}

// readMilliseconds reads a duration, if it is set.
func readMilliseconds(getenv func(string) string, name string, d *time.Duration) error {
	text := strings.TrimSpace(getenv(name))
	if text == "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("%s=%.32q: want milliseconds, such as 10000", name, text)
	}
	*d = time.Duration(n) * time.Millisecond
	return nil
}

// hide takes what headers say out of a text.
func (s *settings) hide(text string) string {
	for _, secret := range s.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}
