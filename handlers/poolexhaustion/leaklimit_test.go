package poolexhaustion

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// How long a transaction may do nothing follows from how long transactions work, not from how long their clients waited for a server: PgBouncer
// 1.18 said 420.1 s of transactions after a few exhaustions, of which 418.7 s were waiting.
func TestLeakLimit(t *testing.T) {
	t.Parallel()
	r := deciding{Handler: &Handler{thresholds: policy.PoolThresholds{LeakAge: policy.Duration(2 * time.Second), LeakFactor: 2}}}
	for _, c := range []struct {
		name   string
		totals Totals
		want   float64
	}{
		{"of too few nothing follows", Totals{Transactions: 99, XactTime: 1000}, 2},
		{"quick ones", Totals{Transactions: 1000, XactTime: 1}, 2},
		{"slow ones", Totals{Transactions: 1000, XactTime: 100}, 20},
		{"quick ones that waited", Totals{Transactions: 1152, XactTime: 420.1, WaitTime: 418.7}, 2},
		{"slow ones that waited", Totals{Transactions: 1000, XactTime: 500, WaitTime: 400}, 20},
		{"more waiting than time", Totals{Transactions: 1000, XactTime: 5, WaitTime: 10}, 2},
	} {
		s := sight{queues: []queue{{db: &Database{Name: "app", Totals: c.totals}}}}
		if got, _ := r.leakLimit(s, "app"); got < c.want-0.001 || got > c.want+0.001 {
			t.Errorf("%s: got %.3f s, want %.3f s", c.name, got, c.want)
		}
	}
}
