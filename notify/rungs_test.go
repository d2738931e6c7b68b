package notify_test

import (
	"slices"
	"testing"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

func rung(number int, to ...string) incidents.Event {
	return incidents.Event{Kind: incidents.Rung, Rung: &incidents.Calling{Round: 1, Number: number, Of: 3, To: to}}
}

// A place is told of the rungs that name it as the policy does, whatever kinds it asked for, and of no others.
func TestRungs(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	st := incidents.Fold(nil)
	write(t, b, st, opened("a"))
	write(t, b, st, rung(1, "pagerduty"), rung(2, "slack", "desk"))
	write(t, b, st, rung(3, "webhook_desk"), incidents.Event{Kind: incidents.Rung}, closed())
	for name, c := range map[string]struct {
		called string
		kinds  []incidents.Kind
		want   []int // the numbers of the rungs that it is told of
	}{
		"default": {"desk", []incidents.Kind{incidents.Closed}, []int{2}}, "asked": {"desk", []incidents.Kind{incidents.Closed, incidents.Rung}, []int{2}},
		"unnamed": {"chat", []incidents.Kind{incidents.Closed, incidents.Rung}, nil}, "sink": {"", nil, nil},
		"webhook_desk": {"", []incidents.Kind{incidents.Closed}, []int{3}},
	} {
		p := newPlace(nil)
		p.name = name
		teller := notify.NewTeller(b, p, c.kinds, notify.NewMetrics(prometheus.NewRegistry()), zerolog.Nop())
		if c.called != "" {
			teller = teller.Called(c.called)
		}
		run(t, teller)
		var got []int
		for o := p.next(t); o.Kind != incidents.Closed; o = p.next(t) {
			if o.Kind == incidents.Rung {
				got = append(got, o.Event.Rung.Number)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got told of the rungs %v, want %v", name, got, c.want)
		}
	}
}

// A rung reaches a signed webhook that it names, whole, and no other webhook.
func TestRungSigned(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	st := incidents.Fold(nil)
	write(t, b, st, opened("a"))
	named, h := newSigned(t)
	reg := prometheus.NewRegistry()
	run(t, notify.NewTeller(b, named, []incidents.Kind{incidents.Closed}, notify.NewMetrics(reg), zerolog.Nop()).Called("desk"))
	write(t, b, st, rung(1, "other"), rung(2, "desk"))
	write(t, b, st, closed())
	wantCounts(t, reg, map[string]float64{"total webhook_desk": 2})
	h.mu.Lock()
	defer h.mu.Unlock()
	if o := h.outcomes[0]; o.Kind != incidents.Rung || o.Event.Rung == nil || o.Event.Rung.Number != 2 ||
		o.Words != "a person is needed: step 2 of 3, desk is told" || h.outcomes[1].Kind != incidents.Closed {
		t.Errorf("got %+v, want the rung that names it, and the end", h.outcomes)
	}
}
