// Package slurm_test runs scenarios as arrays of Slurm, on a cluster of one node that lives
// as long as the tests, and holds the merged verdict against that of the run in one piece.
//
// One flow through it: `make test-slurm` unpacks Debian's Slurm and builds ota-sim;
// cluster.sh starts the cluster in namespaces of its own, and these tests in there; a test
// hands what `ota-sim cluster slurm` prints to sbatch, and reads what merge says.
package slurm_test
