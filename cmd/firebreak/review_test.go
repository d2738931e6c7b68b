package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/review"
)

// values are series as texts, for comparing.
func values(all []review.Series) (out []string) {
	for _, s := range all {
		line := s.Name
		for _, p := range s.Points {
			line += fmt.Sprintf(" %g", math.Round(p.Value*100)/100)
		}
		out = append(out, line)
	}
	return out
}

// lookedAt is a record of looks, five seconds apart, with what is no look between them.
func lookedAt(seen ...string) []incidents.Event {
	var out []incidents.Event
	for i, s := range seen {
		at := time.Date(2026, 11, 22, 12, 0, 5*i, 0, time.UTC)
		out = append(out, incidents.Event{Kind: incidents.Observed, At: at, Seen: json.RawMessage(s)}, incidents.Event{Kind: incidents.Observed, At: at, Note: "nothing could be read"})
	}
	return out
}

// counters is a look at one instance, so many seconds after noon.
func counters(second, calls, attempts, ok int) string {
	return fmt.Sprintf(`{"source":"json","read":1,"instances":[{"name":"a","at":"2026-11-22T12:00:%02dZ","calls":{"value":%d,"ok":true},
"attempts":{"value":%d,"ok":true},"successes":{"value":%d,"ok":true}},{"name":"b","err":"no answer"}]}`, second, calls, attempts, ok)
}

// The recorded looks of each family become numbers over time; what was not read is no point, and a counter that began anew is none either.
func TestSeriesOf(t *testing.T) {
	t.Parallel()
	prometheus := func(calls, attempts, ok float64) string {
		return fmt.Sprintf(`{"source":"prometheus","edge":{"calls":{"value":%g,"ok":true},"attempts":{"value":%g,"ok":true},"successes":{"value":%g,"ok":true}}}`, calls, attempts, ok)
	}
	for _, c := range []struct {
		name, handler string
		looks         []string
		want          []string
	}{
		{"rates", "retrystorm", []string{prometheus(10, 30, 4), `{"source":"prometheus","edge":{"calls":{"err":"none"}}}`, prometheus(10, 10, 10)},
			[]string{"calls that end well 4 10", "attempts at the dependency 30 10", "attempts per call 3 1"}},
		{"counters", "retrystorm", []string{counters(0, 100, 100, 100), counters(5, 150, 250, 110), counters(10, 3, 3, 3), counters(15, 53, 53, 53)},
			[]string{"calls that end well 2 10", "attempts at the dependency 30 10", "attempts per call 3 1"}},
		{"nothing called", "retrystorm", []string{prometheus(0, 0, 0)}, []string{"calls that end well 0", "attempts at the dependency 0"}},
		{"poolers", "poolexhaustion", []string{`{"poolers":[{"name":"p1","databases":[{"name":"shop","pools":[{"user":"a","waiting":5,"max_wait":2.5},{"user":"b","waiting":2,"max_wait":1}]}]},
{"name":"p2","problem":"refused"}],"server":{"node":"pg1","used":40,"leaked":3}}`, `{"poolers":[{"name":"p1","problem":"refused"}],"server":{"problem":"refused"}}`},
			[]string{"clients that wait at the poolers 7", "longest wait at the poolers 2.5", "connections in use at pg1 40", "sessions idle in a transaction 3"}},
		{"standbys", "replicationlag", []string{`{"nodes":[{"name":"pg1","primary":{"current":5000}},{"name":"pg2","standby":{"pause":"","replayed":4000}},{"name":"pg3","standby":{"pause":"","replayed":6000}},{"name":"pg4","problem":"x"}]}`,
			`{"nodes":[{"name":"pg1","primary":{"current":5000}},{"name":"pg2","primary":{"current":4000}}]}`, `{"nodes":[{"name":"pg2","standby":{"pause":"","replayed":4000}}]}`},
			[]string{"pg2 is behind by 1000", "pg3 is behind by 0"}},
		{"sessions", "sessiondrift", []string{`{"orphans":{"complete":true,"count":3,"expired":4},"replicas":{"replicas":[{"name":"r2","known":true,"lag_seconds":1.5},{"name":"r3","known":false,"lag_seconds":9}]},
"around":{"not_found":0.5}}`, `{"problem":"refused","orphans":{"complete":true,"count":9}}`, `{"orphans":{"complete":false,"count":9},"replicas":{"problem":"refused"}}`},
			[]string{"orphans 3", "sessions that are overdue 4", "sessions not found 0.5", "r2 behind the primary 1.5"}},
		{"another family", "failover", []string{`{"x":1}`}, nil},
		{"another format", "retrystorm", []string{`[1]`, `{"instances":7}`, `nonsense`}, nil},
	} {
		if got := values(seriesOf(c.handler, lookedAt(c.looks...))); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// The looks that tests of the families are made of give numbers too: their format is the real one.
func TestSeriesOfSnapshots(t *testing.T) {
	t.Parallel()
	for handler, least := range map[string]int{"poolexhaustion": 20, "replicationlag": 20, "retrystorm": 5, "sessiondrift": 20} {
		files, err := filepath.Glob(filepath.Join("..", "..", "handlers", handler, "testdata", "*", "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		with := 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var snapshot struct {
				Looks []struct {
					At   time.Time       `json:"at"`
					Seen json.RawMessage `json:"seen"`
				} `json:"looks"`
			}
			if json.Unmarshal(text, &snapshot) != nil {
				continue
			}
			var events []incidents.Event
			for _, l := range snapshot.Looks {
				events = append(events, incidents.Event{Kind: incidents.Observed, At: l.At, Seen: l.Seen})
			}
			if len(seriesOf(handler, events)) > 0 {
				with++
			}
		}
		if with < least {
			t.Errorf("%s: %d of %d snapshots give numbers, want %d at least", handler, with, len(files), least)
		}
	}
}

// How far back is written in days, or as durations are.
func TestBack(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"30d": 720 * time.Hour, "0d": 0, "24h": 24 * time.Hour, "90m": 90 * time.Minute, "106751d": 106751 * 24 * time.Hour} {
		var b back
		if err := b.UnmarshalText([]byte(text)); err != nil || time.Duration(b) != want {
			t.Errorf("%s: got %v, %v, want %v", text, time.Duration(b), err, want)
		}
	}
	for _, text := range []string{"", "d", "-3d", "-3h", "1.5d", "soon", "106752d", "99999999999d", "3", "1d12h"} {
		var b back
		if err := b.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "such as 30d") {
			t.Errorf("%q: got %v, %v, want a refusal", text, time.Duration(b), err)
		}
	}
}
