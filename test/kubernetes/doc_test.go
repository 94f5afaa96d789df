// Package kubernetes_test runs scenarios as Jobs of Kubernetes, on a node that lives as
// long as the tests: etcd, API server, controllers, scheduler and kubelet as their
// projects build them, and Debian's containerd and runc, which run the image of ota-sim.
//
// One flow through it: `make test-kubernetes` builds the node's programs and the image;
// node.sh starts the node in namespaces of its own, and these tests in there; a test
// applies what `ota-sim cluster kubernetes` prints, takes pods away while they run, and
// merges the histories from versitygw, whose verdict it holds against that of the run in
// one piece.
//
// Several nodes, and what a cloud adds, are not here.
package kubernetes_test
