package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/net/dns/dnsmessage"
	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// names answers for the pods of headless services, POD.SERVICE.NAMESPACE.svc.cluster.local,
// by what the API server has of them at that moment, as Kubernetes' specification of its
// DNS says: https://github.com/kubernetes/dns/blob/master/docs/specification.md.
type names struct{ api kubernetes.Interface }

func newNamesCommand() *cobra.Command {
	var kubeconfig, listen string
	command := &cobra.Command{
		Use:  "names",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			api, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			return names{api}.serve(command.Context(), listen)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "file that says where the API server is")
	command.Flags().StringVar(&listen, "listen", "", "address where questions are answered, over UDP")
	return command
}

// serve answers one question after the other.
func (n names) serve(ctx context.Context, listen string) error {
	conn, err := net.ListenPacket("udp", listen)
	if err != nil {
		return err
	}
	defer conn.Close()
	question := make([]byte, 512) // as long as one over UDP may be
	for {
		size, from, err := conn.ReadFrom(question)
		if err != nil {
			return err
		}
		answer, err := n.answer(ctx, question[:size])
		if err != nil {
			fmt.Printf("a question of %s: %v\n", from, err)
			continue
		}
		if _, err := conn.WriteTo(answer, from); err != nil {
			fmt.Printf("an answer to %s: %v\n", from, err)
		}
	}
}

// answer is the message for one question.
func (n names) answer(ctx context.Context, message []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(message)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	addresses, err := n.lookUp(ctx, question.Name.String())
	if err != nil {
		return nil, err
	}
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired},
		Questions: []dnsmessage.Question{question},
	}
	if len(addresses) == 0 {
		answer.RCode = dnsmessage.RCodeNameError
	}
	if question.Type == dnsmessage.TypeA { // of other types there is none
		for _, address := range addresses {
			answer.Answers = append(answer.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.AResource{A: address.As4()},
			})
		}
	}
	return answer.Pack()
}

// lookUp finds the addresses of a pod, none of a name that does not exist.
func (n names) lookUp(ctx context.Context, name string) ([]netip.Addr, error) {
	path, is := strings.CutSuffix(strings.ToLower(name), ".svc.cluster.local.")
	labels := strings.Split(path, ".")
	if !is || len(labels) != 3 {
		return nil, nil
	}
	pod, service, namespace := labels[0], labels[1], labels[2]
	slices, err := n.api.DiscoveryV1().EndpointSlices(namespace).List(ctx,
		meta.ListOptions{LabelSelector: discovery.LabelServiceName + "=" + service})
	if err != nil {
		return nil, err
	}
	var found []netip.Addr
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Hostname == nil || *endpoint.Hostname != pod {
				continue
			}
			for _, text := range endpoint.Addresses {
				address, err := netip.ParseAddr(text)
				if err != nil || !address.Is4() {
					return nil, fmt.Errorf("%s is no address of IPv4", text)
				}
				found = append(found, address)
			}
		}
	}
	return found, nil
}
