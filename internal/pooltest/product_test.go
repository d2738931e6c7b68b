package pooltest

import (
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// prepare writes the policy about the lab and a pooler before it, if there is one. Nothing is started.
func (b *lab) prepare(t *testing.T, bin string, pooler *testbed.PgBouncer, s settings) *blackbox.Product {
	t.Helper()
	listen := s.listen
	if listen == "" {
		listen = "127.0.0.1:0" // it says where, each time it starts
	}
	return blackbox.NewProduct(t, bin, b.writePolicy(t.TempDir(), listen, pooler, s))
}

// about is an alert about the cluster that fires from now on, as the rules that are shipped label it: those of the pooler name that, the
// others the primary.
func about(name string) blackbox.Alert {
	labels := map[string]string{"cluster": "orders", "severity": "warning"}
	switch {
	case strings.HasPrefix(name, "PgBouncer"):
		labels["node"] = bouncer
	case strings.HasPrefix(name, "App"):
		labels["app"] = "checkout"
	default:
		labels["node"] = "pg1"
	}
	return blackbox.Alert{Name: name, Labels: labels, Starts: time.Now().UTC()}
}
