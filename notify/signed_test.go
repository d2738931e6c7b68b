package notify_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/notify/webhook"
	"github.com/prometheus/client_golang/prometheus"
)

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// hook is a receiver of signed webhooks that verifies each message, and answers as it is told.
type hook struct {
	t *testing.T

	mu       sync.Mutex // guards the fields below
	answers  []int      // of the next requests; then 200
	ids      []string
	outcomes []notify.Outcome
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Errorf("read: %v", err)
	}
	if err := webhook.Verify(r.Header, body, []byte(secret), time.Now(), 0); err != nil {
		h.t.Errorf("verify: %v", err)
	}
	var o notify.Outcome
	if err := json.Unmarshal(body, &o); err != nil {
		h.t.Errorf("decode: %v", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids, h.outcomes = append(h.ids, r.Header.Get("Webhook-Id")), append(h.outcomes, o)
	if len(h.answers) > 0 {
		w.WriteHeader(h.answers[0])
		h.answers = h.answers[1:]
	}
}

func newSigned(t *testing.T, answers ...int) (*notify.Signed, *hook) {
	t.Helper()
	h := &hook{t: t, answers: answers}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	sender, err := webhook.New(webhook.Config{Name: "desk", URL: srv.URL + "/hooks", Secret: []byte(secret)}, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	return notify.NewSigned("desk", sender), h
}

// A record's outcomes reach a signed webhook through the bus: verifiable, each under its own id, once more after a failure.
func TestSigned(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	st := incidents.Fold(nil)
	write(t, b, st, opened("checkout→payments"))
	write(t, b, st, escalated("look"), closed())
	signed, h := newSigned(t, http.StatusServiceUnavailable, http.StatusOK, http.StatusGone)
	reg := prometheus.NewRegistry()
	telling(t, b, signed, reg)
	// 503 is tried again; 410 is given up.
	wantCounts(t, reg, map[string]float64{"total webhook_desk": 2, "failed_total webhook_desk retried": 1, "failed_total webhook_desk permanent": 1})

	h.mu.Lock()
	defer h.mu.Unlock()
	want := []incidents.Kind{incidents.Opened, incidents.Opened, incidents.Escalated, incidents.Closed}
	if len(h.outcomes) != len(want) {
		t.Fatalf("got %d requests, want %d", len(h.outcomes), len(want))
	}
	for i, o := range h.outcomes {
		if o.Kind != want[i] || o.ID != h.ids[i] || o.Incident != st.ID || o.Target != "checkout→payments" || o.Event.Kind != o.Kind {
			t.Errorf("request %d: got %+v with id %s, want %s", i, o, h.ids[i], want[i])
		}
	}
	if h.ids[0] != h.ids[1] || h.ids[1] == h.ids[2] || h.ids[2] == h.ids[3] {
		t.Errorf("got ids %v, want one for each event", h.ids)
	}
}

// What an answer means for trying again.
func TestSignedAnswers(t *testing.T) {
	t.Parallel()
	for status, permanent := range map[int]bool{200: false, 204: false, 500: false, 503: false, 429: false, 408: false, 400: true, 401: true, 404: true, 410: true, 302: true} {
		signed, _ := newSigned(t, status)
		err := signed.Send(within(t), notify.Outcome{ID: "retrystorm-3f9a2c81b04d-7-12-0", Kind: incidents.Closed})
		if (err == nil) != (status/100 == 2) || errors.Is(err, notify.ErrPermanent) != permanent {
			t.Errorf("%d: got %v, want permanent %t", status, err, permanent)
		}
	}
	signed, h := newSigned(t)
	if got, want := signed.Name(), "webhook_desk"; got != want {
		t.Errorf("got name %s, want %s", got, want)
	}
	if err := signed.Send(within(t), notify.Outcome{ID: "with.a.dot"}); !errors.Is(err, notify.ErrPermanent) || len(h.ids) != 0 {
		t.Errorf("got %v for an id that cannot be signed, want that it is given up", err)
	}
}
