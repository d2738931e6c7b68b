// Package console is what people and the command line read: incidents, their records, and the alerts that came in. It
// changes nothing.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
)

// API serves JSON: lists as one object a line, so that they can be streamed and be cut with ordinary tools.
//
//	GET /api/v1/incidents?since=168h      one [incidents.Summary] a line, newest first
//	GET /api/v1/incidents/ID              one [Record]
//	GET /api/v1/incidents/watch?since=0s  one [Line] a line, as it happens
//	GET /api/v1/records?since=168h        one [Stored] a line, in the order of their storing; also until=, handler=, target=, after=
//	GET /api/v1/alerts?since=24h          one [Delivered] a line, oldest first
type API struct {
	bus   *bus.Bus
	store *incidents.Store
	now   func() time.Time
	// readers holds one place for each who reads records now.
	readers chan struct{}
}

// NewAPI serves what b keeps.
func NewAPI(b *bus.Bus) *API {
	return &API{bus: b, store: incidents.NewStore(b), now: time.Now, readers: make(chan struct{}, recordReaders)}
}

// Record is one incident with all of its events.
type Record struct {
	Summary incidents.Summary `json:"summary"`
	Events  []incidents.Event `json:"events"`
}

// Line is one event of one incident.
type Line struct {
	ID    incidents.ID    `json:"id"`
	Seq   uint64          `json:"seq"`
	Event incidents.Event `json:"event"`
}

// ServeHTTP routes by hand; see receiver.Routes for why.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, "only GET is answered here")
		return
	}
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
	var err error
	switch id, isIncident := strings.CutPrefix(path, "incidents/"); {
	case path == "incidents":
		err = a.list(w, r)
	case path == "incidents/watch":
		err = a.watch(w, r)
	case isIncident:
		err = a.show(w, r, id)
	case path == "records":
		err = a.records(w, r)
	case path == "alerts":
		err = a.alerts(w, r)
	default:
		refuse(w, http.StatusNotFound, "no such path; see /api/v1/incidents and /api/v1/alerts")
	}
	switch {
	case err == nil || r.Context().Err() != nil:
	case errors.Is(err, bus.ErrNotFound):
		refuse(w, http.StatusNotFound, err.Error())
	case errors.Is(err, incidents.ErrBadID), errors.Is(err, errBadRequest):
		refuse(w, http.StatusBadRequest, err.Error())
	default:
		refuse(w, http.StatusServiceUnavailable, err.Error())
	}
}

var errBadRequest = errors.New("bad request")

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": message})
}

func (a *API) show(w http.ResponseWriter, r *http.Request, text string) error {
	id, err := incidents.ParseID(text)
	if err != nil {
		return err
	}
	events, err := a.store.Events(r.Context(), id)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(Record{Summary: incidents.Fold(events).Summary(), Events: events})
}

// list folds everything that happened since; an incident that was opened before is loaded whole.
func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	since, err := a.since(r, 7*24*time.Hour)
	if err != nil {
		return err
	}
	states := map[incidents.ID]*incidents.State{}
	var order []*incidents.State
	err = a.bus.Follow(r.Context(), bus.Past{Stream: bus.Incidents, Since: since}, func(m bus.Msg) error {
		id, events, err := readMsg(m)
		if err != nil {
			return nil // one damaged record does not hide the others; whoever asks for that one is told
		}
		st := states[id]
		switch {
		case st == nil && events[0].Kind == incidents.Opened:
			st = incidents.Fold(nil)
		case st == nil:
			st, err = a.store.Load(r.Context(), id)
			if errors.Is(err, incidents.ErrDamaged) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		if states[id] == nil {
			states[id] = st
			order = append(order, st)
		}
		if m.Seq > st.Seq {
			for _, e := range events {
				st.Apply(e)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(order, func(x, y *incidents.State) int { return y.OpenedAt.Compare(x.OpenedAt) })
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	for _, st := range order {
		if err := enc.Encode(st.Summary()); err != nil {
			return nil // the reader is gone
		}
	}
	return nil
}

// watch streams events as they happen, beginning with those since.
func (a *API) watch(w http.ResponseWriter, r *http.Request) error {
	since, err := a.since(r, 0)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{}) // a watch has no end
	w.WriteHeader(http.StatusOK)
	_ = out.Flush()
	enc := json.NewEncoder(w)
	_ = a.bus.Follow(r.Context(), bus.Past{Stream: bus.Incidents, Since: since, Tail: true}, func(m bus.Msg) error {
		id, events, err := readMsg(m)
		if err != nil {
			return nil // see list
		}
		for _, e := range events {
			if err := enc.Encode(Line{ID: id, Seq: m.Seq, Event: e}); err != nil {
				return bus.ErrStop
			}
		}
		if out.Flush() != nil {
			return bus.ErrStop
		}
		return nil
	})
	return nil // the answer is 200 already: the reader sees that it ends
}

func readMsg(m bus.Msg) (incidents.ID, []incidents.Event, error) {
	id, err := incidents.IDOfSubject(m.Subject)
	if err != nil {
		return "", nil, err
	}
	events, err := incidents.Decode(m.Data)
	return id, events, err
}

// since reads how far back to go; a duration back from now.
func (a *API) since(r *http.Request, otherwise time.Duration) (time.Time, error) {
	back := otherwise
	if text := r.URL.Query().Get("since"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return time.Time{}, fmt.Errorf("%w: since=%q: write a duration back from now, such as 24h", errBadRequest, text)
		}
		back = d
	}
	return a.now().Add(-back), nil
}

// Delivered is one piece of news that Alertmanager sent, however many times it came.
type Delivered struct {
	alerts.Alert
	// Copies counts the deliveries: repeats, retries, and those of an Alertmanager's peers.
	Copies int `json:"copies"`
	// LastAt is when the last of them came.
	LastAt time.Time `json:"last_at"`
}

// alerts is the history of what Alertmanager sent, which it does not keep itself.
func (a *API) alerts(w http.ResponseWriter, r *http.Request) error {
	since, err := a.since(r, 24*time.Hour)
	if err != nil {
		return err
	}
	found, err := a.delivered(r.Context(), since)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	for _, d := range found {
		if err := enc.Encode(d); err != nil {
			return nil // the reader is gone
		}
	}
	return nil
}

func (a *API) delivered(ctx context.Context, since time.Time) ([]*Delivered, error) {
	byKey := map[string]*Delivered{}
	var order []*Delivered
	err := a.bus.Follow(ctx, bus.Past{Stream: bus.Alerts, Since: since}, func(m bus.Msg) error {
		// A line that cannot be read is counted where alerts are handled; the history shows the rest.
		_ = alerts.ReadRecord(m.Data, func(_ int, al alerts.Alert) error {
			d := byKey[al.Key()]
			if d == nil {
				d = &Delivered{Alert: al}
				byKey[al.Key()] = d
				order = append(order, d)
			}
			d.Copies++
			d.LastAt = al.Delivery.At
			return nil
		})
		return nil
	})
	return order, err
}
