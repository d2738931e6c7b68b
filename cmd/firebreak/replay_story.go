package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

// longestWait is how long a story stands still at most, however long nothing happened.
const longestWait = 5 * time.Second

// tell tells the story as it happened, from the record alone.
func (c *replayCmd) tell(a *app, source records) error {
	speed, err := speedOf(c.Speed)
	if err != nil {
		return err
	}
	t := teller{app: a, speed: speed, json: c.JSON, several: c.Incident == "" && len(c.File) != 1, open: map[incidents.ID]*incidents.State{}}
	err = source(a.ctx, t.message)
	if a.ctx.Err() != nil {
		return nil // interrupted by who watched it
	}
	if err == nil && t.told == 0 {
		err = errNothing
	}
	return err
}

// teller tells a story, with the waits that were in it if it has a speed.
type teller struct {
	app   *app
	speed float64
	json  bool
	// several says that the events of many incidents are told, each with its name.
	several bool
	open    map[incidents.ID]*incidents.State
	// last is when the event before was.
	last time.Time
	told int
}

func (t *teller) message(m recorded) error {
	for _, e := range m.Events {
		if err := t.wait(e.At); err != nil {
			return err
		}
		t.told++
		if t.json {
			if err := json.NewEncoder(t.app.stdout).Encode(line(m, e)); err != nil {
				return err
			}
			continue
		}
		t.event(m, e)
	}
	return nil
}

// wait waits as long as it took then, at the story's speed.
func (t *teller) wait(at time.Time) error {
	gap := at.Sub(t.last)
	if t.last.IsZero() || t.speed == 0 || gap <= 0 {
		if at.After(t.last) {
			t.last = at
		}
		return nil
	}
	t.last = at
	pause := time.Duration(float64(gap) / t.speed)
	if pause > longestWait {
		pause = longestWait
		if !t.json {
			fmt.Fprintf(t.app.stdout, "%10s  … %s later\n", "", brief(gap))
		}
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.app.ctx.Done():
		return t.app.ctx.Err()
	}
}

func (t *teller) event(m recorded, e incidents.Event) {
	w := t.app.stdout
	st := t.open[m.ID]
	if st == nil {
		st = incidents.Fold(nil)
		t.open[m.ID] = st
		if !t.several {
			printOpening(w, m, e)
		}
	}
	st.Apply(e)
	if t.several {
		fmt.Fprintf(w, "%s  %s  %-15s  %s\n", e.At.Local().Format("01-02 15:04:05.000"), m.ID, e.Kind, clean(e.Words(), 0))
	} else {
		fmt.Fprintf(w, "%10s  %-15s  %s\n", since(st.OpenedAt, e.At), e.Kind, clean(e.Words(), 0))
	}
	if e.Kind == incidents.Closed {
		if !t.several {
			printDurations(w, st)
		}
		delete(t.open, m.ID)
	}
}

// printOpening says what a story is about. A record whose beginning is no longer kept is told from where it begins.
func printOpening(w io.Writer, m recorded, e incidents.Event) {
	if e.Kind != incidents.Opened || e.Opening == nil {
		item(w, m.ID.String()+"  ", "its beginning is no longer kept, or is before what was asked for")
		fmt.Fprintln(w)
		return
	}
	item(w, m.ID.String()+"  ", e.Opening.Target)
	fmt.Fprintf(w, "opened %s\n\n", stamp(e.At))
}

// printDurations says how long everything took.
func printDurations(w io.Writer, st *incidents.State) {
	fmt.Fprintln(w)
	took := func(from, to time.Time) string { return fmt.Sprintf("%.1fs", to.Sub(from).Seconds()) }
	for i, f := range st.Fixes {
		t := f.Times
		if t.Applied.IsZero() {
			continue
		}
		words := fmt.Sprintf("%s on %s: made %s after the opening", f.Order.Fix, f.Order.Place(), took(st.OpenedAt, t.Applied))
		if !t.Verified.IsZero() {
			words += ", judged after " + took(t.Applied, t.Verified)
		}
		if !t.Ended.IsZero() && !f.Order.Once {
			words += ", over after " + took(t.Applied, t.Ended)
		}
		item(w, fmt.Sprintf("change %d  ", i+1), words)
	}
	if !st.OpenedAt.IsZero() && st.Closing != nil {
		item(w, "closed  ", fmt.Sprintf("after %s: %s", took(st.OpenedAt, st.ClosedAt), st.Closing.Outcome))
	}
}
