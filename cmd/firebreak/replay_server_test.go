package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/console/recordings"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/nats-io/nats.go"
)

// From a running server: the past is checked, told, tried under another policy, exported, tested and imported again.
func TestReplayFromServer(t *testing.T) {
	t.Parallel()
	p := newPast(t, 10, "")
	s := serve(t, pastEnv(), "--config", p.policy)
	_, js := p.connect(t)
	p.store(t, js)
	alice := s.as(aliceToken)
	out := says(t, alice, 0, []string{"replay", "--since", "1h", "--check", "--policy", p.policy, "--json"})
	var check checked
	if err := json.Unmarshal([]byte(out), &check); err != nil || check.Incidents != 10 || check.Identical != check.Decisions || check.OtherPolicy+check.OtherBuild > 0 {
		t.Fatalf("%+v, %v: want all decisions identical, and of this very policy", check, err)
	}
	says(t, alice, 1, []string{"replay", "--since", "1h", "--policy", p.observing, "--fail-on", "fewer-actions"}, "failed: --fail-on fewer-actions")
	says(t, alice, 1, []string{"replay", "--since", "1h", "--handler", "poolexhaustion"}, "there is nothing to replay")

	id := acted(t, p)
	says(t, alice, 0, []string{"replay", id.String(), "--policy", p.policy, "--fail-on", "any"}, "1 incidents")
	story := must(t, "replay", id.String(), "--server", s.url, "--token", readerToken)
	for _, event := range loaded(t, p, id) {
		if !strings.Contains(story, clean(event.Words(), 0)) {
			t.Errorf("the story does not say %q:\n%s", event.Words(), story)
		}
	}
	dir := filepath.Join(p.dir, "exported")
	code, _, stderr := firebreak(t, alice, "export", "--since", "1h", "-d", dir, "--policy", p.policy)
	if files, err := os.ReadDir(dir); code != 0 || err != nil || len(files) != 10 || strings.Count(stderr, "come out identical") != 10 {
		t.Fatalf("export: exit %d, %d files, %v:\n%s", code, len(files), err, stderr)
	}
	says(t, nil, 0, []string{"test", dir, "--policy", p.policy, "--exact"}, "10 of 10 come out as they should")
	says(t, nil, 1, []string{"test", dir, "--policy", p.observing, "--json"})
	code, _, stderr = firebreak(t, nil, "test", t.TempDir(), "--policy", p.policy)
	if code != 1 || !strings.Contains(stderr, "no incident file") {
		t.Errorf("a folder without files: exit %d, %s", code, stderr)
	}
	importThere(t, s, filepath.Join(dir, id.String()+".json"), id, p)
}

// importThere holds that an imported incident can be read, and is nowhere else.
func importThere(t *testing.T, s *served, file string, id incidents.ID, p past) {
	t.Helper()
	alice := s.as(aliceToken)
	before := says(t, alice, 0, []string{"incidents", "--json"})
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := incidents.NewID("retrystorm", "service000/elsewhere", 9)
	target := loaded(t, p, id)[0].Opening.Target
	foreign := strings.NewReplacer(id.String(), other.String(), `"`+target+`"`, `"service000/elsewhere"`).Replace(string(text))
	path := writeFile(t, t.TempDir(), "foreign.json", foreign)
	says(t, alice, 0, []string{"import"}, "nothing was imported")
	says(t, s.as(readerToken), 1, []string{"import", path}, "needs the right operate")
	says(t, alice, 1, []string{"replay", other.String(), "--imported"}, "was not imported")
	says(t, alice, 0, []string{"import", path}, other.String()+" was imported")
	says(t, s.as(readerToken), 0, []string{"import"}, other.String())
	says(t, s.as(readerToken), 0, []string{"replay", other.String(), "--imported", "--json"}, other.String())
	says(t, alice, 1, []string{"replay", other.String()}, "404")
	if after := says(t, alice, 0, []string{"incidents", "--json"}); after != before {
		t.Errorf("after the import there are other incidents:\n%s\n%s", before, after)
	}
	for body, want := range map[string]int{
		"{}":                              http.StatusUnprocessableEntity,
		foreign[:len(foreign)/2]:          http.StatusUnprocessableEntity,
		strings.Repeat(" ", (64<<20)+100): http.StatusRequestEntityTooLarge,
	} {
		if got, answer := s.post(t, aliceToken, "/api/v1/imports", body); got != want {
			t.Errorf("%d bytes: got %d (%s), want %d", len(body), got, answer, want)
		}
	}
}

// A replay goes to whoever listens on its subject, marked, and to nobody who may not ask for it.
func TestReplayTo(t *testing.T) {
	t.Parallel()
	p := newPast(t, 3, "")
	s := serve(t, pastEnv(), "--config", p.policy)
	nc, js := p.connect(t)
	p.store(t, js)
	heard := make(chan *nats.Msg, 1024)
	sub, err := nc.ChanSubscribe("replay.>", heard)
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	first, err := incidents.IDOfSubject(p.messages[0].Subject)
	if err != nil {
		t.Fatal(err)
	}
	says(t, s.as(readerToken), 1, []string{"replay", first.String(), "--to", "replay.training.one"}, "needs the right operate")
	out := says(t, s.as(aliceToken), 0, []string{"replay", first.String(), "--to", "replay.training.one"}, "were told again")
	n := 0
	for _, m := range p.messages {
		if id, err := incidents.IDOfSubject(m.Subject); err != nil || id != first {
			continue
		}
		got := <-heard
		n++
		var said recordings.Replayed
		if err := json.Unmarshal(got.Data, &said); err != nil {
			t.Fatal(err)
		}
		if got.Subject != "replay.training.one" || got.Header.Get("Firebreak-Replay") != first.String() || said.Mark.Incident != first ||
			got.Header.Get("Firebreak-Original-Seq") != fmt.Sprint(said.Mark.Seq) || string(said.Events) != string(m.Data) {
			t.Errorf("message %d: %s %v %s", n, got.Subject, got.Header, got.Data)
		}
	}
	if want := fmt.Sprintf("%d messages", n); !strings.HasPrefix(out, want) || n == 0 {
		t.Errorf("%q, want %s", out, want)
	}
	event := string(p.messages[0].Data)
	for body, want := range map[string]int{
		fmt.Sprintf(`{"subject":"incidents.x","incident":%q,"seq":1,"at":"2026-11-23T03:00:00Z","events":%s}`, first, event):              422,
		fmt.Sprintf(`{"subject":"replay.*","incident":%q,"seq":1,"at":"2026-11-23T03:00:00Z","events":%s}`, first, event):                 422,
		fmt.Sprintf(`{"subject":"replay.x","incident":"x","seq":1,"at":"2026-11-23T03:00:00Z","events":%s}`, event):                       400,
		fmt.Sprintf(`{"subject":"replay.x","incident":%q,"seq":1,"at":"2026-11-23T03:00:00Z","events":{}}`, first):                        422,
		fmt.Sprintf(`{"subject":"replay.x","incident":%q,"seq":1,"at":"2026-11-23T03:00:00Z","events":%s,"header":"more"}`, first, event): 400,
	} {
		if got, answer := s.post(t, aliceToken, "/api/v1/replays", body); got != want {
			t.Errorf("%.80s: got %d (%s), want %d", body, got, answer, want)
		}
	}
}

// Nothing of ours acts on a replay, even where somebody has led its subject into one of our own streams. What comes behind it is answered,
// so that it was passed by, and not only waits.
func TestReplayActsOnNothing(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"none", "INCIDENTS", "ALERTS"} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			desk := newDesk(t)
			p := newPast(t, 6, fmt.Sprintf(`webhooks: [{name: desk, url: %q, secret: %q}]`, desk.URL, outcomeSecret))
			s := serve(t, pastEnv(), "--config", p.policy)
			_, js := p.connect(t)
			capture(t, js, stream)
			file := filepath.Join(p.export(t), acted(t, p).String()+".json")
			for range 2 {
				says(t, s.as(aliceToken), 0, []string{"replay", "--file", file, "--to", "replay.incidents.retrystorm"}, "were told again")
			}
			if kept := replaysIn(t, js, stream); (kept > 0) != (stream != "none") {
				t.Fatalf("%d replays are in stream %s", kept, stream)
			}
			raw := `{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"RetryStorm","service":"service000","edge":"dependency"},"startsAt":"2026-11-23T03:00:00Z","fingerprint":"00000000000000ab"}]}`
			if got, answer := s.post(t, "", "/webhook", raw); got != http.StatusOK {
				t.Fatalf("the alert behind it: %d %s", got, answer)
			}
			real := incidents.NewID("retrystorm", "service000/dependency", 1)
			testbed.Await(t, serveStarts, "the incident of the alert behind the replay, and its telling", func() bool { return len(desk.kinds()) > 0 })
			got, _, errs := desk.told()
			for _, o := range got {
				if o.Incident != real {
					t.Errorf("somebody was told of %s: %+v", o.Incident, o)
				}
			}
			if len(errs) > 0 {
				t.Error(errs)
			}
			list := decodeLines[incidents.Summary](t, says(t, s.as(aliceToken), 0, []string{"incidents", "list", "--json"}))
			if len(list) != 1 || list[0].ID != real || list[0].Fix != "" {
				t.Errorf("got incidents %+v, want only %s, and no change", list, real)
			}
			if n := leases(t, js); n > 0 {
				t.Errorf("%d leases were written", n)
			}
		})
	}
}
