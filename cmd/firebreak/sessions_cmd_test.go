package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/move/movetest"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// sessionsWithin is how long a busy machine may take.
const sessionsWithin = 60 * time.Second

// shop is a store in Redis, with a policy that names it.
type shop struct {
	*testbed.Redis
	load *movetest.Load
	file string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{Redis: testbed.StartRedis(t, testbed.RedisOptions{}), file: filepath.Join(t.TempDir(), "policy.yaml")}
	s.load = movetest.New(movetest.Config{Addrs: []string{s.Primary.Addr}, Prefix: "sess:", Sessions: 150})
	t.Cleanup(func() { _ = s.load.Close() })
	if err := s.load.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.policy(t, s.Primary.Addr, s.Replicas[0].Addr)
	testbed.Await(t, sessionsWithin, "the replica to be online at the primary", func() bool {
		line, err := s.Primary.Info("replication", "slave0")
		return err == nil && strings.Contains(line, "state=online")
	})
	return s
}

// policy writes the policy, with one server as the primary.
func (s *shop) policy(t *testing.T, primary, replica string) {
	t.Helper()
	text := fmt.Sprintf("sessions:\n  - store: shop\n    ttl: 60s\n    redis: {primary: %q, prefix: \"sess:\", timeout: 10s, wait: 10s, "+
		"replicas: [{name: other, address: %q}]}\n", primary, replica)
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// entered runs a command as a user who types it, without a terminal. It wants an exit code and gives what was printed.
func entered(t *testing.T, code int, words ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), sessionsWithin)
	defer cancel()
	none := func(string) (string, bool) { return "", false }
	if got := run(ctx, words, none, &out, &errs); got != code {
		t.Errorf("firebreak %s: exit %d, want %d\n%s%s", strings.Join(words, " "), got, code, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

func tells(t *testing.T, text string, want ...string) {
	t.Helper()
	flat := strings.Join(strings.Fields(text), " ")
	for _, w := range want {
		if !strings.Contains(flat, w) {
			t.Errorf("%q is missing in\n%s", w, text)
		}
	}
}

// A planned move as a person makes it: look, take a snapshot, try, move, compare; then back, though the policy still names the old primary.
func TestSessionsMove(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	in := func(words ...string) []string {
		return append(append([]string{"sessions"}, words...), "--config", s.file)
	}
	out, _ := entered(t, 0, in("status", "shop")...)
	tells(t, out, "has a quorum", "150 sessions, 0 orphans", "other: yes, all of 150 sessions")

	before := filepath.Join(t.TempDir(), "before.json")
	text, told := entered(t, 0, in("snapshot", "shop")...)
	tells(t, told, "150 sessions", "contents true")
	if err := os.WriteFile(before, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = entered(t, 0, in("move", "shop", "--to", "other", "--dry-run")...)
	tells(t, out, "ok primary", "ok lag", "ok same")
	if _, told := entered(t, 2, in("move", "shop", "--to", "other")...); !strings.Contains(told, "--yes") {
		t.Errorf("nobody said yes: %s", told)
	}
	out, _ = entered(t, 1, in("move", "shop", "--to", "another", "--yes")...)
	tells(t, out, "NO replica")
	if role, err := s.Primary.Info("replication", "role"); err != nil || role != "master" {
		t.Errorf("after commands that change nothing the primary is a %s, %v", role, err)
	}

	var asked bytes.Buffer
	person := &app{ctx: t.Context(), env: environment{}.lookup, stdout: &asked, stderr: &asked, stdin: strings.NewReader("n\n"), terminal: true}
	no := &sessionsMoveCmd{inStore: inStore{Store: "shop", Config: s.file, Most: 1000}, To: "other", Within: 10 * time.Second}
	if err := no.Run(person); !errors.Is(err, exitError{1}) {
		t.Errorf("after a no: %v", err)
	}
	tells(t, asked.String(), "ok same", "Make "+s.Replicas[0].Addr+" the primary of shop? [y/N] Nothing was moved.")

	kept := filepath.Join(t.TempDir(), "kept.json")
	out, _ = entered(t, 0, in("move", "shop", "--to", "other", "--yes", "--keep", kept)...)
	tells(t, out, s.Replicas[0].Addr+" is the primary", "150 are as they were", "none lost", "note: the policy names "+s.Primary.Addr)
	for _, snapshot := range []string{before, kept} {
		out, _ = entered(t, 0, in("compare", "shop", snapshot)...)
		tells(t, out, "150 are as they were", s.Primary.Addr+": yes, all of 150 sessions")
	}
	out, _ = entered(t, 0, in("move", "shop", "--to", s.Primary.Addr, "--yes", "--json")...)
	tells(t, out, `"moved": true`, `"kept": 150`)
	if role, err := s.Primary.Info("replication", "role"); err != nil || role != "master" {
		t.Errorf("after the way back the primary is a %s, %v", role, err)
	}

	if _, err := s.Primary.Do("DEL", "sess:s:s7"); err != nil {
		t.Fatal(err)
	}
	out, _ = entered(t, 1, in("compare", "shop", before)...)
	tells(t, out, "NOT as they must be: 1 lost", "s7 of")
	out, _ = entered(t, 1, in("move", "shop", "--abort", "--yes")...)
	if out != "" {
		t.Errorf("with nothing to end it says %s", out)
	}
}

// What was quarantined is shown, and given back with its contents by its action.
func TestSessionsRestore(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	app := goredis.NewClient(&goredis.Options{Addr: s.Primary.Addr, Protocol: 2})
	t.Cleanup(func() { _ = app.Close() })
	for _, id := range []string{"s1", "s2"} {
		if err := app.HSet(t.Context(), "sess:s:"+id, "owner", "nobody", "lease_until", time.Now().Add(-time.Hour).UnixMilli()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	in := func(words ...string) []string {
		return append(append([]string{"sessions"}, words...), "--config", s.file)
	}
	out, _ := entered(t, 1, in("status", "shop")...)
	tells(t, out, "150 sessions, 2 orphans (the longest for 1h")

	store, err := redis.New(redis.Config{Primary: s.Primary.Addr, Prefix: "sess:", TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	m, err := store.Membership(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	page, err := store.List(t.Context(), sessions.Query{IDs: []string{"s1"}})
	if err != nil {
		t.Fatal(err)
	}
	order := sessions.Order{Action: "take-1", Epoch: m.Epoch, Max: 1, Deadline: m.At.Add(time.Minute)}
	if a, err := store.Quarantine(t.Context(), sessions.Quarantine{Order: order, Sessions: page.Sessions}); err != nil || a.Count(sessions.Done) != 1 {
		t.Fatalf("got %+v, %v", a, err)
	}
	out, _ = entered(t, 1, in("status", "shop")...)
	tells(t, out, "149 sessions, 1 orphans", "1 sessions by action take-1", "firebreak sessions restore shop take-1")

	if _, told := entered(t, 2, in("restore", "shop", "take-1")...); !strings.Contains(told, "--yes") {
		t.Errorf("nobody said yes: %s", told)
	}
	if n := app.Exists(t.Context(), "sess:s:s1").Val(); n != 0 {
		t.Error("it was given back without a yes")
	}
	out, _ = entered(t, 0, in("restore", "shop", "take-1", "--yes")...)
	tells(t, out, "1 sessions are quarantined by take-1", "1 given back, 0 were back already")
	if got := app.HGet(t.Context(), "sess:s:s1", "cart").Val(); got != s.load.Contents("s1", 1) {
		t.Errorf("it holds %q", got)
	}
	out, _ = entered(t, 0, in("restore", "shop", "take-1", "--yes")...)
	tells(t, out, "0 given back, 1 were back already")
	_, told := entered(t, 1, in("restore", "shop", "take-2", "--yes")...)
	tells(t, told, "no such action")
}

// An application's endpoint is tried, and one that does not keep the contract is told apart.
func TestSessionsVerify(t *testing.T) {
	t.Parallel()
	m := sessionstest.NewMemory(time.Now, time.Minute)
	now := time.Now()
	for _, name := range []string{"a", "b", "c"} {
		m.Register(sessions.Node{Name: name, Epoch: 1, Since: now.Add(-time.Hour), LeaseUntil: now.Add(time.Hour), Sees: []string{"a", "b", "c"}})
	}
	good := httptest.NewServer(sessionstest.NewServer(m, m, "secret"))
	t.Cleanup(good.Close)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := entered(t, 0, "sessions", "verify", good.URL, "--token-file", token)
	tells(t, out, "passed reads", "skipped", " 0 failed")
	entered(t, 1, "sessions", "verify", good.URL) // without the token
	bare := httptest.NewServer(sessionstest.NewServer(m, nil, ""))
	t.Cleanup(bare.Close)
	out, _ = entered(t, 1, "sessions", "verify", bare.URL, "--only", "listed", "--json")
	tells(t, out, `"result": "failed"`)
	entered(t, 2, "sessions", "verify")
	entered(t, 1, "sessions", "verify", "ftp://nowhere")

	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte("sessions:\n  - {store: web, ttl: 60s, http: {url: "+bare.URL+"}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, _ := entered(t, 0, "sessions", "snapshot", "web", "--config", file)
	before := filepath.Join(t.TempDir(), "before.json")
	if err := os.WriteFile(before, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	err := m.Make(t.Context(), sessionstest.Made{Key: sessions.Key{ID: "new"}, Owner: "a", Epoch: 1, Version: sessions.Counter(1),
		Priority: sessions.Normal, LeaseIn: 600})
	if err != nil {
		t.Fatal(err)
	}
	out, _ = entered(t, 0, "sessions", "compare", "web", before, "--config", file)
	tells(t, out, "1 are new", "without their contents", "yes, all of 1 sessions")
	_, told := entered(t, 1, "sessions", "move", "web", "--to", "x", "--dry-run", "--config", file)
	tells(t, told, "not in Redis")
}

// Who calls wrongly is told how, before anything is reached.
func TestSessionsCalledWrongly(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte("sessions:\n  - {store: web, ttl: 60s, http: {url: \"http://127.0.0.1:1\"}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]string{
		"status --config FILE":                   "<store>",
		"status web":                             "--config",
		"status shop --config FILE":              "no store of sessions",
		"status web --config FILE --most 0":      "--most 0",
		"move web --config FILE":                 "--to",
		"move web --config FILE --to x":          "--yes",
		"move web --config FILE --abort --to x":  "--abort",
		"restore web --config FILE":              "<action>",
		"compare web nothing.json --config FILE": "nothing.json",
	} {
		_, told := entered(t, 2, append([]string{"sessions"}, strings.Fields(strings.ReplaceAll(words, "FILE", file))...)...)
		tells(t, told, want)
	}
}
