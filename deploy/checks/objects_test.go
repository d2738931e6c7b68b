package checks_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	operator "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	disruption "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// objects are the manifests of an installation, each read strictly as the type that the API has for it: what the type does not have, or has of
// another kind, is an error. What the API refuses by rules beyond its types is not found here.
func objects(t *testing.T, v values) map[string][]any {
	t.Helper()
	all := map[string][]any{}
	for _, doc := range manifests(t, v) {
		var head struct {
			APIVersion, Kind string
			Metadata         struct{ Name, Namespace string }
		}
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatalf("read a manifest: %v\n%s", err, doc)
		}
		object := empty(head.APIVersion, head.Kind)
		if object == nil {
			t.Fatalf("%s %s is nothing that an installation should need", head.APIVersion, head.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(doc), object); err != nil {
			t.Errorf("%s: %v\n%s", head.Kind, err, doc)
		}
		if head.Metadata.Name == "" || head.Metadata.Namespace != "firebreak" {
			t.Errorf("%s: name %q in namespace %q", head.Kind, head.Metadata.Name, head.Metadata.Namespace)
		}
		all[head.Kind] = append(all[head.Kind], object)
	}
	return all
}

// empty is an object of a kind, nil if an installation has none of it.
func empty(version, kind string) any {
	return map[string]any{
		"apps/v1 StatefulSet": &apps.StatefulSet{}, "apps/v1 Deployment": &apps.Deployment{},
		"v1 ConfigMap": &core.ConfigMap{}, "v1 Service": &core.Service{},
		"networking.k8s.io/v1 NetworkPolicy": &network.NetworkPolicy{}, "policy/v1 PodDisruptionBudget": &disruption.PodDisruptionBudget{},
		"monitoring.coreos.com/v1 ServiceMonitor": &operator.ServiceMonitor{}, "monitoring.coreos.com/v1 PrometheusRule": &operator.PrometheusRule{},
	}[version+" "+kind]
}

// podOf is the pod of an installation.
func podOf(t *testing.T, all map[string][]any) (core.PodTemplateSpec, map[string]string) {
	t.Helper()
	if len(all["StatefulSet"])+len(all["Deployment"]) != 1 {
		t.Fatalf("an installation has %d workloads", len(all["StatefulSet"])+len(all["Deployment"]))
	}
	if len(all["StatefulSet"]) == 1 {
		s := all["StatefulSet"][0].(*apps.StatefulSet)
		return s.Spec.Template, s.Spec.Selector.MatchLabels
	}
	d := all["Deployment"][0].(*apps.Deployment)
	return d.Spec.Template, d.Spec.Selector.MatchLabels
}

// The pod may do nothing that it does not need, in every installation.
func TestPodIsConfined(t *testing.T) {
	t.Parallel()
	for name, v := range variants() {
		template, _ := podOf(t, objects(t, v))
		pod, c := template.Spec, template.Spec.Containers[0]
		s, p := c.SecurityContext, pod.SecurityContext
		if s == nil || p == nil || len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
			t.Fatalf("%s: %+v", name, pod)
		}
		for what, ok := range map[string]bool{
			"is not root":              p.RunAsNonRoot != nil && *p.RunAsNonRoot && p.RunAsUser != nil && *p.RunAsUser == 65532,
			"owns its volume":          p.FSGroup != nil && *p.FSGroup == 65532,
			"has a seccomp profile":    p.SeccompProfile != nil && p.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault,
			"gains nothing":            s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation && s.Privileged == nil,
			"has a read-only root":     s.ReadOnlyRootFilesystem != nil && *s.ReadOnlyRootFilesystem,
			"has no capability":        s.Capabilities != nil && slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) && len(s.Capabilities.Add) == 0,
			"has no token of the API":  pod.AutomountServiceAccountToken != nil && !*pod.AutomountServiceAccountToken,
			"is in its own namespaces": !pod.HostNetwork && !pod.HostPID && !pod.HostIPC,
			"has its secrets by name":  len(c.EnvFrom) == 1 && c.EnvFrom[0].SecretRef != nil && c.EnvFrom[0].SecretRef.Name == "firebreak",
			"is asked how it is":       asked(c.StartupProbe) == "/healthz" && asked(c.LivenessProbe) == "/healthz" && asked(c.ReadinessProbe) == "/readyz",
			"has memory, and all CPU":  !c.Resources.Limits.Memory().IsZero() && c.Resources.Limits.Cpu().IsZero() && !c.Resources.Requests.Cpu().IsZero(),
		} {
			if !ok {
				t.Errorf("%s: it is not so that the pod %s", name, what)
			}
		}
	}
}

// asked is the path that a probe asks for, or the command that asks.
func asked(p *core.Probe) string {
	switch {
	case p == nil:
		return ""
	case p.HTTPGet != nil && p.HTTPGet.Port == intstr.FromString("http"):
		return p.HTTPGet.Path
	case p.Exec != nil:
		return filepath.Base(p.Exec.Command[0])
	}
	return ""
}

// Every selector is of the pod, every mount has its volume, and every port that is named is there: what no type says.
func TestPartsFit(t *testing.T) {
	t.Parallel()
	more := variants()
	more["clients"] = values{"bus": values{"embedded": values{"clients": true}}, "networkPolicy": values{"services": []any{values{"podSelector": values{}}}}}
	for name, v := range more {
		all := objects(t, v)
		template, selector := podOf(t, all)
		service := all["Service"][0].(*core.Service)
		for what, s := range map[string]map[string]string{"its workload": selector, "the service": service.Spec.Selector,
			"the network policy": all["NetworkPolicy"][0].(*network.NetworkPolicy).Spec.PodSelector.MatchLabels,
			"the budget":         all["PodDisruptionBudget"][0].(*disruption.PodDisruptionBudget).Spec.Selector.MatchLabels} {
			if len(s) == 0 {
				t.Errorf("%s: %s selects everything", name, what)
			}
			for key, value := range s {
				if template.Labels[key] != value {
					t.Errorf("%s: %s selects %s=%s, which the pod does not have", name, what, key, value)
				}
			}
		}
		volumes := map[string]bool{}
		for _, volume := range template.Spec.Volumes {
			volumes[volume.Name] = true
		}
		if len(all["StatefulSet"]) == 1 {
			volumes[all["StatefulSet"][0].(*apps.StatefulSet).Spec.VolumeClaimTemplates[0].Name] = true
		}
		for _, mount := range template.Spec.Containers[0].VolumeMounts {
			if !volumes[mount.Name] {
				t.Errorf("%s: nothing is mounted at %s", name, mount.MountPath)
			}
		}
		ports := map[string]bool{}
		for _, port := range template.Spec.Containers[0].Ports {
			ports[port.Name] = true
		}
		for _, port := range service.Spec.Ports {
			if !ports[port.TargetPort.StrVal] {
				t.Errorf("%s: the service leads to port %s, which the pod does not have", name, port.TargetPort.StrVal)
			}
		}
		if ports["nats"] != (name == "clients") {
			t.Errorf("%s: port 4222 is there: %v", name, ports["nats"])
		}
	}
}

// Nobody but who is named reaches the pod, and it reaches nobody else. Without names nobody does, which an empty list would not say.
func TestNetworkIsClosed(t *testing.T) {
	t.Parallel()
	for name, v := range variants() {
		p := walls(t, v)
		for _, rule := range p.Spec.Ingress {
			if len(rule.From) == 0 || len(rule.Ports) == 0 {
				t.Errorf("%s: everybody may come in: %+v", name, rule)
			}
		}
		for _, rule := range p.Spec.Egress {
			if len(rule.To) == 0 || len(rule.Ports) == 0 {
				t.Errorf("%s: it may go everywhere: %+v", name, rule)
			}
		}
		if len(p.Spec.PolicyTypes) != 2 {
			t.Errorf("%s: only %v is closed", name, p.Spec.PolicyTypes)
		}
	}
	if p := walls(t, values{"networkPolicy": values{"clients": []any{}}}); len(p.Spec.Ingress) != 0 {
		t.Errorf("without clients: %+v", p.Spec.Ingress)
	}
}

// walls are the network policy of an installation.
func walls(t *testing.T, v values) *network.NetworkPolicy {
	t.Helper()
	return objects(t, v)["NetworkPolicy"][0].(*network.NetworkPolicy)
}

// A server that wants certificates of its clients is asked by the program itself, which has one.
func TestProbesWithCertificates(t *testing.T) {
	t.Parallel()
	for want, tls := range map[string]values{
		"/healthz":  {"cert_file": "/tls/tls.crt", "key_file": "/tls/tls.key"},
		"firebreak": {"cert_file": "/tls/tls.crt", "key_file": "/tls/tls.key", "client_ca_file": "/tls/ca.crt"},
	} {
		template, _ := podOf(t, objects(t, values{"policy": values{"server": values{"tls": tls}}}))
		probe := template.Spec.Containers[0].LivenessProbe
		if got := asked(probe); got != want {
			t.Errorf("with %v: %q, want %q", tls, got, want)
		}
		if probe.HTTPGet != nil && probe.HTTPGet.Scheme != core.URISchemeHTTPS {
			t.Errorf("with %v it is asked over %s", tls, probe.HTTPGet.Scheme)
		}
	}
}

// The operator's types take every rule of ours, each with an expression.
func TestRulesAreTheOperators(t *testing.T) {
	t.Parallel()
	rules := objects(t, variants()["monitoring"])["PrometheusRule"]
	copies, err := os.ReadDir(filepath.Join(chart, "files", "rules"))
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) != len(copies) {
		t.Errorf("%d of %d files of rules are installed", len(rules), len(copies))
	}
	for _, r := range rules {
		for _, group := range r.(*operator.PrometheusRule).Spec.Groups {
			for _, rule := range group.Rules {
				if rule.Expr.String() == "" || (rule.Alert == "") == (rule.Record == "") {
					t.Errorf("group %s: %+v", group.Name, rule)
				}
			}
		}
	}
}
