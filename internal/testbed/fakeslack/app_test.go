package fakeslack_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/slack-go/slack"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

// app is an app behind a request URL, written as the client library says.
type app struct {
	secret string
	// before is called with every request that is rightly signed, before it is answered; it may answer itself.
	before func(http.ResponseWriter, slack.InteractionCallback) (answered bool)

	mu  sync.Mutex
	got []slack.InteractionCallback
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	v, err := slack.NewSecretsVerifier(r.Header, a.secret)
	if err == nil {
		_, _ = v.Write(body)
		err = v.Ensure()
	}
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	cb, err := slack.InteractionCallbackParse(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	a.got = append(a.got, cb)
	a.mu.Unlock()
	if a.before != nil && a.before(w, cb) {
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (a *app) seen() []slack.InteractionCallback {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]slack.InteractionCallback(nil), a.got...)
}

// listen starts an app and sends the workspace's interactions to it.
func listen(t *testing.T, s *fakeslack.Server, a *app) {
	t.Helper()
	a.secret = s.App().SigningSecret
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	s.SetRequestURL(server.URL + "/slack/interactions")
}

// change rewrites one top-level field of a payload.
func change(t *testing.T, payload []byte, field string, value any) []byte {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(payload, &o); err != nil {
		t.Fatal(err)
	}
	o[field] = value
	out, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
