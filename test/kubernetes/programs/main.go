// Command programs is what a node of Kubernetes takes, in one file of a module of its own:
// it is the program that it is called as. Their code is that of the Kubernetes and etcd
// projects, as they build it; what each does, its own documentation says. One flow through
// it: scripts/kubernetes.sh builds it, once, and links to it by each name; node.sh starts
// them.
//
// Names of pods are served by names.go, for what of Kubernetes' own DNS the tests need.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	var command *cobra.Command
	switch name := filepath.Base(os.Args[0]); name {
	case "etcd":
		etcdmain.Main(os.Args)
		return
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllers.NewControllerManagerCommand()
	case "kube-scheduler":
		command = scheduler.NewSchedulerCommand()
	case "kubelet":
		command = kubelet.NewKubeletCommand(context.Background()) // it sees to its signals itself
	case "kubectl":
		command = kubectl.NewDefaultKubectlCommand()
	case "names":
		command = newNamesCommand()
	default:
		fmt.Fprintf(os.Stderr, "%s is none of etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, "+
			"kubectl, names: link to this file under one of these names\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(command))
}
