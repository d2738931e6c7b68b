package recordings_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/console/recordings"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// room is the API on a real bus, where a header says who may operate, and a file is the id of its incident.
type room struct {
	t   *testing.T
	url string
	bus *bus.Bus
}

func newRoom(t *testing.T) room {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := bus.Open(ctx, bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	h, err := recordings.New(recordings.Config{Bus: b, Log: zerolog.Nop(),
		MayOperate: func(r *http.Request) (string, error) {
			if r.Header.Get("Operator") == "" {
				return "", errors.New("only operators")
			}
			return r.Header.Get("Operator"), nil
		},
		Inspect: func(text []byte) (incidents.ID, error) {
			return incidents.ParseID(strings.TrimRight(string(text), " "))
		}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return room{t: t, url: srv.URL, bus: b}
}

// ask sends a request and wants a status.
func (r room) ask(want int, operator, method, path, body string) string {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Operator", operator)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode != want {
		r.t.Fatalf("%s %s: got %s (%s), want %d", method, path, resp.Status, text, want)
	}
	return string(text)
}

// What was imported comes back as it was, the last one of an id stays, and the bus's own records know nothing of it.
func TestImports(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	const id, path = "retrystorm-3f9a2c81b04d-7", "/api/v1/imports"
	if got := r.ask(200, "", "GET", path, ""); got != "" {
		t.Errorf("before anything was imported: %q", got)
	}
	r.ask(404, "", "GET", path+"/"+id, "")
	r.ask(400, "", "GET", path+"/nothing", "")
	r.ask(403, "", "POST", path, id)
	r.ask(422, "ann", "POST", path, "not a file")
	r.ask(405, "ann", "DELETE", path, "")
	r.ask(404, "ann", "GET", "/api/v1/elsewhere", "")
	r.ask(404, "", "GET", path+"/"+id, "")
	r.ask(201, "ann", "POST", path, id)
	r.ask(201, "ann", "POST", path, id+"   ")
	if got := r.ask(200, "", "GET", path+"/"+id, ""); got != id+"   " {
		t.Errorf("got %q, want what was put there last", got)
	}
	list := r.ask(200, "", "GET", path, "")
	var one recordings.Imported
	if err := json.Unmarshal([]byte(list), &one); err != nil || one.ID != id || time.Since(one.ImportedAt) > time.Hour {
		t.Errorf("the list is %q: %+v, %v", list, one, err)
	}
	if _, err := incidents.NewStore(r.bus).Load(t.Context(), id); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("the records have the incident: %v", err)
	}
}

// A message of the past goes out marked and whole, and only on a subject for it.
func TestReplays(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	heard := make(chan *nats.Msg, 16)
	sub, err := r.bus.JetStream().Conn().ChanSubscribe(">", heard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	const events = `[{"v":9,"kind":"from_tomorrow","at":"2026-11-23T03:00:00Z","big":12345678901234567890,"html":"<b>"}]`
	message := func(subject, events string) string {
		return fmt.Sprintf(`{"subject":%q,"incident":"retrystorm-3f9a2c81b04d-7","seq":4,"at":"2026-11-23T03:00:00Z","events":%s}`, subject, events)
	}
	r.ask(403, "", "POST", "/api/v1/replays", message("replay.x", events))
	for _, subject := range []string{"incidents.x", "replay", "replay.", "replay.>", "replay.*.x", "replay.a b", "replay..a", "alerts.journal", "$KV.ledger.ledger", "replay." + strings.Repeat("a", 300)} {
		r.ask(422, "ann", "POST", "/api/v1/replays", message(subject, events))
	}
	r.ask(422, "ann", "POST", "/api/v1/replays", message("replay.x", "[]"))
	r.ask(400, "ann", "POST", "/api/v1/replays", "{")
	r.ask(405, "ann", "GET", "/api/v1/replays", "")
	r.ask(201, "ann", "POST", "/api/v1/replays", message("replay.x.Y-1_z", events))
	for {
		m := <-heard
		if strings.HasPrefix(m.Subject, "$") || strings.HasPrefix(m.Subject, "_") {
			continue // what the bus says of itself
		}
		if m.Subject != "replay.x.Y-1_z" || m.Header.Get(recordings.HeaderIncident) != "retrystorm-3f9a2c81b04d-7" || m.Header.Get(recordings.HeaderSeq) != "4" {
			t.Errorf("got %s with %v", m.Subject, m.Header)
		}
		var said recordings.Replayed
		if err := json.Unmarshal(m.Data, &said); err != nil || string(said.Events) != events || said.Mark.Words == "" {
			t.Errorf("got %s, %v", m.Data, err)
		}
		if _, err := incidents.Decode(m.Data); err == nil {
			t.Error("it passes for a record")
		}
		return
	}
}
