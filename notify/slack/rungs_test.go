package slack

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

func rung(number int, mention string, to ...string) incidents.Event {
	return incidents.Event{Kind: incidents.Rung, Rung: &incidents.Calling{Round: 1, Number: number, Of: 3,
		After: policy.Duration(time.Duration(number) * 5 * time.Minute), To: to, Mention: mention}}
}

// Behind a teller a rung that names Slack is a reply that the channel sees too, and that names whom it calls; one that names others is
// nothing there.
func TestRungs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	teller := notify.NewTeller(w.bus, s.Sink(), Kinds(), notify.NewMetrics(prometheus.NewRegistry()), zerolog.Nop())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- teller.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("tell: %v", err)
		}
	})
	id := incidents.NewID("retrystorm", "checkout→payments", 1)
	w.write(id, opened(1))
	said := func(text string) (fakeslack.Message, bool) {
		if len(w.roots(id)) != 1 {
			return fakeslack.Message{}, false
		}
		all := w.slack.Thread(w.root(id).TS)
		i := slices.IndexFunc(all, func(m fakeslack.Message) bool { return strings.Contains(m.Latest().Text, text) })
		if i < 0 {
			return fakeslack.Message{}, false
		}
		return all[i], true
	}
	w.write(id, rung(1, "", "pagerduty"))
	for number, c := range map[int]struct{ mention, want string }{2: {alice, "<@" + alice + ">"}, 3: {"S0SRE", "<!subteam^S0SRE>"}} {
		w.write(id, rung(number, c.mention, "pagerduty", Name))
		words := rung(number, c.mention, "pagerduty", Name).Words()
		w.await("the rung is told", func() bool { _, ok := said(words); return ok })
		m, _ := said(words)
		if text := m.Latest().Text; !m.Broadcast || !strings.HasPrefix(text, c.want+"\n") || !strings.Contains(unescaped(m), c.want) {
			t.Errorf("got broadcast %t, %q and blocks %s, want %s called loudly", m.Broadcast, text, m.Latest().Blocks, c.want)
		}
	}
	if m, ok := said("step 1 of 3"); ok {
		t.Errorf("the thread says %q, which is for others", m.Latest().Text)
	}
}

// unescaped are the blocks of a message without the escapes of JSON.
func unescaped(m fakeslack.Message) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(m.Latest().Blocks))
}

// Only ids of users and of user groups become mentions; nothing else can mean somebody, least of all everybody.
func TestMentionOf(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"U0123": "<@U0123>", "W0123": "<@W0123>", "S0123": "<!subteam^S0123>",
		"": "", "U1": "", "C0123": "", "on-call": "", "U012> <!channel": "", "!here": "", "Uabc": "", "S0123|x": "", "U" + strings.Repeat("1", 41): "",
	} {
		if got := mentionOf(id); got != want {
			t.Errorf("%q: got %q, want %q", id, got, want)
		}
	}
}

// What is told late calls those who are still needed, each once, and nobody who was called before somebody took it, or before its end.
func TestMentions(t *testing.T) {
	t.Parallel()
	person := &incidents.Person{Name: "ann", Via: "slack", ID: "U9"}
	acked, again := incidents.Event{Kind: incidents.Acked, Person: person}, rung(1, "U0123", Name)
	all := []incidents.Event{opened(1), again, rung(2, "S0123", Name), rung(3, "U0123", Name), rung(3, "U0777", "pagerduty"), {Kind: incidents.Rung}}
	for name, c := range map[string]struct {
		events []incidents.Event
		told   int
		want   string
	}{
		"all":             {all, 0, "<@U0123> <!subteam^S0123>"},
		"the last":        {all, 3, "<@U0123>"},
		"none":            {all, 4, ""},
		"taken":           {append(slices.Clone(all), acked), 0, ""},
		"by nobody":       {append(slices.Clone(all), incidents.Event{Kind: incidents.Acked}), 3, "<@U0123>"},
		"closed":          {append(slices.Clone(all), incidents.Event{Kind: incidents.Closed}), 0, ""},
		"and called anew": {append(slices.Clone(all), acked, again), 0, "<@U0123>"},
	} {
		if got := mentions(c.events, c.told); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
