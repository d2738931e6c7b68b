package replay

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Kind is what became of one decision.
type Kind string

// The kinds, the weightiest first.
const (
	Acted   Kind = "acted"   // a change was made, or would have been
	Asked   Kind = "asked"   // people were asked
	Refused Kind = "refused" // something outside of the handler said no; Reason names it
	Missing Kind = "missing" // it would have needed a look that was never made
	Paged   Kind = "paged"   // a person was called, and nothing else was done
	Nothing Kind = "nothing" // it waited, or there was no fault
	Off     Kind = "off"     // the policy does not look there
)

// weight orders kinds, the weightiest highest.
func (k Kind) weight() int {
	for i, other := range []Kind{Off, Nothing, Paged, Missing, Refused, Asked, Acted} {
		if k == other {
			return i
		}
	}
	return -1
}

// past is the kind as something that was done.
func (k Kind) past() string {
	switch k {
	case Nothing:
		return "done nothing"
	case Off:
		return "not looked"
	case Paged:
		return "called a person"
	}
	return string(k)
}

// Deed is what was done, or would have been done, about one decision.
type Deed struct {
	Kind Kind      `json:"kind"`
	At   time.Time `json:"at"`
	// Cause is what the handler found.
	Cause string `json:"cause,omitempty"`
	// Reason is that of a refusal.
	Reason remediations.Reason `json:"reason,omitempty"`
	// Fix, Place and Class are those of the change that it is about, if it is about one.
	Fix   string             `json:"fix,omitempty"`
	Place string             `json:"place,omitempty"`
	Class remediations.Class `json:"class,omitempty"`
	// Words are for people.
	Words string `json:"words,omitempty"`
	// Assumed says that what nobody asked at the time (Alertmanager, the switch, the target) is taken for a yes.
	Assumed bool `json:"assumed,omitempty"`

	step *remediations.Step
}

// same says whether two deeds come to the same for the world: the same kind, for the same reason, with the same change.
func (d Deed) same(o Deed) bool {
	return d.Kind == o.Kind && d.Reason == o.Reason && d.Fix == o.Fix && d.Place == o.Place && d.Class == o.Class && sameStep(d.step, o.step)
}

// sameStep compares what is changed and for how long, not the words. Only a change that was made, or asked for, has to be the same.
func sameStep(a, b *remediations.Step) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	x, y := *a, *b
	x.Reason, y.Reason = "", ""
	if !equalJSON(x.Params, y.Params) {
		return false
	}
	x.Params, y.Params = nil, nil
	left, errLeft := json.Marshal(x)
	right, errRight := json.Marshal(y)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

func equalJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	left, errLeft := canonical(a)
	right, errRight := canonical(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

// canonical is JSON with its keys in order and without blanks, numbers as they were written.
func canonical(text []byte) ([]byte, error) {
	if len(text) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// about fills in what a deed is about.
func about(d incidents.Decision, class remediations.Class) Deed {
	deed := Deed{Cause: d.Cause}
	if d.Verdict == incidents.Act && d.Step != nil {
		deed.Fix, deed.Place, deed.Class = d.Step.Remediation+"/"+d.Step.Fix, d.Step.Place(), class
	}
	return deed
}
