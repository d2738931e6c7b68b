package incidentfile_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus/stored"
	"github.com/firebreak-sre/firebreak/drills/history"
	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/replay/families"
	"github.com/firebreak-sre/firebreak/handlers/replay/incidentfile"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

func rulesOf(t *testing.T, mode policy.Mode) (policy.Policy, replay.Rules) {
	t.Helper()
	p, err := history.Policy(5, mode)
	if err != nil {
		t.Fatal(err)
	}
	r, err := families.Rules(p, "v1")
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

// files are the incidents of a made past, each in a file.
func files(t *testing.T) []incidentfile.File {
	t.Helper()
	p, r := rulesOf(t, policy.Auto)
	var order []incidents.ID
	byID := map[incidents.ID][]incidentfile.Message{}
	_, err := history.Make(t.Context(), history.Options{Policy: p, Bounds: r.Bounds, Incidents: 20, From: at(0), Every: time.Hour, Seed: 3, Build: "v1"},
		func(m stored.Msg) error {
			id, err := incidents.IDOfSubject(m.Subject)
			if byID[id] == nil {
				order = append(order, id)
			}
			byID[id] = append(byID[id], incidentfile.Message{Seq: m.Seq, At: m.At, Events: m.Data})
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	var all []incidentfile.File
	for _, id := range order {
		f, err := incidentfile.Make(id, "v1", at(0), byID[id])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// A file replays as its record does: the same under the policy of then, and with differences in words under another.
func TestTry(t *testing.T) {
	t.Parallel()
	_, same := rulesOf(t, policy.Auto)
	_, observing := rulesOf(t, policy.Observe)
	acted := 0
	for _, f := range files(t) {
		var b bytes.Buffer
		if err := f.Write(&b); err != nil {
			t.Fatal(err)
		}
		f, err := incidentfile.Read(&b)
		if err != nil {
			t.Fatal(err)
		}
		records, err := f.Records()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Check(same, records); err != nil || got.Identical != got.Decisions || got.Decisions == 0 || got.Policy != same.Hash {
			t.Errorf("%s: %+v, %v, want all decisions identical", f.ID, got, err)
		}
		if _, words, err := f.Try(same); err != nil || len(words) != 0 {
			t.Errorf("%s under the same policy: %q, %v", f.ID, words, err)
		}
		result, words, err := f.Try(observing)
		if err != nil {
			t.Fatal(err)
		}
		if replay.Weightiest(result.Then).Kind != replay.Acted {
			continue
		}
		acted++
		if len(words) == 0 || !strings.Contains(words[0], "want acted") || !strings.Contains(words[0], "got refused observe") {
			t.Errorf("%s under a policy that observes: %q", f.ID, words)
		}
		f.Expect = &incidentfile.Expect{Deeds: []incidentfile.Deed{{Kind: replay.Refused, Reason: remediations.ReasonObserve}}}
		if _, words, err := f.Try(observing); err != nil || len(words) != 0 {
			t.Errorf("%s, of which that is expected: %q, %v", f.ID, words, err)
		}
		f.Expect.Deeds = append(f.Expect.Deeds, incidentfile.Deed{Kind: replay.Paged})
		if _, words, err := f.Try(observing); err != nil || len(words) != 1 || !strings.Contains(words[0], "want paged, and nothing more is done") {
			t.Errorf("%s, of which more is expected: %q, %v", f.ID, words, err)
		}
		f.Expect.Deeds = []incidentfile.Deed{}
		if _, words, err := f.Try(observing); err != nil || len(words) != 1 || !strings.Contains(words[0], "nothing more is expected") {
			t.Errorf("%s, of which nothing is expected: %q, %v", f.ID, words, err)
		}
	}
	if acted < 3 {
		t.Errorf("only %d incidents had a change in them", acted)
	}
}

// reader is a family that reads a text, which no decision should rest on.
type reader struct{}

type words struct {
	Text string `json:"text"`
}

func (reader) Name() string { return "retrystorm" }

func (reader) Target(alerts.Alert) (think.Target, bool) {
	return think.Target{Name: target, Domain: "checkout", Mode: policy.Observe}, true
}

func (reader) Targets() []think.Target { return nil }

func (reader) Decide(c think.Case[words]) incidents.Decision {
	return incidents.Decision{Cause: "long", Verdict: incidents.Page, Evidence: []incidents.Evidence{{Value: float64(len(c.Before[0].Seen.Text))}}}
}

func (reader) Judge(think.Case[words]) incidents.Judgement { return incidents.Judgement{} }

// A decision that rests on what was masked comes out otherwise, and that is found before the file is believed.
func TestMaskingThatDecides(t *testing.T) {
	t.Parallel()
	rules := replay.Rules{Hash: "h1", Build: "v1", Thinkers: map[string]*think.Bound{"retrystorm": think.Bind(reader{})}}
	record := func(text string) []incidentfile.Message {
		return []incidentfile.Message{opened(""), noted(11, `[{"v":1,"kind":"observed","at":"2026-11-23T03:00:11Z","seen":{"text":"`+text+`"}},`+
			`{"v":1,"kind":"decided","at":"2026-11-23T03:00:11Z","basis":{"busy":0,"policy":"h1","build":"v1"},`+
			`"decision":{"cause":"long","verdict":"page","reason":"","evidence":[{"name":"","value":14,"words":""}]}}]`)}
	}
	for text, bad := range map[string]bool{"password=12345": true, "fourteen chars": false} {
		f := made(t, record(text)...)
		var original []replay.Message
		for _, m := range record(text) {
			read, err := replay.Read(stored.Msg{Subject: "incidents." + f.ID.Key(), Seq: m.Seq, At: m.At, Data: m.Events})
			if err != nil {
				t.Fatal(err)
			}
			original = append(original, read)
		}
		_, err := f.Check(rules, original)
		if bad && (err == nil || !strings.Contains(err.Error(), "evidence[0].value was 14, is 17")) || !bad && err != nil {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
