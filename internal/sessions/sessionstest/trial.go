package sessionstest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/httpapi"
)

// Kept is what a trial session holds, on the wire. Live is false where there is no such session.
type Kept struct {
	Live     bool              `json:"live"`
	Contents map[string]string `json:"contents,omitempty"`
}

// isTrial refuses sessions that are not the suite's.
func isTrial(id string) error {
	if !strings.HasPrefix(id, Prefix) {
		return fmt.Errorf("%w: %q does not begin with %q", sessions.ErrRequest, id, Prefix)
	}
	return nil
}

func (s *Server) makeTrial(w http.ResponseWriter, r *http.Request) {
	var m Made
	err := order(w, r, &m)
	if err == nil {
		m.ID = r.PathValue("id")
		err = isTrial(m.ID)
	}
	if err == nil {
		err = s.bench.Make(r.Context(), m)
	}
	s.done(w, err)
}

func (s *Server) trial(w http.ResponseWriter, r *http.Request) {
	key := sessions.Key{ID: r.PathValue("id"), Copy: r.URL.Query().Get("copy")}
	var kept Kept
	err := isTrial(key.ID)
	if err == nil {
		kept.Contents, kept.Live, err = s.bench.Contents(r.Context(), key)
	}
	reply(w, kept, err)
}

func (s *Server) removeTrial(w http.ResponseWriter, r *http.Request) {
	key := sessions.Key{ID: r.PathValue("id"), Copy: r.URL.Query().Get("copy")}
	err := isTrial(key.ID)
	if err == nil {
		err = s.bench.Remove(r.Context(), key)
	}
	s.done(w, err)
}

func (s *Server) done(w http.ResponseWriter, err error) {
	if err != nil {
		reply(w, nil, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Remote is the bench of an endpoint: its trials.
type Remote struct{ client *httpapi.Client }

var _ Bench = (*Remote)(nil)

// NewRemote is the bench behind a client.
func NewRemote(client *httpapi.Client) *Remote { return &Remote{client} }

// Make writes a trial session.
func (r *Remote) Make(ctx context.Context, m Made) error {
	return r.client.Do(ctx, httpapi.Request{Method: http.MethodPut, Path: httpapi.TrialPath(m.ID), Body: m}, nil)
}

// Contents reads one.
func (r *Remote) Contents(ctx context.Context, key sessions.Key) (map[string]string, bool, error) {
	var kept Kept
	err := r.client.Do(ctx, httpapi.Request{Method: http.MethodGet, Path: httpapi.TrialPath(key.ID), Query: copyOf(key)}, &kept)
	return kept.Contents, kept.Live, err
}

// Remove removes one.
func (r *Remote) Remove(ctx context.Context, key sessions.Key) error {
	return r.client.Do(ctx, httpapi.Request{Method: http.MethodDelete, Path: httpapi.TrialPath(key.ID), Query: copyOf(key)}, nil)
}

func copyOf(key sessions.Key) url.Values {
	if key.Copy == "" {
		return nil
	}
	return url.Values{"copy": {key.Copy}}
}
