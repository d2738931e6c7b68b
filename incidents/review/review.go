// Package review writes what people talk about after an incident: what happened and when, what was measured, who agreed to what, what was
// refused and why, and how it stands to the targets. It is pure: the same record always gives the same document, byte by byte. It says
// nothing that is not in the record, and leaves room for what only people know.
//
// Everything that strangers wrote (labels, notes, names) is text in it, whatever it looks like.
package review

import (
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/measure"
)

// Options are what a document is made with. Its zero value is ready.
type Options struct {
	// Incident is which one it is. It is only needed where the record's beginning, which says so, is gone.
	Incident incidents.ID
	// Series are what was measured over time, most telling first. Empty: they are taken from the numbers that decisions and
	// judgements rest on, which are fewer.
	Series []Series
}

// Series is one number over time.
type Series struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit,omitempty"`
	Points []Point `json:"points"`
}

// Point is a number at a moment.
type Point struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// Document is a review. Texts in it have no control characters and no second line; everything else of them is as it was written.
type Document struct {
	Head
	// Summary is what happened in plain sentences.
	Summary []string `json:"summary"`
	// Gaps say what the record lacks, so that nobody takes it for whole.
	Gaps []string `json:"gaps,omitempty"`
	// Torn says that the record's beginning is gone.
	Torn     bool      `json:"torn,omitempty"`
	Alerts   []Alert   `json:"alerts"`
	Targets  []Target  `json:"targets,omitempty"`
	Moments  []Moment  `json:"moments"`
	Timeline []Row     `json:"timeline"`
	LeftOut  int       `json:"left_out,omitempty"`
	Series   []Series  `json:"series,omitempty"`
	Finding  *Finding  `json:"finding,omitempty"`
	Changes  []Change  `json:"changes,omitempty"`
	Said     []Said    `json:"said,omitempty"`
	Refusals []Refusal `json:"refusals,omitempty"`
	// Questions are what the record asks of those who read it. What was learned and what is to be done is left to them.
	Questions []string `json:"questions"`

	picture picture
}

// Head says which incident it is.
type Head struct {
	Incident string `json:"incident"`
	Handler  string `json:"handler"`
	Runbook  string `json:"runbook,omitempty"`
	Target   string `json:"target"`
	Domain   string `json:"domain,omitempty"`
	// Outcome is empty, and Stage says where it stands, while the incident is open.
	Outcome string `json:"outcome,omitempty"`
	Stage   string `json:"stage"`
	// Zero is when the incident was detected, or the oldest event where the record's beginning is gone: all spans count from it. AsOf
	// is the newest event.
	Zero time.Time `json:"zero"`
	AsOf time.Time `json:"as_of"`
}

// Alert is an alert as it last was.
type Alert struct {
	Name        string    `json:"name"`
	Status      string    `json:"status"`
	Fingerprint string    `json:"fingerprint"`
	StartsAt    time.Time `json:"starts_at"`
	EndsAt      time.Time `json:"ends_at,omitzero"`
	Labels      []Pair    `json:"labels,omitempty"`
	Annotations []Pair    `json:"annotations,omitempty"`
}

// Pair is a label with its value.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Target is a figure of the runbook with what became of it.
type Target struct {
	Name   string         `json:"name"`
	Source string         `json:"source"`
	Result measure.Result `json:"result"`
	// Took is how long it took; zero where it cannot be measured.
	Took Span   `json:"took_s"`
	Why  string `json:"why,omitempty"`
}

// Moment is a moment of the incident that came.
type Moment struct {
	Name  measure.Moment `json:"name"`
	Words string         `json:"words"`
	At    time.Time      `json:"at"`
	After Span           `json:"after_s"`
}

// Row is one line of the timeline: an event, or equal ones that followed each other.
type Row struct {
	At    time.Time `json:"at"`
	After Span      `json:"after_s"`
	Kind  string    `json:"kind"`
	Words string    `json:"words"`
	// Times is how many events it stands for, Last when the last of them came.
	Times int  `json:"times"`
	Last  Span `json:"last_s"`
}

// Finding is the decision that was acted on, or the last one, with what it rests on.
type Finding struct {
	Cause   string `json:"cause"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Rule    string `json:"rule,omitempty"`
	// Others are what was considered and not done.
	Others []Other `json:"not_done,omitempty"`
	Facts  []Fact  `json:"facts,omitempty"`
	// Policy and Build are what decided; empty in older records.
	Policy string `json:"policy,omitempty"`
	Build  string `json:"build,omitempty"`
}

// Other is something that was considered, and why it did not hold.
type Other struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Fact is one piece of evidence: as it was when it was decided, and when the change was judged last.
type Fact struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Change is one change, from its plan to its end.
type Change struct {
	What   string `json:"what"`
	Params string `json:"params,omitempty"`
	Bounds string `json:"bounds"`
	Plan   string `json:"plan,omitempty"`
	Action string `json:"action"`
	// Override is who let it pass the brakes.
	Override string `json:"override,omitempty"`
	// Effect and Words are the last judgement that was not pending.
	Effect string  `json:"effect,omitempty"`
	Words  string  `json:"words,omitempty"`
	Steps  []Step  `json:"steps"`
	Ended  Span    `json:"ended_s,omitempty"`
	bar    [2]Span // when it stood; equal: it never did
}

// Step is a moment in the life of a change.
type Step struct {
	Name  string    `json:"name"`
	At    time.Time `json:"at"`
	After Span      `json:"after_s"`
}

// Said is what a person said, or was asked.
type Said struct {
	At    time.Time `json:"at"`
	After Span      `json:"after_s"`
	Words string    `json:"words"`
	// Plan is the hash of the plan that it is about.
	Plan string `json:"plan,omitempty"`
	// Done says that exactly this plan was carried out.
	Done bool `json:"done,omitempty"`
}

// Refusal is a no, with how often it was said.
type Refusal struct {
	Reason string `json:"reason"`
	Words  string `json:"words"`
	By     string `json:"by,omitempty"`
	First  Span   `json:"first_s"`
	Last   Span   `json:"last_s"`
	Times  int    `json:"times"`
	Means  string `json:"means"`
	Lifts  string `json:"lifts"`
}

// New reads a record.
func New(events []incidents.Event, o Options) Document {
	r := newReader(events, o.Incident)
	for _, e := range events {
		r.read(e)
	}
	d := r.document()
	d.Series = o.series(events)
	d.picture = r.draw(d)
	d.Summary, d.Questions = r.summary(d), r.questions(d)
	return d
}
