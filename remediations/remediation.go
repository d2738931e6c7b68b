// Package remediations is the contract of a fix: one bounded, reversible change to one target. Each kind of
// thing that can be changed is a folder below. What no fix may pass, whoever asks for it, is in
// the folders ledger and guard: they are outside of the handlers and hold for all of them.
package remediations

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// Class says who must agree to a fix. The policy may make it stricter, never looser.
type Class string

// The classes, loosest first.
const (
	ClassA  Class = "A"  // automatic inside its bounds
	ClassP  Class = "P"  // one person approves
	ClassP2 Class = "P2" // two different people approve
	ClassN  Class = "N"  // never by this product
)

// Step is one change that a plan asks for: everything a remediation needs to make it, and to end it.
type Step struct {
	// Remediation names the folder that knows how, e.g. "breaker".
	Remediation string `json:"remediation"`
	// What is changed is either the calls of Service to Edge, or Node of Cluster; see [Step.Place].
	Service string `json:"service,omitempty"`
	Edge    string `json:"edge,omitempty"`
	Cluster string `json:"cluster,omitempty"`
	Node    string `json:"node,omitempty"`
	// Fix is the kind of change, in the remediation's own closed set, e.g. "open" or "retry_budget".
	Fix string `json:"fix"`
	// Params are the fix's own settings, e.g. {"budget_percent":10}.
	Params json.RawMessage `json:"params,omitempty"`
	// Once says that the change happens and is over (see Bounds.Once, which must say the same): TTL and Limit then only bound how
	// long its effect is looked for.
	Once bool `json:"once,omitempty"`
	// Undo says of a change with Once that it is taken back if it does not help (see Bounds.Undo, which must say the same).
	Undo bool `json:"undo,omitempty"`
	// TTL is how long the change may stand without being renewed. It is whole seconds, at least one.
	TTL policy.Duration `json:"ttl"`
	// Limit is how long it may stand altogether, renewals included, counted from when it was intended.
	Limit policy.Duration `json:"limit"`
	// Timeout bounds one command to the target.
	Timeout policy.Duration `json:"timeout"`
	// Ramp is the share of calls, in percent, that are given back one after the other before the change is
	// taken away. Empty: it is taken away at once.
	Ramp []int `json:"ramp,omitempty"`
	// Reason is what people read at the target.
	Reason string `json:"reason"`
}

// Place is what the step changes, in one name as the policy permits it: checkout/payments for the calls of checkout to payments,
// orders/pg2 for the node pg2 of the cluster orders. A step that names both, or half of one, has none.
func (s Step) Place() string {
	edge, node := s.Service != "" && s.Edge != "", s.Cluster != "" && s.Node != ""
	switch {
	case edge && s.Cluster == "" && s.Node == "":
		return s.Service + "/" + s.Edge
	case node && s.Service == "" && s.Edge == "":
		return s.Cluster + "/" + s.Node
	}
	return ""
}

// Words say what the step changes, and for how long: "open on checkout/payments for at most 5m0s".
func (s Step) Words() string {
	if s.Once {
		return s.Fix + " on " + s.Place() + ", once"
	}
	return s.Fix + " on " + s.Place() + " for at most " + s.Limit.String()
}

// Order is a step on its way to the target: who orders it, and until when it may still be carried out.
type Order struct {
	Step
	// Plan is the hash of the plan that was decided on (see incidents.PlanHash). What is sent is what was decided.
	Plan string `json:"plan,omitempty"`
	// Action is the identity of this one change: deterministic, carried to the target in whatever form it takes.
	Action string `json:"action"`
	// Override names who let this change pass the brakes; empty: nobody.
	Override string `json:"override,omitempty"`
	// Incident is the record that this change belongs to.
	Incident string `json:"incident"`
	// Fence is the ledger's fence number: it never falls for one failure domain.
	Fence uint64 `json:"fence"`
	// Deadline is when the command must not take effect any more.
	Deadline time.Time `json:"deadline"`
	// Released is the share of calls, in percent, that the change leaves alone: 0 at first, more while it ramps.
	Released int `json:"released"`
	// Until is when the change ends by itself.
	Until time.Time `json:"until"`
	// Seen is what [Remediation.Check] returned before the change: what the target must still look like when
	// it is made. It is the compare of compare-and-act.
	Seen Presence `json:"seen"`
}

// State says whose change stands at the target.
type State string

// What a look at the target can tell.
const (
	Absent  State = "absent"  // no change stands there
	Ours    State = "ours"    // exactly this action's change stands there
	Foreign State = "foreign" // somebody else's change stands there
	Unknown State = "unknown" // the target could not tell us
	// Satisfied is for changes that happen once: what the change wants is so, and the target cannot say by whom.
	Satisfied State = "satisfied"
)

// Presence is what a look at the target told. Only Absent is proof that nothing of ours is there, or happened there.
type Presence struct {
	State State `json:"state"`
	// Revision is the target's own version of what it holds, where it has one.
	Revision uint64 `json:"revision,omitempty"`
	// Released is the share of calls that the change leaves alone, as the target says.
	Released int `json:"released,omitempty"`
	// Until is when the target ends the change by itself; zero where it cannot.
	Until time.Time `json:"until,omitzero"`
	// Obeying and Instances say that k of n instances acknowledged the present state. Both are zero where the target
	// has no instances that answer for themselves.
	Obeying   int `json:"obeying,omitempty"`
	Instances int `json:"instances,omitempty"`
	// Clock is the target's own time when it answered; zero where it does not say. ClockWithin is how coarse it is.
	Clock       time.Time       `json:"clock,omitzero"`
	ClockWithin policy.Duration `json:"clock_within,omitzero"`
	// OwnerPaused says in words that who manages the target has paused it: a person is working there. Empty: not paused.
	OwnerPaused string `json:"owner_paused,omitempty"`
	// Detail is for people, e.g. who holds it.
	Detail string `json:"detail,omitempty"`
}

// Receipt is what the target answered to a change, kept so that the change can be taken back.
type Receipt struct {
	Revision uint64    `json:"revision,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	// Note is for people, e.g. "2 of 2 instances answered 200".
	Note string `json:"note,omitempty"`
	// Before is what the target looked like before, where undoing needs it.
	Before json.RawMessage `json:"before,omitempty"`
}

// Bounds are what a remediation can never pass, whatever the policy says.
type Bounds struct {
	Class Class
	// MaxLimit is the longest that the change may stand at class A, renewals included.
	MaxLimit time.Duration
	// ExpiresItself says that the target ends the change on time even if nothing of ours lives.
	ExpiresItself bool
	// Adjusts says that the change can be renewed and be given back share by share: the remediation is an [Adjuster] for it.
	Adjusts bool
	// Once says that the change happens and is over, such as ending a session: nothing of it stands, and nothing is taken back.
	Once bool
	// Undo says of a change that happens once that it can still be taken back for as long as its effect is looked for: it is, if it did
	// not help or a person wants it, and stays for good if it did.
	Undo bool
	// Never says in words what it will not touch, for people.
	Never []string
}

// ErrRefused wraps errors that prove that the target did not change: a failed compare, a 4xx, a passed
// deadline. Every other error of Apply, Adjust or Revert leaves the matter in doubt.
var ErrRefused = errors.New("refused: nothing was changed")

// ErrNotOurs is returned by Adjust and Revert when the target no longer holds our change: it expired, or somebody else changed it.
// Nothing was touched.
var ErrNotOurs = errors.New("no longer ours: left alone")

// Remediation is one kind of bounded, reversible change. Its methods are safe for concurrent use.
type Remediation interface {
	// Bounds are those of one kind of change at one target.
	Bounds(s Step) Bounds
	// Check looks and changes nothing.
	Check(ctx context.Context, o Order) (Presence, error)
	// Apply makes the change if the target is still as o.Seen says. It never retries by itself.
	Apply(ctx context.Context, o Order) (Receipt, error)
	// Revert takes the change back if it is still ours. Reverting what is absent succeeds.
	Revert(ctx context.Context, o Order, r Receipt) error
}

// Adjuster is a remediation whose changes, or some of them, can be renewed and be given back step by step.
type Adjuster interface {
	// Adjust rewrites our own change so that o.Released and o.Until hold. It is safe to repeat.
	Adjust(ctx context.Context, o Order, r Receipt) (Receipt, error)
}

// Fencer is a remediation that can make sure that a command which was sent, and never answered, will not take
// effect later. Only needed when Check says Absent after a crash.
type Fencer interface {
	// Fence makes every earlier command of this order fail at the target, and says what stands there now.
	Fence(ctx context.Context, o Order) (Presence, error)
}
