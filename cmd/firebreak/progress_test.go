package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// glass is a terminal of one colour: it knows carriage returns and line ends, and nothing else.
type glass struct {
	mu     sync.Mutex // guards the fields below
	lines  []string
	line   []rune
	at     int
	draws  int
	strays int // control characters that it does not know
}

// Write shows text.
func (g *glass) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draws++
	for _, r := range string(b) {
		switch {
		case r == '\r':
			g.at = 0
		case r == '\n':
			g.lines, g.line, g.at = append(g.lines, strings.TrimRight(string(g.line), " ")), nil, 0
		case r < ' ':
			g.strays++
		default:
			if g.at == len(g.line) {
				g.line = append(g.line, r)
			} else {
				g.line[g.at] = r
			}
			g.at++
		}
	}
	return len(b), nil
}

// now is the line that the cursor is in.
func (g *glass) now() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.TrimRight(string(g.line), " ")
}

// drawn is how often something was written.
func (g *glass) drawn() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draws
}

// On a terminal nothing is said for two seconds, then one line is drawn at most five times a second, and it leaves nothing behind.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &glass{}
		a := &app{stdout: g, stderr: g}
		p := a.progressOn(60, "reading records", "messages", 1000)
		p.add(100)
		<-time.After(progressAfter - time.Millisecond)
		synctest.Wait()
		if g.drawn() != 0 {
			t.Fatalf("it spoke before two seconds were over: %q", g.now())
		}
		<-time.After(2 * time.Millisecond)
		synctest.Wait()
		if got, want := g.now(), "reading records: 100 of 1000 messages, 10 %, 50/s, 18s left"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		before := g.drawn()
		<-time.After(10 * time.Second)
		synctest.Wait()
		if n := g.drawn() - before; n < 10 || n > 50 {
			t.Errorf("it was drawn %d times in ten seconds, want it moving, and at most 50", n)
		}
		p.next("writing", "", 0)
		<-time.After(time.Second)
		synctest.Wait()
		if got, want := g.now(), "writing: 1s"; got != want {
			t.Errorf("a shorter line: got %q, want %q", got, want)
		}
		p.end()
		p.end()
		if g.now() != "" || len(g.lines) != 0 || g.at != 0 || g.strays != 0 {
			t.Errorf("it left %q, %d lines, the cursor at %d, %d control characters", g.now(), len(g.lines), g.at, g.strays)
		}
		if a.stdout != io.Writer(g) || a.stderr != io.Writer(g) {
			t.Error("what the command prints goes on through a progress that has ended")
		}
	})
}

// What the command prints is not torn by the line, and a line that it has only begun is left alone.
func TestProgressGoesAround(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &glass{}
		a := &app{stdout: g, stderr: g}
		p := a.progressOn(60, "trying", "files", 3)
		<-time.After(3 * time.Second)
		fmt.Fprintln(a.stdout, "ok    one")
		fmt.Fprint(a.stdout, "ok    ")
		<-time.After(3 * time.Second)
		fmt.Fprintln(a.stderr, "two")
		<-time.After(time.Second)
		synctest.Wait()
		if got, want := g.now(), "trying: 0 of 3 files, 0 %"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		p.end()
		if got, want := strings.Join(g.lines, "|"), "ok    one|ok    two"; got != want || g.now() != "" {
			t.Errorf("got %q and %q, want %q", got, g.now(), want)
		}
	})
}

// A line never gets wider than the terminal, where it would begin another one.
func TestProgressInANarrowTerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &glass{}
		p := (&app{stdout: g, stderr: g}).progressOn(20, "reading what is very long", "messages", 10)
		<-time.After(3 * time.Second)
		synctest.Wait()
		if got, want := g.now(), "reading what is ve…"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		p.end()
	})
}

// Where there is no terminal it is a plain line each half minute, and nothing before.
func TestProgressInALog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out, log output
		a := &app{stdout: &out, stderr: &log, env: environment{}.lookup}
		p := a.progress("restoring", "", 0, false)
		<-time.After(sayEvery - time.Millisecond)
		synctest.Wait()
		if log.String() != "" {
			t.Fatalf("it spoke too soon: %q", log.String())
		}
		<-time.After(time.Minute)
		p.end()
		if got, want := log.String(), "restoring: 30s\nrestoring: 1m\n"; got != want || out.String() != "" {
			t.Errorf("got %q, and %q on stdout, want %q", got, out.String(), want)
		}
	})
}

// A program that reads the answer is told nothing else, and a progress that says nothing does no harm.
func TestProgressForAProgram(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{stdout: &out, stderr: &out}
	p := a.progress("reading", "messages", 0, true)
	p.add(1)
	p.next("more", "", 0)
	if r := strings.NewReader("x"); p.reading(r) != io.Reader(r) {
		t.Error("a reader was wrapped for nothing")
	}
	p.end()
	if p != nil || a.stdout != io.Writer(&out) {
		t.Error("there is a progress that says something")
	}
}

// What goes through it is counted, and comes out as it was; an error stays one.
func TestProgressCounts(t *testing.T) {
	t.Parallel()
	a := &app{stdout: io.Discard, stderr: io.Discard}
	p := a.progressOn(0, "reading", "bytes", 0)
	defer p.end()
	if got, err := io.ReadAll(p.reading(strings.NewReader("twelve bytes"))); string(got) != "twelve bytes" || err != nil || p.stage.done != 12 {
		t.Errorf("got %q, %v and a count of %d", got, err, p.stage.done)
	}
	p.next("messages", "messages", 0)
	broken, seen := errors.New("broken"), 0
	source := func(_ context.Context, fn func(recorded) error) error {
		return errors.Join(fn(recorded{}), fn(recorded{}), broken)
	}
	err := p.over(source)(t.Context(), func(recorded) error { seen++; return nil })
	if !errors.Is(err, broken) || seen != 2 || p.stage.done != 2 {
		t.Errorf("got %v after %d messages, counted %d", err, seen, p.stage.done)
	}
}

// How far it is is said in what is known of it.
func TestProgressWords(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	for want, s := range map[string]stage{
		"moving: 10s":                                       {what: "moving"},
		"reading: 0 messages":                               {what: "reading", unit: "messages"},
		"reading: 5000 messages, 500/s":                     {what: "reading", unit: "messages", done: 5000},
		"reading: 3 of 12 files, 25 %, 30s left":            {what: "reading", unit: "files", done: 3, total: 12},
		"reading: 12 of 12 files, 100 %, 1/s":               {what: "reading", unit: "files", done: 12, total: 12},
		"taking: 25.0 MB, 2.5 MB/s":                         {what: "taking", unit: "bytes", done: 25_000_000},
		"taking: 50.0 kB of 2.0 MB, 2 %, 5.0 kB/s, 6m left": {what: "taking", unit: "bytes", done: 50_000, total: 2_000_000},
	} {
		s.began = at
		if got := s.words(at.Add(10 * time.Second)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
