package databasetest

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// prepare writes the policy. Nothing is started.
func (b *lab) prepare(t *testing.T, bin string, s settings) *blackbox.Product {
	t.Helper()
	listen := s.listen
	if listen == "" {
		listen = testbed.Addr(t)
	}
	return blackbox.NewProduct(t, bin, b.writePolicy(t.TempDir(), listen, s))
}

// about is an alert about a node of the cluster that fires from now on, as the rules that are shipped label it.
func about(name, node string) blackbox.Alert {
	labels := map[string]string{"cluster": "orders", "severity": "warning"}
	if node != "" {
		labels["node"] = node
	}
	return blackbox.Alert{Name: name, Labels: labels, Starts: time.Now().UTC()}
}
