package notify

import (
	"context"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rs/zerolog"
)

// An event that is older than a day is not told: a place that is added today is not told of last month. The bus keeps the
// time, so that this test hands the message over itself.
func TestTooOld(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b, err := bus.Open(ctx, bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	id := incidents.NewID("retrystorm", "a", 1)
	st := incidents.Fold(nil)
	err = incidents.NewStore(b).Append(ctx, st, incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{ID: id, Handler: "retrystorm", Target: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.Last(ctx, bus.Incidents, "incidents."+id.Key())
	if err != nil {
		t.Fatal(err)
	}
	for age, want := range map[time.Duration]int{tooOld - time.Hour: 1, tooOld + time.Second: 0} {
		told := &counted{}
		reg := prometheus.NewRegistry()
		m.At = time.Now().Add(-age)
		if err := NewTeller(b, told, nil, NewMetrics(reg), zerolog.Nop()).tell(ctx, m); err != nil || told.n != want {
			t.Errorf("%s old: got it told %d times, %v, want %d", age, told.n, err, want)
		}
		families, err := reg.Gather()
		if err != nil || len(families) != 1 {
			t.Errorf("%s old: got %v, %v, want it counted once", age, families, err)
		}
		if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
			t.Errorf("got %v, %v", problems, err)
		}
	}
}

type counted struct{ n int }

func (*counted) Name() string { return "counted" }

func (c *counted) Send(context.Context, Outcome) error {
	c.n++
	return nil
}
