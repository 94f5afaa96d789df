// Package otlp pushes figures to a collector of OpenTelemetry, under the names and labels
// that they have on a page for Prometheus.
//
// One flow through it: New reads the standard environment variables and gives a Pusher,
// or none if they name no endpoint; the Pusher fills a batch as a page is filled, every
// so often and once more at Stop, and gives it to the exporter of OpenTelemetry's SDK.
//
// It keeps no figure and has no names of its own. A collector that is away or slow costs
// the program nothing but the time that Stop may take. What a header says is never
// written anywhere.
package otlp
