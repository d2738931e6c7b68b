// Package lease is what Firebreak and the services say to each other about an edge that is held: the lease that Firebreak
// writes, and the report that each instance of a service answers with. Both sides import it and it imports neither, so
// that a service does not pull the rest of Firebreak in. The protocol is drawn in the package breaker.
package lease

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Version is the format of lease and report. A reader leaves alone what carries a higher one.
const Version = 1

const (
	// Bucket is the key-value bucket of the leases, one key <service>.<edge> for each edge that is held.
	Bucket = "breakers"
	// InstancesBucket is where instances say what they hold, one key <service>.<instance> for each of them.
	InstancesBucket = "breaker_instances"
	// ReportTTL is how long a report stands when its instance falls silent.
	ReportTTL = 15 * time.Second
	// ReportEvery is how often an instance reports when nothing changes.
	ReportEvery = 5 * time.Second
)

// ErrInvalid wraps what makes a lease, a report or a name unusable.
var ErrInvalid = errors.New("invalid")

// Fix is what a lease does to the calls of its edge.
type Fix string

// The fixes. The share of calls that a lease has released is left alone by all of them.
const (
	Open        Fix = "open"         // every call fails fast
	RetryBudget Fix = "retry_budget" // first attempts pass, retries only up to a share of the calls
	Shed        Fix = "shed"         // a share of the calls fails fast
)

// String is the fix as it is written in a lease.
func (f Fix) String() string { return string(f) }

// Params are the settings of a fix. Each fix has its own; the others are absent.
type Params struct {
	// BudgetPercent of retry_budget: retries per hundred calls, 0 to 100.
	BudgetPercent *int `json:"budget_percent,omitempty"`
	// ShedPercent of shed: calls refused per hundred, 1 to 100.
	ShedPercent *int `json:"shed_percent,omitempty"`
}

// Lease is the value of one key: this edge is held, so, until then, by that action.
type Lease struct {
	V      int    `json:"v"`
	Fix    Fix    `json:"fix"`
	Params Params `json:"params"`
	// Released is the share of calls in percent that the fix leaves alone.
	Released int `json:"released"`
	// Until is when the lease ends by the writer's clock. It is for people; nobody compares it with another clock.
	Until time.Time `json:"until"`
	// TTLMillis is how long the lease stands from the moment in which it was stored.
	TTLMillis int64  `json:"ttl_ms"`
	Action    string `json:"action"`
	Incident  string `json:"incident"`
	Fence     uint64 `json:"fence"`
	Reason    string `json:"reason"`
}

// Report is what one instance holds.
type Report struct {
	V int `json:"v"`
	// Edges are the edges that the instance has, held or not.
	Edges map[string]EdgeReport `json:"edges"`
	At    time.Time             `json:"at"`
}

// EdgeReport is what one instance does about one edge. Action, Revision and Released are zero if it is not held.
type EdgeReport struct {
	Action   string `json:"action,omitempty"`
	Revision uint64 `json:"revision,omitempty"`
	Released int    `json:"released,omitempty"`
	Held     bool   `json:"held"`
}

// TTL is how long the lease stands from the moment in which it was stored.
func (l Lease) TTL() time.Duration { return time.Duration(l.TTLMillis) * time.Millisecond }

// Percent is the setting of the lease's fix: retries per hundred calls, or calls refused per hundred.
func (l Lease) Percent() int {
	switch {
	case l.Fix == RetryBudget && l.Params.BudgetPercent != nil:
		return *l.Params.BudgetPercent
	case l.Fix == Shed && l.Params.ShedPercent != nil:
		return *l.Params.ShedPercent
	}
	return 0
}

// Encode writes the lease as it is stored.
func (l Lease) Encode() ([]byte, error) {
	l.V = Version
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(l)
}

// Decode reads a stored lease. Fields that it does not know are passed over, so that they can be added; a fix or a
// version that it does not know is an error, since half a lease must not be obeyed.
func Decode(b []byte) (Lease, error) {
	var l Lease
	if err := json.Unmarshal(b, &l); err != nil {
		return Lease{}, fmt.Errorf("decode lease: %w: %w", ErrInvalid, err)
	}
	if l.V != Version {
		return Lease{}, fmt.Errorf("decode lease: %w: version %d, known is %d", ErrInvalid, l.V, Version)
	}
	if err := l.Validate(); err != nil {
		return Lease{}, fmt.Errorf("decode lease: %w", err)
	}
	return l, nil
}

// Validate says what is wrong with the lease.
func (l Lease) Validate() error {
	switch {
	case l.Action == "":
		return fmt.Errorf("%w: no action", ErrInvalid)
	case l.Released < 0 || l.Released > 100:
		return fmt.Errorf("%w: released %d is not a percentage", ErrInvalid, l.Released)
	case l.TTLMillis <= 0:
		return fmt.Errorf("%w: ttl_ms %d is not positive", ErrInvalid, l.TTLMillis)
	}
	return l.Params.validate(l.Fix)
}

// ParseParams reads the settings of a fix strictly: what it does not know, and what is missing, is an error.
func ParseParams(fix Fix, raw json.RawMessage) (Params, error) {
	var known map[string]json.RawMessage
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &known); err != nil {
			return Params{}, fmt.Errorf("parse params: %w: %w", ErrInvalid, err)
		}
	}
	for name := range known {
		if (name != "budget_percent" || fix != RetryBudget) && (name != "shed_percent" || fix != Shed) {
			return Params{}, fmt.Errorf("parse params: %w: %s has no setting %q", ErrInvalid, fix, name)
		}
	}
	var p Params
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &p); err != nil {
			return Params{}, fmt.Errorf("parse params: %w: %w", ErrInvalid, err)
		}
	}
	if err := p.validate(fix); err != nil {
		return Params{}, fmt.Errorf("parse params: %w", err)
	}
	return p, nil
}

func (p Params) validate(fix Fix) error {
	switch fix {
	case Open:
		return nil
	case RetryBudget:
		if p.BudgetPercent == nil || *p.BudgetPercent < 0 || *p.BudgetPercent > 100 {
			return fmt.Errorf("%w: retry_budget needs a budget_percent of 0 to 100", ErrInvalid)
		}
		return nil
	case Shed:
		if p.ShedPercent == nil || *p.ShedPercent < 1 || *p.ShedPercent > 100 {
			return fmt.Errorf("%w: shed needs a shed_percent of 1 to 100", ErrInvalid)
		}
		return nil
	}
	return fmt.Errorf("%w: fix %q is unknown", ErrInvalid, fix)
}

// Key is the key of an edge in [Bucket], or of an instance in [InstancesBucket].
func Key(service, name string) (string, error) {
	for _, t := range [...]string{service, name} {
		if !ValidToken(t) {
			return "", fmt.Errorf("%w: name %q is not [A-Za-z0-9_-]+", ErrInvalid, t)
		}
	}
	return service + "." + name, nil
}

// Subject is the NATS subject that stores a key.
func Subject(bucket, key string) string { return "$KV." + bucket + "." + key }

// ValidToken says whether a name can be a part of a key.
func ValidToken(s string) bool {
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// Token makes a part of a key of any name by writing "_" for what cannot be in one.
func Token(s string) string {
	b := []byte(s)
	for i := range b {
		if !tokenByte(b[i]) {
			b[i] = '_'
		}
	}
	if len(b) == 0 {
		return "_"
	}
	return string(b)
}

func tokenByte(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
