package cluster

import "otafleet/internal/yamlform"

// The objects of Kubernetes' API, with those of their fields that are used here:
// https://kubernetes.io/docs/reference/kubernetes-api.

type object struct {
	APIVersion string                   `yaml:"apiVersion"`
	Kind       string                   `yaml:"kind"`
	Metadata   metadata                 `yaml:"metadata"`
	Immutable  bool                     `yaml:"immutable,omitempty"` // of a ConfigMap
	Data       map[string]yamlform.Text `yaml:"data,omitempty"`      // of a ConfigMap
	Spec       any                      `yaml:"spec,omitempty"`
}

type metadata struct {
	Name   string            `yaml:"name,omitempty"`
	Labels map[string]string `yaml:"labels"`
}

type serviceSpec struct {
	ClusterIP                string            `yaml:"clusterIP"`
	PublishNotReadyAddresses bool              `yaml:"publishNotReadyAddresses"`
	Selector                 map[string]string `yaml:"selector"`
	Ports                    []servicePort     `yaml:"ports"`
}

type servicePort struct {
	Name string `yaml:"name"`
	Port int    `yaml:"port"`
}

type jobSpec struct {
	CompletionMode          string           `yaml:"completionMode,omitempty"`
	Completions             int              `yaml:"completions,omitempty"`
	Parallelism             int              `yaml:"parallelism,omitempty"`
	BackoffLimit            *int             `yaml:"backoffLimit,omitempty"`
	BackoffLimitPerIndex    *int             `yaml:"backoffLimitPerIndex,omitempty"`
	PodReplacementPolicy    string           `yaml:"podReplacementPolicy"`
	PodFailurePolicy        podFailurePolicy `yaml:"podFailurePolicy"`
	ActiveDeadlineSeconds   int              `yaml:"activeDeadlineSeconds"`
	TTLSecondsAfterFinished int              `yaml:"ttlSecondsAfterFinished"`
	Template                podTemplate      `yaml:"template"`
}

type podFailurePolicy struct {
	Rules []failureRule `yaml:"rules"`
}

type failureRule struct {
	Action          string         `yaml:"action"`
	OnExitCodes     *exitCodes     `yaml:"onExitCodes,omitempty"`
	OnPodConditions []podCondition `yaml:"onPodConditions,omitempty"`
}

type exitCodes struct {
	Operator string `yaml:"operator"`
	Values   []int  `yaml:"values,flow"`
}

type podCondition struct {
	Type   string `yaml:"type"`
	Status string `yaml:"status"`
}

type podTemplate struct {
	Metadata metadata `yaml:"metadata"`
	Spec     podSpec  `yaml:"spec"`
}

type podSpec struct {
	RestartPolicy                 string             `yaml:"restartPolicy"`
	Subdomain                     string             `yaml:"subdomain,omitempty"`
	ServiceAccountName            string             `yaml:"serviceAccountName,omitempty"`
	AutomountServiceAccountToken  bool               `yaml:"automountServiceAccountToken"`
	EnableServiceLinks            bool               `yaml:"enableServiceLinks"`
	TerminationGracePeriodSeconds int                `yaml:"terminationGracePeriodSeconds"`
	TopologySpreadConstraints     []spread           `yaml:"topologySpreadConstraints,omitempty"`
	SecurityContext               podSecurityContext `yaml:"securityContext"`
	Containers                    []container        `yaml:"containers"`
	Volumes                       []volume           `yaml:"volumes"`
}

type spread struct {
	MaxSkew           int           `yaml:"maxSkew"`
	TopologyKey       string        `yaml:"topologyKey"`
	WhenUnsatisfiable string        `yaml:"whenUnsatisfiable"`
	LabelSelector     labelSelector `yaml:"labelSelector"`
}

type labelSelector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

type podSecurityContext struct {
	RunAsNonRoot   bool           `yaml:"runAsNonRoot"`
	RunAsUser      int            `yaml:"runAsUser"`
	RunAsGroup     int            `yaml:"runAsGroup"`
	FSGroup        int            `yaml:"fsGroup"`
	SeccompProfile seccompProfile `yaml:"seccompProfile"`
	Sysctls        []sysctl       `yaml:"sysctls,omitempty"`
}

type seccompProfile struct {
	Type string `yaml:"type"`
}

type sysctl struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

type container struct {
	Name            string          `yaml:"name"`
	Image           string          `yaml:"image"`
	ImagePullPolicy string          `yaml:"imagePullPolicy"`
	Args            []yamlform.Text `yaml:"args"`
	Env             []variable      `yaml:"env,omitempty"`
	EnvFrom         []envFrom       `yaml:"envFrom,omitempty"`
	Ports           []containerPort `yaml:"ports,omitempty"`
	SecurityContext securityContext `yaml:"securityContext"`
	Resources       resources       `yaml:"resources"`
	VolumeMounts    []volumeMount   `yaml:"volumeMounts"`
}

type variable struct {
	Name  string        `yaml:"name"`
	Value yamlform.Text `yaml:"value"`
}

type envFrom struct {
	SecretRef named `yaml:"secretRef"`
}

type named struct {
	Name string `yaml:"name"`
}

type containerPort struct {
	Name          string `yaml:"name"`
	ContainerPort int    `yaml:"containerPort"`
}

type securityContext struct {
	AllowPrivilegeEscalation bool         `yaml:"allowPrivilegeEscalation"`
	ReadOnlyRootFilesystem   bool         `yaml:"readOnlyRootFilesystem"`
	Capabilities             capabilities `yaml:"capabilities"`
}

type capabilities struct {
	Drop []string `yaml:"drop,flow"`
}

type resources struct {
	Requests map[string]string `yaml:"requests"`
	Limits   map[string]string `yaml:"limits"`
}

type volumeMount struct {
	Name      string `yaml:"name"`
	MountPath string `yaml:"mountPath"`
	ReadOnly  bool   `yaml:"readOnly,omitempty"`
}

type volume struct {
	Name                  string        `yaml:"name"`
	ConfigMap             *named        `yaml:"configMap,omitempty"`
	Secret                *secretVolume `yaml:"secret,omitempty"`
	PersistentVolumeClaim *claim        `yaml:"persistentVolumeClaim,omitempty"`
	EmptyDir              *emptyDir     `yaml:"emptyDir,omitempty"`
}

type secretVolume struct {
	SecretName string `yaml:"secretName"`
}

type claim struct {
	ClaimName string `yaml:"claimName"`
	ReadOnly  bool   `yaml:"readOnly"`
}

type emptyDir struct {
	SizeLimit string `yaml:"sizeLimit"`
}

// podMonitorSpec is of the Prometheus operator:
// https://prometheus-operator.dev/docs/api-reference/api.
type podMonitorSpec struct {
	Selector            labelSelector     `yaml:"selector"`
	PodMetricsEndpoints []metricsEndpoint `yaml:"podMetricsEndpoints"`
}

type metricsEndpoint struct {
	Port     string `yaml:"port"`
	Interval string `yaml:"interval"`
}
