package blackbox

import (
	"context"
	"os/exec"
	"path/filepath"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// The logins of Firebreak at PostgreSQL, as [MakeRoles] makes them.
const (
	ProbeUser, ProbePassword = "firebreak_probe", "probe-password-of-the-test"
	ActUser, ActPassword     = "firebreak_act", "act-password-of-the-test"
)

// RolesHBA lets these logins in, with their passwords.
func RolesHBA() string {
	return "host all " + ProbeUser + "," + ActUser + " 127.0.0.1/32 scram-sha-256"
}

// MakeRoles makes them as an operator does: with psql, from the file that is shipped.
func MakeRoles(t testbed.TB, primary *testbed.PostgresNode) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Within)
	defer cancel()
	file := filepath.Join("..", "..", "deploy", "postgres", "roles.sql")
	cmd := exec.CommandContext(ctx, "psql", "-X", "-q", "-d", primary.URL(testbed.RoleSuperuser, testbed.Database),
		"-v", "probe_password="+ProbePassword, "-v", "act_password="+ActPassword, "-f", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make the roles by %s: %v\n%s", file, err, out)
	}
}
