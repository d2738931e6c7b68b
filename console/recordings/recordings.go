// Package recordings is where the past comes back: incidents that were recorded, here or elsewhere, are put here to be read, and messages of
// a record are told again, on subjects of their own, to those who want to try something on them.
//
//	POST /api/v1/imports       an incident file   201, with its id; one of the same id is replaced
//	GET  /api/v1/imports                          one [Imported] a line
//	GET  /api/v1/imports/ID                       the file, as it was put here
//	POST /api/v1/replays       a [Message]        201, when the bus has it
//
// Nothing ever acts on any of it. What is imported lies in a bucket of its own: no handler, no limit, no list of incidents and nobody who is
// told reads that. What is replayed goes out on a subject below "replay.", which no stream of ours takes, in a form that no reader of
// ours takes for a record or an alert.
//
// Reading needs the right to read, which is asked for before a request gets here; putting something here, the right to operate.
package recordings

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/rs/zerolog"
)

// Config is what the API works with. All fields are required but Next.
type Config struct {
	Bus *bus.Bus
	// MayOperate says who asks, and is an error if that person may not operate.
	MayOperate func(*http.Request) (string, error)
	// Inspect reads an incident file as strictly as possible and says whose it is.
	Inspect func(text []byte) (incidents.ID, error)
	// Next answers all other paths.
	Next http.Handler
	Log  zerolog.Logger
}

// api is the handler.
type api struct {
	Config
	// importing holds one place: a file is taken into memory.
	importing chan struct{}
}

// New makes the API. It is safe for concurrent use.
func New(cfg Config) (http.Handler, error) {
	for what, missing := range map[string]bool{"bus": cfg.Bus == nil, "way to know who asks": cfg.MayOperate == nil, "reader of files": cfg.Inspect == nil} {
		if missing {
			return nil, errors.New("configure the API of recordings: no " + what)
		}
	}
	if cfg.Next == nil {
		cfg.Next = http.NotFoundHandler()
	}
	return &api{Config: cfg, importing: make(chan struct{}, 1)}, nil
}

// refusal is an answer that is no.
type refusal struct {
	status int
	words  string
}

func (r refusal) Error() string { return r.words }

// ServeHTTP answers what is ours.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
	id, one := strings.CutPrefix(path, "imports/")
	var err error
	switch {
	case path == "replays" && r.Method == http.MethodPost:
		err = a.replay(w, r)
	case path == "imports" && r.Method == http.MethodPost:
		err = a.take(w, r)
	case path == "imports" && r.Method == http.MethodGet:
		err = a.list(w, r)
	case one && r.Method == http.MethodGet:
		err = a.show(w, r, id)
	case path == "replays" || path == "imports" || one:
		err = refusal{http.StatusMethodNotAllowed, r.Method + " does not go here"}
	default:
		a.Next.ServeHTTP(w, r)
		return
	}
	if err == nil || r.Context().Err() != nil {
		return
	}
	status := http.StatusServiceUnavailable
	var no refusal
	switch {
	case errors.As(err, &no):
		status = no.status
	case errors.Is(err, incidents.ErrBadID):
		status = http.StatusBadRequest
	case errors.Is(err, bus.ErrNotFound):
		status = http.StatusNotFound
	}
	answer(w, status, map[string]string{"error": err.Error()})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader may be gone
}

// operator is who asks, if that person may put something here.
func (a *api) operator(r *http.Request) (string, error) {
	who, err := a.MayOperate(r)
	if err != nil {
		return "", refusal{http.StatusForbidden, err.Error()}
	}
	return who, nil
}

// storeTimeout bounds what one request asks of the bus.
const storeTimeout = 10 * time.Second
