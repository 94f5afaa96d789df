// Package report draws a verdict: as text for a terminal, as JSON for programs, as
// a JUnit report for a continuous integration, and as a page for a browser.
//
// One flow through it: package verdict judges a run; WriteText, WriteJSON,
// WriteJUnit or WriteHTML takes the verdict, finds words, bars and charts for its
// figures, and writes the document.
//
// It judges nothing: every figure in a document is one of the verdict's, and the
// same verdict gives the same bytes.
package report
