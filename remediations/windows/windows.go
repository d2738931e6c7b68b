// Package windows says when a policy wants nothing to be changed: its maintenance windows. It reads no clock and brings no client, so that it
// answers for any moment, also for one in the past.
package windows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// longestWindow is the longest that a window of every week may last: longer ones would overlap with themselves.
const longestWindow = 7 * 24 * time.Hour

// Windows are the maintenance windows of a policy, ready to be asked. The nil Windows has none.
type Windows struct {
	list []window
}

// window is one of them.
type window struct {
	name              string
	handlers, domains []string
	// from and until bound a window that opens once; weekly is nil then.
	from, until time.Time
	weekly      *weekly
}

// weekly is a window that opens on days of the week, by the clock on the wall of one place.
type weekly struct {
	days   []time.Weekday // empty is every day
	at     time.Duration  // since midnight
	length time.Duration
	place  *time.Location
}

// New reads the windows of a policy. One that cannot be understood fully, such as one in a time zone that this machine does
// not know, is an error: a window that is not there protects nobody.
func New(list []policy.Window) (*Windows, error) {
	w := &Windows{}
	for i, p := range list {
		name := p.Name
		if name == "" {
			name = fmt.Sprintf("number %d", i+1)
		}
		one, err := newWindow(p)
		if err != nil {
			return nil, fmt.Errorf("read maintenance window %s: %w", line(name), err)
		}
		one.name = line(name)
		w.list = append(w.list, one)
	}
	return w, nil
}

// maxName bounds the name of a window, in characters.
const maxName = 100

// line makes one printable line of a name. Characters that move the cursor or turn the direction of writing become spaces, so that no name
// can make a refusal read as another one.
func line(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))
	name = strings.Join(strings.Fields(name), " ")
	if runes := []rune(name); len(runes) > maxName {
		return string(runes[:maxName-1]) + "…"
	}
	return name
}

func newWindow(p policy.Window) (window, error) {
	w := window{handlers: slices.Clone(p.Handlers), domains: slices.Clone(p.Domains), from: p.From.T(), until: p.Until.T()}
	once := !w.from.IsZero() || !w.until.IsZero()
	every := len(p.Days) > 0 || p.For != 0 || p.At != 0
	switch {
	case once && every:
		return window{}, errors.New("it opens either once, with from and until, or every week, with days, at and for")
	case once && (w.from.IsZero() || w.until.IsZero()):
		return window{}, errors.New("it needs both from and until")
	case once && !w.from.Before(w.until):
		return window{}, errors.New("it ends before it begins")
	case once:
		return w, nil
	case p.For <= 0:
		return window{}, errors.New("it needs from and until, or for how long it is open")
	case p.For.D() > longestWindow:
		return window{}, fmt.Errorf("it is open for %s, at most %s are possible", p.For.D(), longestWindow)
	case p.At < 0 || p.At >= 24*60:
		return window{}, fmt.Errorf("it opens %d minutes after midnight, which is no time of day", int(p.At))
	}
	place, err := loadPlace(p.TimeZone)
	if err != nil {
		return window{}, err
	}
	w.weekly = &weekly{at: time.Duration(p.At) * time.Minute, length: p.For.D(), place: place}
	for _, name := range p.Days {
		day := slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, name)
		if day < 0 {
			return window{}, fmt.Errorf("%q is no day, want mon to sun", name)
		}
		w.weekly.days = append(w.weekly.days, time.Weekday(day))
	}
	return w, nil
}

// loadPlace is a time zone by its IANA name. "Local" is not one: it would be another zone on each machine.
func loadPlace(name string) (*time.Location, error) {
	switch name {
	case "":
		return time.UTC, nil
	case "Local":
		return nil, errors.New("time zone Local is another one on each machine, want a name such as Europe/Berlin")
	}
	place, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("load time zone %s: %w", name, err)
	}
	return place, nil
}

// follows bounds how many windows that follow each other without a gap are taken as one. Windows that never end would be
// followed for ever.
const follows = 16

// Check says no with [remediations.ReasonMaintenance] while a window for this handler in this domain is open. Until is when it
// ends, windows that follow at once included. A window is open at From and not any more at Until.
func (w *Windows) Check(handler, domain string, now time.Time) *remediations.NoError {
	first, until := w.open(handler, domain, now)
	if first == nil {
		return nil
	}
	for range follows {
		next, later := w.open(handler, domain, until)
		if next == nil {
			break
		}
		until = later
	}
	return &remediations.NoError{Reason: remediations.ReasonMaintenance, By: first.name, Until: until,
		Words: fmt.Sprintf("maintenance window %s is open until %s", first.name, until.UTC().Format("2006-01-02 15:04:05 MST"))}
}

// open is the open window that ends last, nil if none is open, and when it ends.
func (w *Windows) open(handler, domain string, now time.Time) (*window, time.Time) {
	if w == nil {
		return nil, time.Time{}
	}
	var last *window
	var until time.Time
	for i := range w.list {
		one := &w.list[i]
		if !one.covers(handler, domain) {
			continue
		}
		if end, ok := one.openUntil(now); ok && (last == nil || end.After(until)) {
			last, until = one, end
		}
	}
	return last, until
}

func (w *window) covers(handler, domain string) bool {
	return (len(w.handlers) == 0 || slices.Contains(w.handlers, handler)) &&
		(len(w.domains) == 0 || slices.Contains(w.domains, domain))
}

// openUntil says whether the window is open, and until when.
func (w *window) openUntil(now time.Time) (time.Time, bool) {
	if w.weekly == nil {
		return w.until, !now.Before(w.from) && now.Before(w.until)
	}
	return w.weekly.openUntil(now)
}
