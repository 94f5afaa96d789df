package cluster

import (
	"fmt"
	"strings"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// Kubernetes is how a run is to run on Kubernetes.
type Kubernetes struct {
	Image          string
	Secret         string  // whose keys become the environment; empty for none
	ServiceAccount string  // of the pods; empty for the namespace's own
	Files          *Volume // what flags of the run name; nil for nothing
	Monitor        bool    // with a PodMonitor of the Prometheus operator
}

// Volume is an object that pods see as a directory.
type Volume struct{ Kind, Name string }

// The kinds of volumes.
const (
	SecretVolume    = "secret"
	ConfigMapVolume = "configmap"
	ClaimVolume     = "claim" // a PersistentVolumeClaim
)

// FilesDir is where a pod has the files that flags of its run name.
const FilesDir = "/files"

const (
	scenarioDir  = "/scenario"
	scenarioFile = "scenario.yaml"
	metricsPort  = 9464

	// user is that of the image: neither root nor one of the node's.
	user = 65532

	// mostText is what a ConfigMap holds, its key included (1 MiB).
	mostText = 1<<20 - len(scenarioFile)

	keptFor = 24 * 60 * 60 // seconds that a Job and its logs stay when it has ended
	grace   = 60           // seconds for closing the history, until SIGKILL

	// fewPorts is a number of sessions that every system has ports for.
	fewPorts = 20000
)

// WidePorts is how many ports a pod has with the range that Manifests sets.
const WidePorts = 65535 - 1024 + 1

// Manifests are the objects that run the scenario, for 'kubectl apply -f -': the
// scenario, the shards, and what merges them.
func (k *Kubernetes) Manifests(r *Run) ([]byte, error) {
	if len(r.Text) > mostText {
		return nil, fmt.Errorf("the scenario has %s, and a ConfigMap of Kubernetes holds 1 MiB: put lists of devices into a "+
			"device file, which --files brings to the pods, and shorten recorded lines", ota.FormatSize(int64(len(r.Text))))
	}
	documents := []any{k.scenario(r)}
	if r.Together {
		documents = append(documents, k.meeting(r))
	}
	documents = append(documents, k.shards(r), k.merge(r))
	if k.Monitor {
		documents = append(documents, k.monitor(r))
	}
	text, err := yamlform.Write(documents...)
	if err != nil {
		return nil, err
	}
	return append([]byte(k.head(r)), text...), nil
}

// head says in comments what follows, and what to type.
func (k *Kubernetes) head(r *Run) string {
	var b strings.Builder
	for line := range strings.Lines(r.summary()) {
		b.WriteString("# " + line)
	}
	fmt.Fprintf(&b, `#
#   kubectl apply -f FILE
#   kubectl logs --follow --pod-running-timeout=10m job/%s-merge # prints the verdict
#   kubectl wait --for=condition=Complete job/%[1]s-merge # ends well if it held
#   kubectl delete -f FILE
`, r.Name)
	return b.String()
}

// labels are those of an object, or of pods.
func labels(r *Run, component string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": "ota-sim", "app.kubernetes.io/instance": r.Name,
		"app.kubernetes.io/component": component}
}

// scenarioOf is the name of a run's scenario. It stays when the Jobs have gone, and must
// not be taken for another text then.
func scenarioOf(r *Run) string { return fmt.Sprintf("%s-%08x", r.Name, hashOf(string(r.Text))) }

func (k *Kubernetes) scenario(r *Run) object {
	return object{APIVersion: "v1", Kind: "ConfigMap", Metadata: metadata{scenarioOf(r), labels(r, "scenario")},
		Immutable: true, Data: map[string]yamlform.Text{scenarioFile: yamlform.Text(r.Text)}}
}

// meeting gives the pod of shard 1 a name under which the others find it.
func (k *Kubernetes) meeting(r *Run) object {
	return object{APIVersion: "v1", Kind: "Service", Metadata: metadata{r.Name, labels(r, "shard")},
		Spec: serviceSpec{ClusterIP: "None", PublishNotReadyAddresses: true, Selector: labels(r, "shard"),
			Ports: []servicePort{{"start", startPort}}}}
}

// shards is the Job of one pod for each shard.
func (k *Kubernetes) shards(r *Run) object {
	words := r.words(scenarioDir + "/" + scenarioFile)
	env := []variable{{"OTA_SIM_SHARDS", number(r.Shards)}}
	if r.Virtual {
		env = append(env, variable{"GOMEMLIMIT", number(limited(r.Memory))})
	}
	pod := k.pod(r, "shard")
	c := &pod.Spec.Containers[0]
	if r.Together {
		pod.Spec.Subdomain = r.Name
		words = append(words, fmt.Sprintf("--start-with=%s-0.%[1]s:%d", r.Name, startPort))
		c.Ports = append(c.Ports, containerPort{"start", startPort})
	}
	if k.Monitor {
		words = append(words, fmt.Sprint("--metrics=:", metricsPort))
		c.Ports = append(c.Ports, containerPort{"metrics", metricsPort})
	}
	if !r.Virtual {
		pod.Spec.TopologySpreadConstraints = []spread{{1, "kubernetes.io/hostname", "ScheduleAnyway",
			labelSelector{labels(r, "shard")}}}
	}
	if r.Sessions > fewPorts {
		pod.Spec.SecurityContext.Sysctls = []sysctl{{"net.ipv4.ip_local_port_range", "1024 65535"}}
	}
	c.Args, c.Env = literals(words), append(env, c.Env...)
	c.Resources = resourcesOf(r.Memory, r.Millis)
	tries := mostTries
	return object{APIVersion: "batch/v1", Kind: "Job", Metadata: metadata{r.Name, labels(r, "shard")}, Spec: jobSpec{
		CompletionMode: "Indexed", Completions: r.Shards, Parallelism: r.Shards, BackoffLimitPerIndex: &tries,
		PodReplacementPolicy: "Failed", PodFailurePolicy: shardPolicy(r.Virtual),
		ActiveDeadlineSeconds: int(r.Lasts.Seconds()), TTLSecondsAfterFinished: keptFor, Template: pod}}
}

// shardPolicy says what is tried again. What no rule is about is, up to mostTries; what
// is ignored is, without being counted.
func shardPolicy(virtual bool) podFailurePolicy {
	if virtual {
		return podFailurePolicy{[]failureRule{
			{Action: "FailJob", OnExitCodes: &exitCodes{"In", []int{exitUsage, exitPreflight}}},
			{Action: "Ignore", OnPodConditions: disrupted()},
		}}
	}
	return podFailurePolicy{[]failureRule{
		{Action: "FailJob", OnExitCodes: &exitCodes{"In", []int{exitUsage, exitPreflight, exitUnreachable}}},
		{Action: "FailIndex", OnExitCodes: &exitCodes{"NotIn", []int{exitAgain}}},
	}}
}

// disrupted is the condition of a pod that was evicted, drained or preempted.
func disrupted() []podCondition { return []podCondition{{"DisruptionTarget", "True"}} }

// merge is the Job that makes the verdict. Its exit code is the run's.
func (k *Kubernetes) merge(r *Run) object {
	pod := k.pod(r, "merge")
	c := &pod.Spec.Containers[0]
	c.Args, c.Resources = literals(r.merging(r.Lasts+patience)), resourcesOf(r.mergeMemory(), 100)
	c.Env = append([]variable{{"GOMEMLIMIT", number(limited(r.mergeMemory()))}}, c.Env...)
	tries := mostTries
	return object{APIVersion: "batch/v1", Kind: "Job", Metadata: metadata{r.Name + "-merge", labels(r, "merge")},
		Spec: jobSpec{BackoffLimit: &tries, PodReplacementPolicy: "Failed",
			PodFailurePolicy: podFailurePolicy{[]failureRule{
				{Action: "FailJob", OnExitCodes: &exitCodes{"In", []int{exitFailed, exitUsage, exitShardLost}}},
				{Action: "Ignore", OnPodConditions: disrupted()},
			}},
			ActiveDeadlineSeconds: int((r.Lasts + 2*patience).Seconds()), TTLSecondsAfterFinished: keptFor, Template: pod}}
}

// pod is what shards and merge have in common. It is what the restricted policy of
// Kubernetes' Pod Security Standards asks for, with a root that is read only.
func (k *Kubernetes) pod(r *Run, component string) podTemplate {
	c := container{Name: "ota-sim", Image: k.Image, ImagePullPolicy: "IfNotPresent",
		SecurityContext: securityContext{ReadOnlyRootFilesystem: true, Capabilities: capabilities{[]string{"ALL"}}},
		VolumeMounts:    []volumeMount{{Name: "tmp", MountPath: "/tmp"}}}
	volumes := []volume{{Name: "tmp", EmptyDir: &emptyDir{"1Gi"}}}
	for _, v := range r.Env {
		c.Env = append(c.Env, variable{v.Name, literal(v.Value)})
	}
	if k.Secret != "" {
		c.EnvFrom = []envFrom{{named{k.Secret}}}
	}
	if component == "shard" {
		volumes = append(volumes, volume{Name: "scenario", ConfigMap: &named{scenarioOf(r)}})
		c.VolumeMounts = append(c.VolumeMounts, volumeMount{"scenario", scenarioDir, true})
		if k.Files != nil {
			volumes = append(volumes, k.Files.volume("files"))
			c.VolumeMounts = append(c.VolumeMounts, volumeMount{"files", FilesDir, true})
		}
	}
	return podTemplate{metadata{"", labels(r, component)}, podSpec{
		RestartPolicy: "Never", ServiceAccountName: k.ServiceAccount, TerminationGracePeriodSeconds: grace,
		SecurityContext: podSecurityContext{RunAsNonRoot: true, RunAsUser: user, RunAsGroup: user, FSGroup: user,
			SeccompProfile: seccompProfile{"RuntimeDefault"}},
		Containers: []container{c}, Volumes: volumes}}
}

func (v *Volume) volume(name string) volume {
	switch v.Kind {
	case SecretVolume:
		return volume{Name: name, Secret: &secretVolume{v.Name}}
	case ConfigMapVolume:
		return volume{Name: name, ConfigMap: &named{v.Name}}
	}
	return volume{Name: name, PersistentVolumeClaim: &claim{v.Name, true}}
}

// resourcesOf asks for what a container takes. Memory is limited to that; a limit of
// processors would hold up what is being measured.
func resourcesOf(memory int64, millis int) resources {
	size := fmt.Sprintf("%dMi", mebibytes(memory))
	return resources{Requests: map[string]string{"cpu": fmt.Sprintf("%dm", millis), "memory": size},
		Limits: map[string]string{"memory": size}}
}

// literal is a text in which Kubernetes replaces nothing: it does so in $(NAME), and
// takes $$ for $.
func literal(text string) yamlform.Text { return yamlform.Text(strings.ReplaceAll(text, "$", "$$")) }

func literals(words []string) []yamlform.Text {
	all := make([]yamlform.Text, len(words))
	for i, word := range words {
		all[i] = literal(word)
	}
	return all
}

func number[N int | int64](n N) yamlform.Text { return yamlform.Text(fmt.Sprint(n)) }

// monitor lets a Prometheus of the operator find the shards.
func (k *Kubernetes) monitor(r *Run) object {
	return object{APIVersion: "monitoring.coreos.com/v1", Kind: "PodMonitor",
		Metadata: metadata{r.Name, labels(r, "shard")},
		Spec:     podMonitorSpec{labelSelector{labels(r, "shard")}, []metricsEndpoint{{"metrics", "10s"}}}}
}
