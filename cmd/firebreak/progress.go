package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

const (
	// progressAfter is how long a command may take before it says how far it is: what is shorter needs no words.
	progressAfter = 2 * time.Second
	// drawEvery is the time between two drawings of the line on a terminal.
	drawEvery = 200 * time.Millisecond
	// sayEvery is the time between two lines where there is no terminal: somebody reads a log, later.
	sayEvery = 30 * time.Second
)

// progress says on stderr how far a long command is. On a terminal it is one line, drawn again and again and gone at the end; it is drawn with
// blanks and carriage returns alone, so that it needs no colour and no escape sequence. Elsewhere it is a plain line now and then. A nil progress
// says nothing.
type progress struct {
	app            *app
	stdout, stderr io.Writer // what the app had before
	// width is how many columns the line may take; 0 where it cannot be drawn again.
	width int

	mu    sync.Mutex // guards the fields below, and what is written
	stage stage
	shown int  // columns of the line that stands on the terminal now
	open  bool // somebody's line has been begun, and not ended

	stop, stopped chan struct{}
}

// stage is one part of the work.
type stage struct {
	what string
	// unit is what is counted: "messages". "bytes" are written as people read them; empty is not counted at all.
	unit  string
	began time.Time
	done  int64
	total int64 // 0: nobody knows
}

// progress begins to say how far a command is, unless its answer is for a program. Whoever begins it ends it, on every way out. Until then what
// the command itself prints goes around the line.
func (a *app) progress(what, unit string, total int64, quiet bool) *progress {
	if quiet {
		return nil
	}
	return a.progressOn(drawable(a), what, unit, total)
}

// progressOn is progress on a terminal of so many columns; 0 is none.
func (a *app) progressOn(width int, what, unit string, total int64) *progress {
	p := &progress{app: a, stdout: a.stdout, stderr: a.stderr, width: width, stop: make(chan struct{}), stopped: make(chan struct{})}
	p.stage = stage{what: what, unit: unit, total: total, began: time.Now()}
	a.stdout, a.stderr = around{p, a.stdout}, around{p, a.stderr}
	go p.run()
	return p
}

// drawable is how many columns of stderr a line may take that is drawn again, 0 if it is no terminal that can: a program's, CI's or a dumb one.
func drawable(a *app) int {
	f, ok := a.stderr.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return 0
	}
	if ci, _ := a.env("CI"); ci != "" && ci != "false" {
		return 0
	}
	if kind, _ := a.env("TERM"); kind == "dumb" {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 1 {
		return columns
	}
	return width
}

// next goes on with another part of the work.
func (p *progress) next(what, unit string, total int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage = stage{what: what, unit: unit, total: total, began: time.Now()}
}

// add says that so much more is done.
func (p *progress) add(n int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage.done += n
}

// over counts the messages of a source.
func (p *progress) over(source records) records {
	if p == nil {
		return source
	}
	return func(ctx context.Context, fn func(recorded) error) error {
		return source(ctx, func(m recorded) error {
			p.add(1)
			return fn(m)
		})
	}
}

// reading counts the bytes that are read.
func (p *progress) reading(r io.Reader) io.Reader {
	if p == nil {
		return r
	}
	return counted{p, r}
}

type counted struct {
	p *progress
	r io.Reader
}

// Read reads and counts.
func (c counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.add(int64(n))
	return n, err
}

// end takes the line away. Ending twice, or what never began, does nothing.
func (p *progress) end() {
	if p == nil || p.app == nil {
		return
	}
	close(p.stop)
	<-p.stopped
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.app.stdout, p.app.stderr, p.app = p.stdout, p.stderr, nil
}

// run draws until it is stopped.
func (p *progress) run() {
	defer close(p.stopped)
	every := sayEvery
	if p.width > 0 {
		every = drawEvery
		if !p.pause(progressAfter - drawEvery) {
			return
		}
	}
	for p.pause(every) {
		p.say()
	}
}

func (p *progress) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.stop:
		return false
	}
}

// say draws the line, or writes it where it cannot be drawn again.
func (p *progress) say() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open {
		return
	}
	words := p.stage.words(time.Now())
	if p.width == 0 {
		fmt.Fprintln(p.stderr, words)
		return
	}
	words = clean(words, max(2, p.width-1)) // the last column would begin another line
	n := utf8.RuneCountInString(words)
	fmt.Fprint(p.stderr, "\r"+words+strings.Repeat(" ", max(0, p.shown-n)))
	p.shown = n
}

// erase takes the line away. The caller holds mu.
func (p *progress) erase() {
	if p.shown > 0 {
		fmt.Fprint(p.stderr, "\r"+strings.Repeat(" ", p.shown)+"\r")
		p.shown = 0
	}
}

// around writes what the command prints, with the line out of its way.
type around struct {
	p *progress
	w io.Writer
}

// Write writes.
func (o around) Write(b []byte) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	if len(b) > 0 {
		o.p.erase()
		o.p.open = b[len(b)-1] != '\n'
	}
	return o.w.Write(b)
}

// words say how far it is: "reading records: 1200 of 5000 messages, 24 %, 400/s, 9s left".
func (s stage) words(now time.Time) string {
	took := now.Sub(s.began)
	if s.unit == "" {
		return fmt.Sprintf("%s: %s", s.what, brief(took))
	}
	said := s.what + ": " + s.amount(s.done)
	if s.total > 0 {
		said += " of " + s.amount(s.total)
	}
	if s.unit != "bytes" {
		said += " " + s.unit
	}
	if s.total > 0 {
		said += fmt.Sprintf(", %d %%", min(100, 100*s.done/s.total))
	}
	rate := float64(s.done) / max(took.Seconds(), 0.001)
	if rate <= 0 {
		return said
	}
	if perSecond := s.amount(int64(rate)); perSecond != "0" {
		said += ", " + perSecond + "/s"
	}
	if left := float64(s.total-s.done) / rate; left > 0 && left < (365*24*time.Hour).Seconds() {
		said += ", " + brief(time.Duration(left*float64(time.Second))) + " left"
	}
	return said
}

func (s stage) amount(n int64) string {
	switch {
	case s.unit != "bytes":
		return fmt.Sprint(n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
