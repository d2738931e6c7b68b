package incidentfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Expect is what a policy must make of the incident.
type Expect struct {
	// Deeds are what would be done, in order, but for waiting: [] is nothing.
	Deeds []Deed `json:"deeds"`
}

// Deed is one of them. Kind is required; what else is empty is not compared.
type Deed struct {
	Kind   replay.Kind         `json:"kind"`
	Cause  string              `json:"cause,omitempty"`
	Reason remediations.Reason `json:"reason,omitempty"`
	Fix    string              `json:"fix,omitempty"`
	Place  string              `json:"place,omitempty"`
	Class  remediations.Class  `json:"class,omitempty"`
}

func (e Expect) check() error {
	kinds := []replay.Kind{replay.Acted, replay.Asked, replay.Refused, replay.Missing, replay.Paged, replay.Off}
	for i, d := range e.Deeds {
		if !slices.Contains(kinds, d.Kind) {
			return fmt.Errorf("expect.deeds[%d].kind: %q is none of %v", i, d.Kind, kinds)
		}
	}
	if e.Deeds == nil {
		return errors.New("expect.deeds: is missing: write [] for nothing")
	}
	return nil
}

// fits says whether a deed is as expected.
func (d Deed) fits(is replay.Deed) bool {
	return d.Kind == is.Kind && (d.Cause == "" || d.Cause == is.Cause) && (d.Reason == "" || d.Reason == is.Reason) &&
		(d.Fix == "" || d.Fix == is.Fix) && (d.Place == "" || d.Place == is.Place) && (d.Class == "" || d.Class == is.Class)
}

// String is the deed in a few words.
func (d Deed) String() string {
	words := []string{string(d.Kind)}
	if d.Kind == replay.Nothing && d.Fix != "" {
		words = []string{"a second look before"}
	}
	for _, w := range []string{string(d.Reason), d.Fix} {
		if w != "" {
			words = append(words, w)
		}
	}
	if d.Place != "" {
		words = append(words, "on "+d.Place)
	}
	if d.Class != "" {
		words = append(words, "(class "+string(d.Class)+")")
	}
	if d.Cause != "" {
		words = append(words, "for "+d.Cause)
	}
	return strings.Join(words, " ")
}

// DeedOf is a deed of a replay as a file would expect it.
func DeedOf(d replay.Deed) Deed {
	return Deed{Kind: d.Kind, Cause: d.Cause, Reason: d.Reason, Fix: d.Fix, Place: d.Place, Class: d.Class}
}

// done are the deeds that count: waiting, and finding nothing, is what lies between them.
func done(list []replay.Deed) []replay.Deed {
	return slices.DeleteFunc(slices.Clone(list), func(d replay.Deed) bool { return d.Kind == replay.Nothing })
}

// Try replays the file under rules, and says in words what did not come out as expected; nothing if all did.
func (f File) Try(r replay.Rules) (replay.Result, []string, error) {
	records, err := f.Records()
	if err != nil {
		return replay.Result{}, nil, err
	}
	var result replay.Result
	e := replay.New(r, func(got replay.Result) { result = got })
	for _, m := range records {
		e.Next(m)
	}
	e.Finish()
	if f.Expect != nil {
		return result, f.Expect.differences(done(result.Now)), nil
	}
	if !result.Differs {
		return result, nil, nil
	}
	var want Expect // what was done at the time, with what lay between the deeds
	for _, d := range result.Then {
		want.Deeds = append(want.Deeds, DeedOf(d))
	}
	words := want.differences(result.Now)
	if len(words) == 0 { // the same in all that an expectation names, such as a change that would stand for longer
		words = []string{"it would be done differently"}
	}
	if result.Why != "" {
		words = append(words, result.Why)
	}
	return result, words, nil
}

func (e Expect) differences(is []replay.Deed) []string {
	var words []string
	for i := range max(len(e.Deeds), len(is)) {
		switch {
		case i >= len(is):
			words = append(words, fmt.Sprintf("want %s, and nothing more is done", e.Deeds[i]))
		case i >= len(e.Deeds):
			words = append(words, fmt.Sprintf("got %s, and nothing more is expected", said(is[i])))
		case !e.Deeds[i].fits(is[i]):
			words = append(words, fmt.Sprintf("want %s, got %s", e.Deeds[i], said(is[i])))
		}
	}
	return words
}

// said is a deed with why.
func said(d replay.Deed) string {
	text := DeedOf(d).String()
	if d.Words != "" && (d.Fix == "" || d.Kind == replay.Refused || d.Kind == replay.Missing) {
		text += ": " + d.Words
	}
	return text
}
