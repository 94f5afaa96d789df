// Command pause holds a pod's namespaces: it is the one process of the sandbox in which a
// pod's containers run, and does nothing until a signal ends it. One flow through it: the
// runtime starts it in an image that has nothing else, and ends it when the pod is over.
//
// It buries no processes: each container of a pod has process ids of its own.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
}
