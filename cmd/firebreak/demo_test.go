package main

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// row is one line of what the demo measured.
type row struct{ goodput, ratio float64 }

// measured reads a row of the demo's last table.
func measured(t *testing.T, text, name string) row {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + ` +([0-9]+) +([0-9.]+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("the row %q is not there:\n%s", name, text)
	}
	goodput, err := strconv.ParseFloat(m[1], 64)
	ratio, err2 := strconv.ParseFloat(m[2], 64)
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return row{goodput, ratio}
}

// The demo shows a real storm that comes and is ended, in less than a minute, and what it prints adds up. Not parallel: it is about
// load.
func TestDemo(t *testing.T) {
	begun := time.Now()
	code, stdout, stderr := firebreak(t, nil, "demo")
	took := time.Since(begun)
	if code != 0 || stderr != "" {
		t.Fatalf("got exit %d and on stderr %q, want 0 and nothing; it printed:\n%s", code, stderr, stdout)
	}
	if took > time.Minute {
		t.Errorf("it took %s, want less than a minute", took)
	}
	place := 0
	for _, part := range []string{"[1/5]", "[2/5]", "the storm feeds itself", "[3/5]", "stored and answered with 200", "[4/5]", "▶ applied", "OPEN",
		"▶ verified", "% let through", "▶ reverted", "[5/5]", "▶ closed", "as \"firebreak incidents show\" prints it", "checkout/payments  fixed",
		"  opened  ", "  applied  ", "  verified  ", "  reverted  ", "  closed  ", "fixed: ", "measured at the users"} {
		at := strings.Index(stdout[place:], part)
		if at < 0 {
			t.Errorf("%q is not there, or not where it belongs", part)
			continue
		}
		place += at
	}
	before, storm, after := measured(t, stdout, "before"), measured(t, stdout, "in the storm"), measured(t, stdout, "after the fix")
	if before.ratio > 1.1 || storm.ratio < 2 || storm.goodput > before.goodput/4 || after.ratio > 1.1 || after.goodput < 0.8*before.goodput {
		t.Errorf("got %+v before, %+v in the storm, %+v after the fix", before, storm, after)
	}
	if strings.Contains(stdout, "\x1b") {
		t.Error("there are colours, although nobody reads it on a terminal")
	}
	if t.Failed() {
		t.Logf("it printed:\n%s", stdout)
	}
	t.Logf("%s: %+v before, %+v in the storm, %+v after the fix", took.Round(time.Millisecond), before, storm, after)
}

// A demo that did not show a fix does not say that it did: payments stays slow, so the storm comes back as soon as calls are given
// back. It ends with 1, and says why, without waiting for its time to be over.
func TestDemoThatCannotHelp(t *testing.T) {
	begun := time.Now()
	var stdout, stderr bytes.Buffer
	err := (&demoCmd{slow: time.Hour}).Run(&app{ctx: t.Context(), env: environment{}.lookup, stdout: &stdout, stderr: &stderr})
	took := time.Since(begun)
	var exit exitError
	if !errors.As(err, &exit) || exit.code != 1 {
		t.Errorf("got %v, want exit 1", err)
	}
	for _, part := range []string{"▶ applied", "▶ regressed", "The demo did not show what it should: a person was called: the fault comes back"} {
		if !strings.Contains(stdout.String(), part) {
			t.Errorf("%q is not there", part)
		}
	}
	if strings.Contains(stdout.String(), "measured at the users") || took > demoTime {
		t.Errorf("after %s: want an end before %s, and no measurements of a fix", took, demoTime)
	}
	if t.Failed() {
		t.Logf("it printed:\n%s%s", stdout.String(), stderr.String())
	}
	t.Logf("it took %s", took.Round(time.Millisecond))
}
