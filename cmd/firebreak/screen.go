package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/drills/storm"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/mattn/go-isatty"
)

// screen shows the demo: one line a second with what is measured, and every event in between. Colour only on a terminal.
type screen struct {
	w        io.Writer
	colour   bool
	start    time.Time
	incident incidents.ID
}

func newScreen(w io.Writer) *screen {
	f, ok := w.(*os.File)
	_, plain := os.LookupEnv("NO_COLOR")
	return &screen{w: &lines{w: w}, colour: ok && isatty.IsTerminal(f.Fd()) && !plain, start: time.Now()}
}

const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (s *screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) at() string { return fmt.Sprintf("%5.1fs", time.Since(s.start).Seconds()) }

func (s *screen) act(n, of int, title string) {
	fmt.Fprintf(s.w, "\n%s\n", s.paint(bold, fmt.Sprintf("[%d/%d] %s", n, of, title)))
}

func (s *screen) note(text string) { fmt.Fprintf(s.w, "%s  %s\n", s.at(), s.paint(yellow, text)) }

// show is one second of the system: how many users were served well, of how many, and how often payments was tried for each.
func (s *screen) show(r storm.Rates) {
	const width = 24
	full := 0
	if r.Offered > 0 {
		full = min(width, int(r.Goodput/r.Offered*width+0.5))
	}
	colour := green
	if full < width*3/4 {
		colour = red
	}
	bar := s.paint(colour, strings.Repeat("█", full)) + strings.Repeat("·", width-full)
	fmt.Fprintf(s.w, "%s  good answers %s %3.0f of %3.0f/s   attempts/call %4.2f   waiting at payments %3d   breaker %s\n",
		s.at(), bar, r.Goodput, r.Offered, r.Ratio, r.Waiting, s.breaker(r))
}

func (s *screen) breaker(r storm.Rates) string {
	switch {
	case !r.Held:
		return "closed"
	case r.Released > 0:
		return s.paint(yellow, fmt.Sprintf("%d %% let through", r.Released))
	}
	return s.paint(red, "OPEN")
}

// event is one line of the incident's record. Looks are too many to show; the line above them shows the same.
func (s *screen) event(l console.Line) {
	s.incident = l.ID
	if l.Event.Kind == incidents.Observed {
		return
	}
	fmt.Fprintf(s.w, "%s    %s %s\n", s.at(), s.paint(cyan, fmt.Sprintf("▶ %-10s", l.Event.Kind)), clean(l.Event.Words(), 400))
}

// rates goes on showing the system until ctx ends.
func (s *screen) rates(ctx context.Context, system *storm.System) {
	last := system.Read()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			now := system.Read()
			s.show(now.Since(last))
			last = now
		case <-ctx.Done():
			return
		}
	}
}

// lines lets several write whole lines.
type lines struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

// Write writes one of them.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
