package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/replay"
)

// A deliberate change of one threshold shows exactly what it changes, in files alone: no server, and none of the policy's secrets.
func TestReplayOneThreshold(t *testing.T) {
	t.Parallel()
	p := newPast(t, 40, "")
	var args []string
	entries, err := os.ReadDir(p.export(t))
	if err != nil || len(entries) != 40 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		args = append(args, "--file", filepath.Join(p.dir, "files", e.Name()))
	}
	out := says(t, nil, 1, append([]string{"replay", "--policy", p.candidate, "--show", "2", "--fail-on", "fewer-actions,missing"}, args...))
	golden(t, "threshold.txt", p.dir, out)
	golden(t, "same.txt", p.dir, says(t, nil, 0, append([]string{"replay", "--policy", p.policy, "--fail-on", "any,missing,new-class-P,more-actions"}, args...)))
	golden(t, "check.txt", p.dir, says(t, nil, 0, append([]string{"replay", "--check", "--policy", p.policy}, args...)))
	lines := strings.Split(strings.TrimSpace(says(t, nil, 1, append([]string{"replay", "--policy", p.candidate, "--fail-on", "any", "--json"}, args...))), "\n")
	var last comparison
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Totals.Differ == 0 || last.Totals.Differ != len(lines)-1 || last.Totals.Incidents != 40 || len(last.Unset) != 3 {
		t.Errorf("%d lines, the last %+v", len(lines), last)
	}
	var first replay.Result
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || !first.Differs || len(first.Then) == 0 {
		t.Errorf("the first line is %+v, %v", first, err)
	}
}

// The reasons to fail hold for what they name, and for nothing else.
func TestFailOn(t *testing.T) {
	t.Parallel()
	moves := func(was, is replay.Kind, set func(*comparison)) comparison {
		c := comparison{Totals: replay.Totals{Differ: 1, Moves: map[replay.Kind]map[replay.Kind]int{was: {is: 1}}}}
		if set != nil {
			set(&c)
		}
		return c
	}
	for want, c := range map[string]comparison{
		"any":                       moves(replay.Paged, replay.Refused, nil),
		"any fewer-actions":         moves(replay.Acted, replay.Asked, nil),
		"any more-actions":          moves(replay.Missing, replay.Acted, nil),
		"any new-class-P":           moves(replay.Paged, replay.Asked, func(c *comparison) { c.Totals.NewRisky = 1 }),
		"any missing":               moves(replay.Paged, replay.Missing, func(c *comparison) { c.Missing = 1 }),
		"":                          moves(replay.Acted, replay.Acted, func(c *comparison) { c.Totals.Differ = 0 }),
		"any fewer-actions missing": moves(replay.Acted, replay.Refused, func(c *comparison) { c.Missing = 1 }),
	} {
		var got []string
		for _, what := range []string{anyDiffer, fewerActions, missingLooks, moreActions, newClassP} {
			if c.holds(what) {
				got = append(got, what)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %q, want %q", strings.Join(got, " "), want)
		}
	}
}

// What does not go together is refused before anything is read.
func TestReplayUsage(t *testing.T) {
	t.Parallel()
	file := writeFile(t, t.TempDir(), "x.json", "{}")
	for args, want := range map[string]string{
		"replay":                                         "name an incident",
		"replay x-1 --since 1h":                          "name one of",
		"replay x-1 -f " + file:                          "name one of",
		"replay x-1 --until 1h":                          "go with --since",
		"replay --since 1h --imported":                   "--imported goes with",
		"replay x-1 --check":                             "--check needs the policy",
		"replay x-1 --fail-on any":                       "--fail-on goes with --policy",
		"replay x-1 --speed fast":                        "write 1x, 10x or instant",
		"replay x-1 --speed 2x --policy p":               "--speed is for a story",
		"replay x-1 --speed 0x":                          "write 1x, 10x or instant",
		"replay x-1 --to incidents.x":                    `begins with "replay."`,
		"replay x-1 --to replay.>":                       "is no subject",
		"replay x-1 --to replay.":                        "is no subject",
		"replay x-1 --to replay.a..b":                    "is no subject",
		"export":                                         "name an incident",
		"export --since 1h":                              "--dir DIR",
		"export x-1 --handler y":                         "go with --since",
		"test " + file:                                   "--policy",
		"replay x-1 --policy p --to r.x":                 "name one",
		"replay x-1 --policy p --fail-on any,everything": "--fail-on everything",
	} {
		says(t, nil, 2, strings.Fields(args), want)
	}
}

// The story waits between events as it did then, at its speed, and can be interrupted; instantly, it does not wait.
func TestStorySpeed(t *testing.T) {
	t.Parallel()
	p := newPast(t, 1, "")
	entries, err := os.ReadDir(p.export(t))
	if err != nil || len(entries) != 1 {
		t.Fatal(len(entries), err)
	}
	file := filepath.Join(p.dir, "files", entries[0].Name())
	whole := says(t, nil, 0, []string{"replay", "-f", file, "--json"})
	if n := strings.Count(whole, "\n"); n < 5 {
		t.Fatalf("the story has %d events:\n%s", n, whole)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &output{}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"replay", "-f", file, "--speed", "0.01x"}, environment{}.lookup, out, out)
	}()
	deadline := time.After(serveStarts)
	for !strings.Contains(out.String(), "later") {
		select {
		case code := <-ended:
			t.Fatalf("it ended with %d before it was interrupted:\n%s", code, out)
		case <-deadline:
			t.Fatalf("it never waited:\n%s", out)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	select {
	case code := <-ended:
		if code != 0 || strings.Contains(out.String(), "closed  ") {
			t.Errorf("interrupted it ended with %d:\n%s", code, out)
		}
	case <-deadline:
		t.Error("it did not end when it was interrupted")
	}
}

// Variables that are only secrets need not be set; one that decides must be, and is named.
func TestCandidateWithoutSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const secret = `
server: {api: {operators: [{name: alice, token: "${A_TOKEN}", may: [operate]}, {name: bob, token: "${B_TOKEN}"}]}, webhook: {bearer_tokens: ["${HOOK}"]}}
outcomes:
  slack: {bot_token: "${CHAT}", app_token: "${CHAT_APP}", channel: C12}
  pagerduty: {routing_key: "${PAGER}"}
  messages: [{name: d, url: "${MESSAGE}"}]
  webhooks: [{name: w, url: "http://127.0.0.1:1/", secret: "${SIGNING}"}]
handlers: {retrystorm: {mode: %s, thresholds: {ratio: %s} }}
`
	good := writeFile(t, dir, "good.yaml", fmt.Sprintf(secret, "observe", "2"))
	c, err := loadCandidate(good, environment{}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.unset, " "); got != "A_TOKEN B_TOKEN CHAT CHAT_APP HOOK MESSAGE PAGER SIGNING" {
		t.Errorf("not set: %s", got)
	}
	all := environment{"A_TOKEN": aliceToken, "B_TOKEN": "token-of-bob-who-approves", "CHAT": "xoxb-1", "CHAT_APP": "xapp-1", "HOOK": "0123456789abcdef",
		"MESSAGE": "discord://a@1", "PAGER": strings.Repeat("a", 32), "SIGNING": strings.Repeat("s", 24)}
	set, err := loadCandidate(good, all.lookup)
	if err != nil || len(set.unset) != 0 || set.Hash() != c.Hash() {
		t.Errorf("with all variables: %v, not set %v, hash %s and without %s", err, set.unset, set.Hash(), c.Hash())
	}
	for name, text := range map[string]string{
		"a mode":          fmt.Sprintf(secret, `"${MODE}"`, "2"),
		"a number":        fmt.Sprintf(secret, "observe", `"${RATIO}"`),
		"a name":          strings.Replace(fmt.Sprintf(secret, "observe", "2"), "name: bob", `name: "${RATIO}"`, 1),
		"a part of a URL": strings.Replace(fmt.Sprintf(secret, "observe", "2"), "127.0.0.1:1/", "127.0.0.1:1/${MODE}", 1),
	} {
		_, err := loadCandidate(writeFile(t, dir, "bad.yaml", text), all.lookup)
		if err == nil || !strings.Contains(err.Error(), "MODE") && !strings.Contains(err.Error(), "RATIO") {
			t.Errorf("%s: got %v, want that it must be set", name, err)
		}
	}
	if _, err := loadCandidate(writeFile(t, dir, "wrong.yaml", fmt.Sprintf(secret, "observe", "-1")), environment{}.lookup); err == nil ||
		!strings.Contains(err.Error(), "ratio") || strings.Contains(err.Error(), "_token") {
		t.Errorf("what is really wrong: got %v", err)
	}
}
