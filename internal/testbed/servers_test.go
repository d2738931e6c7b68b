package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// within is how long anything that takes a moment may take on a busy machine.
const within = 90 * time.Second

const rules = `
groups:
- name: testbed
  rules:
  - alert: TooHot
    expr: temperature > 40
    labels: {severity: critical}
`

// sink is a webhook that remembers "status alertname" of every alert that it was told, and what it was told it with.
type sink struct {
	*httptest.Server

	mu     sync.Mutex
	alerts []string // guarded by mu
	auth   []string // guarded by mu
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Alerts []struct {
				Status string            `json:"status"`
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.auth = append(s.auth, r.Header.Get("Authorization"))
		for _, a := range body.Alerts {
			s.alerts = append(s.alerts, a.Status+" "+a.Labels["alertname"])
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) told(what string) func() bool {
	return func() bool { return s.count(what) > 0 }
}

func (s *sink) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.alerts {
		if a == what {
			n++
		}
	}
	return n
}

// A rule that fires in Prometheus arrives at the webhook through Alertmanager, and so does its end.
func TestRuleFiresAndResolves(t *testing.T) {
	t.Parallel()
	var degrees atomic.Int64
	degrees.Store(50)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "temperature %d\n", degrees.Load())
	}))
	t.Cleanup(target.Close)
	hook := newSink(t)

	am := Alertmanager(t, AlertmanagerConfig{WebhookURL: hook.URL, Bearer: "let-me-in"})
	prom := Prometheus(t, PrometheusConfig{
		ScrapeTargets: map[string][]string{"oven": {strings.TrimPrefix(target.URL, "http://")}},
		Rules:         rules,
		Alertmanagers: []string{am.Addr},
		Interval:      250 * time.Millisecond,
	})
	Await(t, within, "the firing alert", hook.told("firing TooHot"))

	got, err := prom.Query(t.Context(), "temperature")
	if err != nil || len(got) != 1 || got[0].Value != 50 || got[0].Labels["job"] != "oven" {
		t.Errorf("query: got %+v, %v, want one sample of 50 from the oven", got, err)
	}
	if got, err := prom.Query(t.Context(), "scalar(vector(7))"); err != nil || len(got) != 1 || got[0].Value != 7 {
		t.Errorf("query a scalar: got %+v, %v, want 7", got, err)
	}
	if _, err := prom.Query(t.Context(), "sum("); err == nil {
		t.Error("query nonsense: got no error")
	}
	if got, err := prom.Query(t.Context(), "absent_metric"); err != nil || len(got) != 0 {
		t.Errorf("query nothing: got %+v, %v, want no samples", got, err)
	}

	degrees.Store(20)
	Await(t, within, "the resolved alert", hook.told("resolved TooHot"))
	hook.mu.Lock()
	defer hook.mu.Unlock()
	if slices.Contains(hook.auth, "") || hook.auth[0] != "Bearer let-me-in" {
		t.Errorf("got authorization %q, want the bearer token each time", hook.auth)
	}
}

// What was notified survives a stop, and is forgotten by a crash, as Alertmanager's users know it; a silence holds alerts back.
func TestAlertmanagerRestarts(t *testing.T) {
	t.Parallel()
	hook := newSink(t)
	am := Alertmanager(t, AlertmanagerConfig{WebhookURL: hook.URL, Username: "alerts", Password: "secret"})
	post := func(name string) {
		t.Helper()
		if err := am.Post(t.Context(), PostableAlert{Labels: map[string]string{"alertname": name}}); err != nil {
			t.Fatal(err)
		}
	}
	post("Disk")
	Await(t, within, "the first notification", hook.told("firing Disk"))

	am.Kill9()
	if err := am.Restart(); err != nil {
		t.Fatal(err)
	}
	post("Disk")
	Await(t, within, "a second notification, since the crash made it forget", func() bool { return hook.count("firing Disk") == 2 })

	id, err := am.Silence(t.Context(), map[string]string{"alertname": "Quiet"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := am.Restart(); err != nil {
		t.Fatal(err)
	}
	post("Disk")
	post("Quiet")
	post("Loud")
	Await(t, within, "the alert that is not silenced", hook.told("firing Loud"))
	if n := hook.count("firing Disk"); n != 2 {
		t.Errorf("after a stop in good order it notified again: %d notifications, want 2", n)
	}
	if hook.count("firing Quiet") != 0 {
		t.Error("a silenced alert was notified")
	}
	if err := am.Unsilence(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	Await(t, within, "the alert whose silence has ended", hook.told("firing Quiet"))
}

// Two peers that were told the same alert notify once, and go on when one of them is gone.
func TestPairOfAlertmanagers(t *testing.T) {
	t.Parallel()
	hook := newSink(t)
	first, second := AlertmanagerPair(t, AlertmanagerConfig{WebhookURL: hook.URL, Cluster: Cluster{PeerTimeout: 5 * time.Second}})
	post := func(name string, to ...*AM) {
		t.Helper()
		for _, am := range to {
			if err := am.Post(t.Context(), PostableAlert{Labels: map[string]string{"alertname": name}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	post("Shared", first, second)
	Await(t, within, "the notification of one peer", hook.told("firing Shared"))
	// Between its notification and its gossip a peer that is killed leaves the other one ignorant.
	Await(t, within, "the other peer to hear of it", func() bool {
		return strings.Contains(metrics(t, first)+metrics(t, second), "alertmanager_nflog_gossip_messages_propagated_total 1")
	})

	first.Kill9()
	post("Alone", second)
	Await(t, within, "the notification of the peer that is left", hook.told("firing Alone"))
	if n := hook.count("firing Shared"); n != 1 {
		t.Errorf("the pair notified %d times, want once", n)
	}
	if err := first.Restart(); err != nil {
		t.Fatal(err)
	}
	Await(t, within, "the pair to be two again", func() bool { return second.peers() == 2 })
}

// metrics is what an Alertmanager says about itself.
func metrics(t *testing.T, am *AM) string {
	t.Helper()
	resp, err := http.Get(am.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A configuration that a server refuses fails the test with the server's own words.
func TestRefusedConfigurationIsShown(t *testing.T) {
	t.Parallel()
	var logged []string
	t.Run("inner", func(t *testing.T) {
		got := fails(t, func(tb TB) {
			Prometheus(loggingTB{TB: tb, log: func(s string) { logged = append(logged, s) }}, PrometheusConfig{Rules: "groups: nonsense"})
		})
		if want := "ended before it was ready"; !strings.Contains(got, want) {
			t.Errorf("failed with %q, want it to contain %q", got, want)
		}
	})
	if all := strings.Join(logged, "\n"); !strings.Contains(all, "rules.yml") {
		t.Errorf("the server's log was not shown, only:\n%s", all)
	}
}

// loggingTB keeps what is logged.
type loggingTB struct {
	TB
	log func(string)
}

func (l loggingTB) Logf(format string, args ...any) { l.log(fmt.Sprintf(format, args...)) }

// A call to a server that is down is an error, not a hang.
func TestPostToADeadServer(t *testing.T) {
	t.Parallel()
	am := Alertmanager(t, AlertmanagerConfig{})
	am.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := am.Post(ctx, PostableAlert{Labels: map[string]string{"alertname": "A"}}); err == nil {
		t.Error("posting to a stopped server: got no error")
	}
}
