package incidents

import (
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

// Person is who ordered something, as far as that could be proved.
type Person struct {
	// Name is what people call them: an operator's name, a chat name, or the user of the machine.
	Name string `json:"name"`
	// Via is where they spoke: "api", "local" (this machine, no token; the name is only claimed), "slack".
	Via string `json:"via"`
	// ID is the identity there that a name can be moved away from, e.g. a Slack user id. Empty where the name is the identity.
	ID string `json:"id,omitempty"`
	// Operator is the operator of the policy whose identity that is; empty if nothing says so.
	Operator string `json:"operator,omitempty"`
}

// String is the person for people.
func (p Person) String() string { return p.Name + " (" + p.Via + ")" }

// Same says that two may be one and the same person. Different they are only if that is proved: by two identities in one place, or by two
// operators of the policy, wherever they spoke. A name alone, and a name that is only claimed, prove nothing.
func (p Person) Same(q Person) bool {
	switch {
	case p.Operator != "" && q.Operator != "":
		return p.Operator == q.Operator
	case p.Via != q.Via || p.Via == "local" || p.Name == "" || q.Name == "":
		return true
	case p.ID != "" || q.ID != "":
		return p.ID == q.ID || p.ID == "" || q.ID == ""
	}
	return strings.EqualFold(p.Name, q.Name)
}

// Said is what a person said, and when.
type Said struct {
	Person Person
	At     time.Time
	// Why is their reason.
	Why string
	// Until is when it counts no more; zero if it always does.
	Until time.Time
}

// Asking is a request for approval. It is bound to exactly one plan, and counts once.
type Asking struct {
	// ID is new for every asking: an answer to an older one answers nothing.
	ID string `json:"id"`
	// Plan is the hash that is asked about.
	Plan  string             `json:"plan"`
	Class remediations.Class `json:"class"`
	Cause string             `json:"cause"`
	Step  remediations.Step  `json:"step"`
	// Why is the decision's reason; Evidence what it rests on.
	Why      string     `json:"why"`
	Evidence []Evidence `json:"evidence,omitempty"`
	// Need is how many different people must say yes.
	Need int `json:"need"`
	// Until is when asking ends.
	Until time.Time `json:"until"`
	// Changed says in words what is different from the plan that was asked about before.
	Changed []string `json:"changed,omitempty"`
	// By is who asked; empty if Firebreak did. They cannot approve it themselves.
	By *Person `json:"by,omitempty"`
}

// applyPerson is for what people say. It changes what is allowed, never what stands.
func (s *State) applyPerson(e Event) bool {
	said := Said{At: e.At, Why: e.Note, Until: e.Until}
	if e.Person != nil {
		said.Person = *e.Person
	}
	switch e.Kind {
	case Acked:
		s.Acked = &said
	case Overridden:
		s.Override = &said
	case Recalled:
		s.Recall = &said
	case Asked:
		if e.Asking != nil && s.Stage != Ended {
			s.Stage, s.Asking, s.Approvals, s.Denial = Waiting, e.Asking, nil, nil
			s.Askings++
		}
	case Approved:
		if s.Stage != Waiting {
			return true // nothing is asked any more
		}
		s.Approvals = append(s.Approvals[:len(s.Approvals):len(s.Approvals)], said)
	case Denied:
		s.Denial, s.DeniedPlan = &said, e.Plan
		s.endAsking()
	case Expired, Voided:
		s.endAsking()
	default:
		return false
	}
	return true
}

// endAsking goes back to looking; what was approved counts no more.
func (s *State) endAsking() {
	if s.Stage == Waiting {
		s.Stage = Looking
		if len(s.Fixes) > 0 {
			s.Stage = Settled
		}
	}
	s.Asking, s.Approvals = nil, nil
}
