package guard_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// paper is a document in memory that can be made to fail.
type paper struct {
	mu   sync.Mutex
	doc  []byte
	fail error
	hang chan struct{} // Get waits for it, whatever its context says
}

func (p *paper) Get(context.Context) ([]byte, error) {
	if p.hang != nil {
		<-p.hang
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.doc), p.fail
}

func (p *paper) Change(_ context.Context, fn func([]byte) ([]byte, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	if _, err := fn(slices.Clone(p.doc)); err != nil { // a compare-and-set that was lost
		return err
	}
	next, err := fn(slices.Clone(p.doc))
	if err == nil {
		p.doc = next
	}
	return err
}

func newBrake(t *testing.T, doc guard.Document) *guard.Brake {
	t.Helper()
	b, err := guard.NewBrake(doc, filepath.Join(t.TempDir(), "STOP"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustPause(t *testing.T, b *guard.Brake, p guard.Pause, now time.Time) guard.Pause {
	t.Helper()
	p.By, p.Reason = "alice", "patching"
	paused, err := b.Pause(t.Context(), p, now)
	if err != nil {
		t.Fatal(err)
	}
	return paused
}

// wantNo compares a refusal's reason; "" is a yes. The words must hold all of the parts.
func wantNo(t *testing.T, what string, got *remediations.NoError, want remediations.Reason, words ...string) {
	t.Helper()
	if got == nil {
		if want != "" {
			t.Errorf("%s: got yes, want %s", what, want)
		}
		return
	}
	if got.Reason != want {
		t.Errorf("%s: got %v, want %q", what, got, want)
	}
	if got.Words == "" {
		t.Errorf("%s: the refusal %s has no words", what, got.Reason)
	}
	for _, part := range words {
		if !strings.Contains(got.Words, part) {
			t.Errorf("%s: got words %q, want %q in them", what, got.Words, part)
		}
	}
}

// Pauses hold for whom they were made, until they end, and say who made them.
func TestPauses(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := newBrake(t, &paper{})
	wantNo(t, "nothing was ever said", b.Check(ctx, "storm", "pay", noon()), "")

	hour := mustPause(t, b, guard.Pause{Until: noon().Add(time.Hour), Domain: "pay", Via: "cli"}, noon())
	mustPause(t, b, guard.Pause{Handler: "pool"}, noon())
	both := mustPause(t, b, guard.Pause{Handler: "lag", Domain: "stock", Until: noon().Add(time.Minute)}, noon())
	for _, c := range []struct {
		handler, domain string
		at              time.Duration
		want            remediations.Reason
		until           time.Time
	}{
		{"storm", "pay", 0, remediations.ReasonPaused, hour.Until},
		{"storm", "stock", 0, "", time.Time{}},
		{"pool", "stock", 0, remediations.ReasonPaused, time.Time{}},
		{"pool", "pay", 0, remediations.ReasonPaused, time.Time{}}, // the one without an end outlasts the hour
		{"lag", "stock", 0, remediations.ReasonPaused, both.Until},
		{"lag", "stock", time.Minute, "", time.Time{}},
		{"storm", "pay", time.Hour - 1, remediations.ReasonPaused, hour.Until},
		{"storm", "pay", time.Hour, "", time.Time{}},
		{"pool", "pay", 1000 * time.Hour, remediations.ReasonPaused, time.Time{}},
	} {
		what := fmt.Sprintf("%s in %s after %s", c.handler, c.domain, c.at)
		no := b.Check(ctx, c.handler, c.domain, noon().Add(c.at))
		wantNo(t, what, no, c.want)
		if no != nil && (!no.Until.Equal(c.until) || no.By != "alice") {
			t.Errorf("%s: got until %s by %q, want %s by alice", what, no.Until, no.By, c.until)
		}
	}
	wantNo(t, "words", b.Check(ctx, "storm", "pay", noon()), remediations.ReasonPaused,
		"alice through cli", "in pay", "until 2026-11-22 13:00:00 UTC", "patching")
	wantNo(t, "words", b.Check(ctx, "pool", "x", noon()), remediations.ReasonPaused, "until somebody resumes p2", "handler pool")
}

// Resuming ends one pause or all; ended ones are dropped, and ids are never given twice.
func TestResume(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := newBrake(t, &paper{})
	if got, err := b.Resume(ctx, "", "bob", noon()); err != nil || got != nil {
		t.Errorf("nothing to resume: got %v and %v", got, err)
	}
	first := mustPause(t, b, guard.Pause{}, noon())
	second := mustPause(t, b, guard.Pause{Until: noon().Add(time.Minute)}, noon())
	if got, err := b.Resume(ctx, first.ID, "bob", noon()); err != nil || !slices.Equal(got, []guard.Pause{first}) {
		t.Errorf("resume one: got %v and %v, want %v", got, err, first)
	}
	if _, err := b.Resume(ctx, first.ID, "bob", noon()); !errors.Is(err, guard.ErrNoPause) {
		t.Errorf("resume again: got %v, want %v", err, guard.ErrNoPause)
	}
	if got := b.Read(ctx, noon()).Pauses; !slices.Equal(got, []guard.Pause{second}) {
		t.Errorf("got %v, want %v", got, second)
	}
	later := noon().Add(time.Minute)
	if _, err := b.Resume(ctx, second.ID, "bob", later); !errors.Is(err, guard.ErrNoPause) {
		t.Errorf("resume an ended one: got %v, want %v", err, guard.ErrNoPause)
	}
	third := mustPause(t, b, guard.Pause{}, later)
	fourth := mustPause(t, b, guard.Pause{}, later)
	if third.ID == first.ID || third.ID == second.ID || third.ID == fourth.ID {
		t.Errorf("id %s was given twice", third.ID)
	}
	if got, err := b.Resume(ctx, "", "bob", later); err != nil || !slices.Equal(got, []guard.Pause{third, fourth}) {
		t.Errorf("resume all: got %v and %v", got, err)
	}
	wantNo(t, "all resumed", b.Check(ctx, "h", "d", later), "")
}

// What a person orders must say who and why, and fit. Nothing is changed otherwise.
func TestOrdersAreChecked(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := &paper{}
	b := newBrake(t, p)
	long := strings.Repeat("x", 101)
	for what, err := range map[string]error{
		"no name":      second(b.Pause(ctx, guard.Pause{Reason: "r"}, noon())),
		"blank name":   second(b.Pause(ctx, guard.Pause{By: " \n\x00", Reason: "r"}, noon())),
		"no reason":    second(b.Pause(ctx, guard.Pause{By: "a", Reason: "\t"}, noon())),
		"long name":    second(b.Pause(ctx, guard.Pause{By: long, Reason: "r"}, noon())),
		"long via":     second(b.Pause(ctx, guard.Pause{By: "a", Via: long, Reason: "r"}, noon())),
		"long handler": second(b.Pause(ctx, guard.Pause{By: "a", Reason: "r", Handler: long}, noon())),
		"odd domain":   second(b.Pause(ctx, guard.Pause{By: "a", Reason: "r", Domain: "pay\n"}, noon())),
		"past end":     second(b.Pause(ctx, guard.Pause{By: "a", Reason: "r", Until: noon()}, noon())),
		"resume":       second(b.Resume(ctx, "", "", noon())),
		"off, no name": b.SwitchOff(ctx, guard.Order{Reason: "r"}, noon()),
		"off, no why":  b.SwitchOff(ctx, guard.Order{By: "a"}, noon()),
		"on, no name":  b.SwitchOn(ctx, guard.Order{Reason: "r"}, noon()),
		"on, no why":   b.SwitchOn(ctx, guard.Order{By: "a"}, noon()),
	} {
		if !errors.Is(err, guard.ErrNotAccepted) {
			t.Errorf("%s: got %v, want %v", what, err, guard.ErrNotAccepted)
		}
	}
	if p.doc != nil {
		t.Errorf("the document was changed: %s", p.doc)
	}
	paused, err := b.Pause(ctx, guard.Pause{By: " al\u202eice\n", Reason: strings.Repeat("ü", 600)}, noon())
	if err != nil || paused.By != "al ice" || len([]rune(paused.Reason)) != 500 {
		t.Errorf("got by %q, %d characters of reason and %v", paused.By, len([]rune(paused.Reason)), err)
	}
}

func second[T any](_ T, err error) error { return err }

// There is room for a hundred pauses that stand; ended ones make room, and the kill switch needs none.
func TestPausesAreBounded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := newBrake(t, &paper{})
	for range 100 {
		mustPause(t, b, guard.Pause{Until: noon().Add(time.Hour)}, noon())
	}
	if _, err := b.Pause(ctx, guard.Pause{By: "a", Reason: "r"}, noon()); !errors.Is(err, guard.ErrNotAccepted) {
		t.Errorf("got %v, want %v", err, guard.ErrNotAccepted)
	}
	if err := b.SwitchOff(ctx, guard.Order{By: "a", Reason: "r"}, noon()); err != nil {
		t.Error(err)
	}
	mustPause(t, b, guard.Pause{}, noon().Add(time.Hour))
	if got := b.Read(ctx, noon().Add(time.Hour)).Pauses; len(got) != 1 {
		t.Errorf("got %d pauses, want 1", len(got))
	}
}

// Each means of the kill switch stops alone, before any pause, and says by whom and why.
func TestKillSwitch(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "STOP")
	b, err := guard.NewBrake(&paper{}, file)
	if err != nil {
		t.Fatal(err)
	}
	mustPause(t, b, guard.Pause{}, noon())
	check := func() *remediations.NoError { return b.Check(ctx, "h", "d", noon()) }

	b.Stop("signal\nfrom ops")
	wantNo(t, "process", check(), remediations.ReasonKillSwitch, "this process", "signal from ops")
	b.Go()
	wantNo(t, "process, taken back", check(), remediations.ReasonPaused)

	if err := os.WriteFile(file, []byte("db upgrade \x1b[2Jtonight\nsecond line"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantNo(t, "file", check(), remediations.ReasonKillSwitch, file, ": db upgrade [2Jtonight")
	if no := check(); strings.Contains(no.Words, "second") || strings.Contains(no.Words, "\x1b") {
		t.Errorf("got words %q", no.Words)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	wantNo(t, "file, gone", check(), remediations.ReasonPaused)

	if err := b.SwitchOff(ctx, guard.Order{By: "bob", Via: "api", Reason: "storm"}, noon()); err != nil {
		t.Fatal(err)
	}
	wantNo(t, "document", check(), remediations.ReasonKillSwitch, "bob through api", "storm", "12:00:00")
	if no := check(); no.By != "bob" {
		t.Errorf("got by %q, want bob", no.By)
	}
	if !b.Read(ctx, noon()).Off() {
		t.Error("the setting does not say that it is off")
	}
	if err := b.SwitchOn(ctx, guard.Order{By: "eve", Reason: "over"}, noon().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	wantNo(t, "document, on", check(), remediations.ReasonPaused) // the pause outlived all of it
	want := []guard.Switch{{Means: guard.MeansProcess}, {Means: guard.MeansFile, Path: file},
		{Means: guard.MeansDocument, By: "eve", Reason: "over", Since: noon().Add(time.Hour)}}
	if got := b.Read(ctx, noon()); !slices.Equal(got.Switches, want) || got.Off() {
		t.Errorf("got  %+v\nwant %+v", got.Switches, want)
	}
}

// What cannot be read is off, with words that say why.
func TestUnreadableDocumentIsOff(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		p     *paper
		words string
	}{
		"bus error":     {&paper{fail: errors.New("no quorum")}, "no quorum"},
		"empty":         {&paper{doc: []byte{}}, "unexpected end"},
		"damaged":       {&paper{doc: []byte(`{"v":1,"pauses":[`)}, "unexpected end"},
		"null":          {&paper{doc: []byte(`null`)}, "format is 0"},
		"no version":    {&paper{doc: []byte(`{}`)}, "format is 0"},
		"newer":         {&paper{doc: []byte(`{"v":2,"switch":{"off":false}}`)}, "format is 2"},
		"unknown field": {&paper{doc: []byte(`{"v":1,"zones":["a"]}`)}, "zones"},
		"wrong type":    {&paper{doc: []byte(`{"v":1,"switch":"on"}`)}, "switch"},
		"two documents": {&paper{doc: []byte(`{"v":1} {"v":1}`)}, "after top-level"},
	} {
		b := newBrake(t, c.p)
		wantNo(t, what, b.Check(t.Context(), "h", "d", noon()), remediations.ReasonKillSwitch, "could not be read, so acting is off", c.words)
		if err := b.SwitchOn(t.Context(), guard.Order{By: "a", Reason: "r"}, noon()); err == nil {
			t.Errorf("%s: it was switched on unread", what)
		}
		if _, err := b.Pause(t.Context(), guard.Pause{By: "a", Reason: "r"}, noon()); err == nil {
			t.Errorf("%s: it was paused unread", what)
		}
	}
}

// A damaged document is mended by switching off, and only so; a newer build's is left alone.
func TestSwitchOffMends(t *testing.T) {
	t.Parallel()
	p := &paper{doc: []byte(`{"v":1,`)}
	b := newBrake(t, p)
	off := guard.Order{By: "bob", Reason: "mend"}
	if err := b.SwitchOff(t.Context(), off, noon()); err != nil {
		t.Fatal(err)
	}
	wantNo(t, "mended", b.Check(t.Context(), "h", "d", noon()), remediations.ReasonKillSwitch, "switched off by bob", "mend")
	if err := b.SwitchOn(t.Context(), off, noon()); err != nil {
		t.Fatal(err)
	}
	wantNo(t, "on again", b.Check(t.Context(), "h", "d", noon()), "")

	newer := `{"v":9,"new":true}`
	p.doc = []byte(newer)
	if err := b.SwitchOff(t.Context(), off, noon()); err == nil || string(p.doc) != newer {
		t.Errorf("newer build's document: got %v and %s", err, p.doc)
	}
}

// A document that never answers costs two seconds, and is off; so is one whose context ended.
func TestHangingDocumentIsOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &paper{hang: make(chan struct{})}
		b := newBrake(t, p)
		began := time.Now()
		wantNo(t, "hangs", b.Check(t.Context(), "h", "d", noon()), remediations.ReasonKillSwitch, "deadline exceeded")
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %s, want 2s", took)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("shutting down"))
		wantNo(t, "cancelled", b.Check(ctx, "h", "d", noon()), remediations.ReasonKillSwitch, "shutting down")
		close(p.hang)
	})
}

// A setting that nobody read, and a brake without its means, are no.
func TestZeroBrake(t *testing.T) {
	t.Parallel()
	wantNo(t, "zero setting", guard.Setting{}.Check("h", "d"), remediations.ReasonKillSwitch)
	if _, err := guard.NewBrake(nil, "STOP"); err == nil {
		t.Error("a brake without a document was made")
	}
	if _, err := guard.NewBrake(&paper{}, ""); err == nil {
		t.Error("a brake without a file was made")
	}
}
