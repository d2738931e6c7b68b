package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus/stored"
	"github.com/firebreak-sre/firebreak/drills/history"
	"github.com/firebreak-sre/firebreak/handlers/replay/families"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	pastEdges   = 8
	readerToken = "token-of-a-reader-who-reads"
)

// pastPolicy is a policy as an operator writes it, whose secrets are variables. lines are put below the handler.
func pastPolicy(busAddr, outcomes, mode string, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
server:
  listen: 127.0.0.1:0
  api: {operators: [{name: alice, token: "${PAST_ALICE}", may: [operate, approve]}], bearer_tokens: ["${PAST_READER}"]}
bus: {data: data, listen: %q, token: "${PAST_BUS}"}
outcomes: {%s}
approvals: {rules: [{operators: [alice]}]}
limits:
  per_domain: {hour: 6, day: 30, concurrent: 1}
  per_action: {hour: 60, day: 900, concurrent: 20}
  global: {hour: 80, day: 1200, concurrent: 20}
handlers:
  retrystorm:
    mode: %s
`, busAddr, outcomes, mode)
	for _, l := range lines {
		b.WriteString("    " + l + "\n")
	}
	b.WriteString("    edges:\n")
	for i := range pastEdges {
		fmt.Fprintf(&b, "      - {service: service%03d, edge: dependency, probe: {prometheus: {url: 'http://127.0.0.1:9090', calls: c, attempts: a, successes: s, failures: f}}, "+
			"fix: {breaker: {}, allow: [open, retry_budget, shed]}}\n", i)
	}
	return b.String()
}

// pastThresholds make incidents short.
const pastThresholds = "thresholds: {sample_every: 10s, verify_within: 60s, hold_for: 20s, ramp_every: 10s%s}"

// pastEnv are the variables that the policy names.
func pastEnv() environment {
	return environment{"PAST_ALICE": aliceToken, "PAST_READER": readerToken, "PAST_BUS": busToken}
}

// past is a folder with policies, and a past that the real loop made under the first of them.
type past struct {
	dir, policy, candidate, observing string
	busAddr                           string
	messages                          []stored.Msg
	made                              history.Made
}

// newPast makes a past. The same number makes the same one.
func newPast(t *testing.T, n int, outcomes string) past {
	t.Helper()
	p := past{dir: t.TempDir(), busAddr: testbed.Addr(t)}
	p.policy = writeFile(t, p.dir, "policy.yaml", pastPolicy(p.busAddr, outcomes, "auto", fmt.Sprintf(pastThresholds, "")))
	p.candidate = writeFile(t, p.dir, "candidate.yaml", pastPolicy(p.busAddr, outcomes, "auto", fmt.Sprintf(pastThresholds, ", error_share: 0.95")))
	p.observing = writeFile(t, p.dir, "observing.yaml", pastPolicy(p.busAddr, outcomes, "observe", fmt.Sprintf(pastThresholds, "")))
	read, err := policy.Load(p.policy, pastEnv().lookup)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := families.Rules(read, buildVersion())
	if err != nil {
		t.Fatal(err)
	}
	p.made, err = history.Make(t.Context(), history.Options{Policy: read, Bounds: rules.Bounds, Incidents: n, From: time.Date(2025, 11, 23, 0, 0, 0, 0, time.UTC),
		Every: 20 * time.Minute, Seed: 11, Build: buildVersion()}, func(m stored.Msg) error { p.messages = append(p.messages, m); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// export writes the past to files, one for each incident, and returns their folder.
func (p past) export(t *testing.T) string {
	t.Helper()
	var order []incidents.ID
	byID := map[incidents.ID][]recorded{}
	for _, m := range p.messages {
		r, err := storedLine{Subject: m.Subject, Seq: m.Seq, At: m.At, Events: m.Data}.read()
		if err != nil {
			t.Fatal(err)
		}
		if byID[r.ID] == nil {
			order = append(order, r.ID)
		}
		byID[r.ID] = append(byID[r.ID], r)
	}
	dir := filepath.Join(p.dir, "files")
	for _, id := range order {
		f, err := export(byID[id], nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := (&exportCmd{Dir: dir}).write(&app{stderr: &output{}}, f); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// connect is a connection to the bus of a server, as somebody beside it has one.
func (p past) connect(t *testing.T) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect("nats://"+p.busAddr, nats.Token(busToken))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// store puts the past on a server's bus, as if that had recorded it.
func (p past) store(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), serveStarts)
	defer cancel()
	for _, m := range p.messages {
		if _, err := js.Publish(ctx, m.Subject, m.Data); err != nil {
			t.Fatal(err)
		}
	}
}

// as is the environment of somebody who asks a server.
func (s *served) as(token string) environment {
	return environment{"FIREBREAK_SERVER": s.url, "FIREBREAK_TOKEN": token}
}

// golden compares what was printed with a file of testdata/replay, with times, folders and hashes taken out. UPDATE_GOLDEN=1 writes it anew.
func golden(t *testing.T, name, dir, got string) {
	t.Helper()
	for _, c := range [][2]string{
		{regexp.QuoteMeta(dir) + "/", ""}, {`hash\s[0-9a-f]{12}`, "hash HASH"}, {`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`, "2025-11-23 TT:TT:TT"},
		{regexp.QuoteMeta(buildVersion()), "BUILD"},
	} {
		got = regexp.MustCompile(c[0]).ReplaceAllString(got, c[1])
	}
	if _, anew := os.LookupEnv("UPDATE_GOLDEN"); anew {
		if err := os.WriteFile(filepath.Join("testdata", "replay", name), []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(filepath.Join("testdata", "replay", name))
	if err != nil {
		t.Error(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// post sends a body as an operator's own program would, and returns the status and the answer.
func (s *served) post(t *testing.T, token, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, readAll(t, resp.Body)
}

// loaded are the events of an incident of the past.
func loaded(t *testing.T, p past, id incidents.ID) []incidents.Event {
	t.Helper()
	var all []incidents.Event
	for _, m := range p.messages {
		other, err := incidents.IDOfSubject(m.Subject)
		if err != nil {
			t.Fatal(err)
		}
		if other != id {
			continue
		}
		events, err := incidents.Decode(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	return all
}

// acted is the first incident of the past with a change in it.
func acted(t *testing.T, p past) incidents.ID {
	t.Helper()
	for _, m := range p.messages {
		events, err := incidents.Decode(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind == incidents.Applied {
				id, err := incidents.IDOfSubject(m.Subject)
				if err != nil {
					t.Fatal(err)
				}
				return id
			}
		}
	}
	t.Fatal("nothing was changed in this past")
	return ""
}

// capture leads all replays into a stream, as nobody should.
func capture(t *testing.T, js jetstream.JetStream, stream string) {
	t.Helper()
	ours := js.ListStreams(t.Context())
	for info := range ours.Info() {
		cfg := info.Config
		for _, subject := range cfg.Subjects {
			if strings.HasPrefix(subject, "replay") || subject == ">" || strings.HasPrefix(subject, "*") {
				t.Errorf("stream %s takes %s: replays would be kept there", cfg.Name, subject)
			}
		}
		if cfg.Name != stream {
			continue
		}
		settled(t, js, stream)
		cfg.Subjects = append(cfg.Subjects, "replay.>")
		if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		stream = "none"
	}
	if ours.Err() != nil || stream != "none" {
		t.Fatalf("stream %s was not found: %v", stream, ours.Err())
	}
}

// settled waits until nobody has opened another reader of a stream for a second: nats-server 2.15 has a data race between that and a change of
// the stream, which only this test makes.
func settled(t *testing.T, js jetstream.JetStream, stream string) {
	t.Helper()
	readers, since := -1, time.Now()
	testbed.Await(t, serveStarts, "all readers of "+stream+" to be open", func() bool {
		s, err := js.Stream(t.Context(), stream)
		if err != nil {
			return false
		}
		if n := s.CachedInfo().State.Consumers; n != readers {
			readers, since = n, time.Now()
		}
		return time.Since(since) > time.Second
	})
}

// leases counts what stands at the services' edges.
func leases(t *testing.T, js jetstream.JetStream) int {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), lease.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kv.Keys(t.Context())
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		t.Fatal(err)
	}
	return len(keys)
}

// replaysIn counts the replays that a stream keeps.
func replaysIn(t *testing.T, js jetstream.JetStream, stream string) int {
	t.Helper()
	if stream == "none" {
		return 0
	}
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter("replay.>"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, count := range info.State.Subjects {
		n += int(count)
	}
	return n
}
