package receiver_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/receiver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// hashed are tokens as the receiver takes them.
func hashed(tokens ...string) [][sha256.Size]byte {
	var all [][sha256.Size]byte
	for _, t := range tokens {
		all = append(all, sha256.Sum256([]byte(t)))
	}
	return all
}

// asked answers 200 to who shows the token, and streams it.
func asked(w http.ResponseWriter, r *http.Request) {
	if (receiver.Auth{Tokens: hashed("right")}).Allows(r) {
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "well")
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, "who?")
}

// Guesses beyond the budget hear 429 and when to come again; the right token passes at once, before, between and after, from the same address.
func TestGuarded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	g := receiver.NewGuarded(http.HandlerFunc(asked), reg, func() time.Time { return now }, zerolog.New(&log))
	show := func(path, token string) (int, string, http.Header) {
		r := httptest.NewRequest(http.MethodPost, path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w.Code, w.Body.String(), w.Result().Header
	}
	for i := range 50 {
		want := http.StatusUnauthorized
		if i >= 10 {
			want = http.StatusTooManyRequests
		}
		code, body, header := show("/webhook", "wrong")
		if code != want {
			t.Fatalf("guess %d: got %d, want %d", i, code, want)
		}
		if after := header.Get("Retry-After"); want == http.StatusTooManyRequests && (after != "6" || !strings.Contains(body, `"code":"too_many_guesses"`) || strings.Contains(body, "who?")) {
			t.Fatalf("guess %d: got Retry-After %q and %q", i, after, body)
		}
		if code, body, _ := show("/webhook", "right"); code != http.StatusOK || body != "well" {
			t.Fatalf("the right token after guess %d: got %d, %q", i, code, body)
		}
	}
	if _, body, _ := show("/api/v1/budget", "wrong"); !strings.Contains(body, `{"error":"too many`) {
		t.Errorf("the API: got %q, want an error as the command line reads it", body)
	}
	if got := counted(t, reg); got["401"] != 10 || got["429"] != 41 {
		t.Errorf("counted: got %v, want 10 and 41", got)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || strings.Contains(log.String(), "Bearer") {
		t.Errorf("got %d lines, want 1 without a token: %s", lines, &log)
	}
	now = now.Add(time.Minute)
	if code, body, _ := show("/webhook", "wrong"); code != http.StatusUnauthorized || body != "who?" {
		t.Errorf("after a rest: got %d, %q, want the handler's own answer", code, body)
	}
}

// counted are the wrong credentials by what they were answered with.
func counted(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "firebreak_wrong_credentials_total" {
				by[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return by
}
