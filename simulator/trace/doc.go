// Package trace reads what was recorded of a line: how many bytes a second it carried
// each way, with which latency and which loss, as time passed.
//
// One flow through it: Parse reads a CSV file, or one of mahimahi, and returns a Trace
// or every mistake with its line and column; Trace.At says what the line is like at a
// time, again from the beginning when the trace is over; Trace.Text gives the trace as
// a CSV text that is the same trace, for a history to keep.
//
// It opens no file and knows nothing of devices: where a device begins in a trace is
// decided by package model.
package trace
