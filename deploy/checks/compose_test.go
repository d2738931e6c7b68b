package checks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// stack is the demonstration, read as "docker compose" reads it.
func stack(t *testing.T, env map[string]string, profiles ...string) *types.Project {
	t.Helper()
	details := types.ConfigDetails{WorkingDir: "../compose", ConfigFiles: []types.ConfigFile{{Filename: "../compose/compose.yaml"}}, Environment: env}
	project, err := loader.LoadWithContext(t.Context(), details, func(o *loader.Options) { o.Profiles = profiles; o.SetProjectName("demo", true) })
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// The stack follows the specification, every file that it mounts is there, and nothing of it is reached from another machine.
func TestStack(t *testing.T) {
	t.Parallel()
	for name, project := range map[string]*types.Project{
		"embedded": stack(t, nil),
		"nats":     stack(t, map[string]string{"FIREBREAK_POLICY": "firebreak-nats.yaml"}, "nats"),
	} {
		if _, there := project.Services["nats"]; there != (name == "nats") {
			t.Errorf("%s: a NATS of its own: %v", name, there)
		}
		if len(project.Services) < 10 {
			t.Errorf("%s: only %d services", name, len(project.Services))
		}
		for service, s := range project.Services {
			for _, v := range s.Volumes {
				if v.Type != types.VolumeTypeBind {
					continue
				}
				if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
					t.Errorf("%s: %s mounts %s: %v, read-only: %v", name, service, v.Source, err, v.ReadOnly)
				}
			}
			for _, p := range s.Ports {
				if p.HostIP != "127.0.0.1" {
					t.Errorf("%s: port %s of %s is everybody's", name, p.Published, service)
				}
			}
			if s.Image == "" && s.Build == nil || s.Privileged || s.NetworkMode == "host" {
				t.Errorf("%s: %s is not as it should be: %+v", name, service, s)
			}
		}
	}
}

// Firebreak runs there as it should anywhere, with the policy that was chosen.
func TestStackOfFirebreak(t *testing.T) {
	t.Parallel()
	for policy, project := range map[string]*types.Project{
		"firebreak.yaml":      stack(t, nil),
		"firebreak-nats.yaml": stack(t, map[string]string{"FIREBREAK_POLICY": "firebreak-nats.yaml"}, "nats"),
	} {
		s := project.Services["firebreak"]
		if !s.ReadOnly || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || s.User != "" {
			t.Errorf("%s: read-only %v, drops %v, user %q", policy, s.ReadOnly, s.CapDrop, s.User)
		}
		mounted := false
		for _, v := range s.Volumes {
			mounted = mounted || v.Target == "/etc/firebreak/firebreak.yaml" && filepath.Base(v.Source) == policy
		}
		if !mounted {
			t.Errorf("%s is not mounted: %+v", policy, s.Volumes)
		}
		if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Errorf("%s: the image is built from nothing: %v", policy, err)
		}
		if got := strings.Join(s.HealthCheck.Test, " "); got != "CMD /usr/local/bin/firebreak health --ready" {
			t.Errorf("%s: asked how it is by %q", policy, got)
		}
	}
}
