// Package compare holds runs of a scenario against earlier ones: which figures have
// become worse or better, and by more than makes no difference.
//
// One flow through it: Check says why runs cannot be compared, before any of them is
// judged or even begun; New takes the verdicts on baselines and on runs, reads from each
// the figures of the table in package scenario, and gives each figure an outcome. Package
// report draws the result.
//
// A figure differs if the median of the runs lies beyond the median of the baselines by
// more than its tolerance, and by more than a number of times the spread of several
// baselines: the largest distance of one of them from their median.
//
// It is pure, and judges no run: every value is one of a verdict's.
package compare
