package guard

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

// Means is one of the ways to turn acting off.
type Means string

// The means. They do not need each other.
const (
	MeansProcess  Means = "process"  // a flag in this process, by a signal
	MeansFile     Means = "file"     // a file on this machine's disk
	MeansDocument Means = "document" // the document that all replicas share
)

// Switch is the state of one means of the kill switch.
type Switch struct {
	Means Means `json:"means"`
	// Off says that nothing is started, because somebody said so or because Unread.
	Off bool `json:"off"`
	// Unread says why the means could not be read; it is off then. Empty: it was read.
	Unread string `json:"unread,omitempty"`
	// Path is where the file is or would be.
	Path string `json:"path,omitempty"`
	// By, Via, Reason and Since are what the means says about its latest change; a file knows only a reason.
	By     string    `json:"by,omitempty"`
	Via    string    `json:"via,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// Setting is all that the brake says at one moment, for people and for checks.
type Setting struct {
	// Switches are the means of the kill switch, process, file, document. Acting is off if one of them is.
	Switches []Switch `json:"switches"`
	// Pauses are those that stand, oldest first. They are unknown if the document is unread.
	Pauses []Pause `json:"pauses"`
}

// Read asks all three means at once, each for at most two seconds.
func (b *Brake) Read(ctx context.Context, now time.Time) Setting {
	file := make(chan Switch, 1)
	go func() { file <- b.file.read(ctx) }()
	document, pauses := b.readDocument(ctx, now)
	return Setting{Switches: []Switch{b.readProcess(), <-file, document}, Pauses: pauses}
}

func (b *Brake) readProcess() Switch {
	if reason := b.stopped.Load(); reason != nil {
		return Switch{Means: MeansProcess, Off: true, Reason: *reason}
	}
	return Switch{Means: MeansProcess}
}

func (b *Brake) readDocument(ctx context.Context, now time.Time) (Switch, []Pause) {
	s, err := within(ctx, readWithin, func(ctx context.Context) (*sheet, error) {
		doc, err := b.doc.Get(ctx)
		if err != nil {
			return nil, err
		}
		return readSheet(doc)
	})
	if err != nil {
		return Switch{Means: MeansDocument, Off: true, Unread: cause(err)}, nil
	}
	s.prune(now)
	last := s.Switch
	return Switch{Means: MeansDocument, Off: last.Off, By: last.By, Via: last.Via, Reason: last.Reason, Since: last.Since}, s.Pauses
}

// Off says whether one of the switches is off.
func (s Setting) Off() bool {
	return slices.ContainsFunc(s.Switches, func(w Switch) bool { return w.Off })
}

// Check is what the setting says to one handler in one domain: the first switch that is off, or else the pause that ends last.
// A setting that says nothing of a switch was not read, and is a no.
func (s Setting) Check(handler, domain string) *remediations.NoError {
	if len(s.Switches) == 0 {
		return refuse(remediations.ReasonKillSwitch, "no switch was read, so acting is off")
	}
	for _, w := range s.Switches {
		if w.Off {
			return &remediations.NoError{Reason: remediations.ReasonKillSwitch, By: w.By, Words: w.words()}
		}
	}
	var last *Pause
	for i, p := range s.Pauses {
		if p.covers(handler, domain) && (last == nil || p.outlasts(*last)) {
			last = &s.Pauses[i]
		}
	}
	if last == nil {
		return nil
	}
	return &remediations.NoError{Reason: remediations.ReasonPaused, By: last.By, Until: last.Until, Words: last.words()}
}

// words say why a switch that is off is off.
func (w Switch) words() string {
	switch {
	case w.Unread != "" && w.Means == MeansFile:
		return "nobody can tell whether the stop file " + w.Path + " exists, so acting is off: " + w.Unread
	case w.Unread != "":
		return "the switch could not be read, so acting is off: " + w.Unread
	case w.Means == MeansFile:
		return withReason("the stop file "+w.Path+" exists", w.Reason)
	case w.Means == MeansProcess:
		return withReason("this process was told to stop", w.Reason)
	}
	return withReason("switched off by "+through(w.By, w.Via)+" on "+stamp(w.Since), w.Reason)
}

// words say who paused what, until when and why.
func (p Pause) words() string {
	parts := []string{"paused by " + through(p.By, p.Via) + " on " + stamp(p.Since)}
	if p.Handler != "" {
		parts = append(parts, "for handler "+p.Handler)
	}
	if p.Domain != "" {
		parts = append(parts, "in "+p.Domain)
	}
	if p.Until.IsZero() {
		parts = append(parts, "until somebody resumes "+p.ID)
	} else {
		parts = append(parts, "until "+stamp(p.Until))
	}
	return withReason(strings.Join(parts, " "), p.Reason)
}

func through(by, via string) string {
	if via == "" {
		return by
	}
	return by + " through " + via
}

func withReason(words, reason string) string {
	if reason == "" {
		return words
	}
	return words + ": " + reason
}

// stamp is a moment as a refusal names it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
