package policy

import (
	"slices"
	"time"
)

// maxOpen is how long the fix "open", by which nothing gets through, may stand altogether without a person's approval. No policy can
// pass it, nor the bounds in the tags of limit: 10m for all other changes, 30m for a larger pool. A session that was ended has no limit:
// how many may be is bounded instead (max_sessions).
const maxOpen = 5 * time.Minute

// The fixes of an edge.
const (
	fixOpen        = "open"         // the edge's calls fail at once
	fixRetryBudget = "retry_budget" // retries are kept to a share of the calls
	fixShed        = "shed"         // a share of the calls is refused
)

// fixes are the names that allow and controls may use.
func fixes() []string { return []string{fixOpen, fixRetryBudget, fixShed} }

// allFixes are the names of the fixes of all handlers.
func allFixes() []string { return slices.Concat(fixes(), lagFixes(), poolFixes(), driftFixes()) }

// personal says whether a fix waits for a person's yes in mode auto too, always or in some cases: it is of class P. Resuming a pause of
// our own would not, but who paused is not known when the policy is read.
func personal(fix string) bool {
	return slices.Contains([]string{fixRestartStream, fixResumeReplay, fixResume, fixSetAside, fixRecover}, fix)
}

// methods are the HTTP methods of a command.
func methods() []string { return []string{"POST", "PUT", "PATCH", "DELETE"} }

// EdgeFix is what may be changed on an edge, and how it is reached. With neither Breaker nor HTTP nothing is allowed.
type EdgeFix struct {
	// Breaker reaches services that import the breaker client.
	Breaker *BreakerFix `yaml:"breaker"`
	// HTTP reaches services by their admin endpoints. At most one of Breaker and HTTP.
	HTTP *HTTPFix `yaml:"http"`
	// Allow names the fixes that may be used: open, retry_budget, shed. Empty: none.
	Allow []string `yaml:"allow" rule:"fix"`
	// BudgetPercent of retry_budget: retries per hundred calls, 1 to 100, default 10.
	BudgetPercent int `yaml:"budget_percent" rule:"default=10;min=1;max=100"`
	// ShedPercent of shed: share of calls refused at first, 1 to 99, default 50.
	ShedPercent int `yaml:"shed_percent" rule:"default=50;min=1;max=99"`
	// TTL is how long the change stands without renewal, default 60s, whole seconds. Limit is how long altogether, default
	// 5m, at most 5m for open and 10m for the others, never less than TTL.
	TTL   Duration `yaml:"ttl" rule:"default=60s;min=1s"`
	Limit Duration `yaml:"limit" rule:"default=5m;min=1s;max=10m"`
	// Ramp are the shares of calls in percent that are given back step by step, rising, each 1 to 99. The last step, 100,
	// is the end of the change itself. Nil takes the default, [50, 75, 90]; empty is no ramp.
	Ramp []int `yaml:"ramp" rule:"min=1;max=99"`
	// Timeout of one command, default 5s.
	Timeout Duration `yaml:"timeout" rule:"default=5s;min=1ms"`
}

// BreakerFix needs no settings: the key is <service>.<edge> in the bucket "breakers".
type BreakerFix struct{}

// HTTPFix reaches the admin endpoints of each instance of a service by templates (see remediations/httpadmin).
type HTTPFix struct {
	// Instances are base URLs, one for each instance: a change is made on all of them, or said to be on k of n.
	Instances       []string `yaml:"instances" rule:"need=http://checkout-1:8081;base"`
	BearerToken     Secret   `yaml:"bearer_token"`
	BearerTokenFile string   `yaml:"bearer_token_file" rule:"into=BearerToken"`
	// Controls are the endpoints by fix: open, retry_budget, shed. Every fix of Allow needs one. "$" is left alone in them.
	Controls map[string]HTTPControl `yaml:"controls" rule:"need=open: {apply: …, revert: …, read: …};fix;raw"`
}

// HTTPControl is one thing that can be set and unset over HTTP. Path and Body are text/template with
// .Service .Edge .Action .TTLSeconds .Until .Released .Held .Params; in Body every value is written as JSON. In a cluster there are
// .Cluster and .Node in place of .Service and .Edge.
type HTTPControl struct {
	Apply  HTTPRequest `yaml:"apply"`
	Revert HTTPRequest `yaml:"revert"`
	// Adjust renews the change and gives calls back step by step. Nil: neither is possible, and ramp must be [].
	Adjust *HTTPRequest `yaml:"adjust"`
	Read   HTTPRead     `yaml:"read"`
	// SelfExpiring says that the service ends the change by itself at the time that the body carried. Default false.
	SelfExpiring bool `yaml:"self_expiring"`
}

// HTTPRequest is one command.
type HTTPRequest struct {
	// Method is POST, PUT, PATCH or DELETE, default POST.
	Method string `yaml:"method" rule:"default=POST;method"`
	// Path is joined to the instance's base URL. A template. Required.
	Path string `yaml:"path" rule:"need=/v1/controls/breaker"`
	// Body is a template too. Empty: no body.
	Body string `yaml:"body"`
}

// HTTPRead is how the state is read back, with GET. Without it nothing could be verified, so all but Action and Paused is required.
type HTTPRead struct {
	// Path is a template, as that of a command.
	Path string `yaml:"path" rule:"need=/v1/controls/breaker"`
	// State is the gjson path of the value that says whether the change stands, On and Off what it reads then.
	State string `yaml:"state" rule:"need=state"`
	On    string `yaml:"on" rule:"need=open"`
	Off   string `yaml:"off" rule:"need=closed"`
	// Action is the gjson path of the action id, if the service keeps it: the only way to tell ours from somebody else's.
	Action string `yaml:"action"`
	// Paused is the gjson path of a value that says that whoever manages the service has paused it, such as a rollout in progress: while
	// it is there and not false, 0, no, off or empty, nothing is changed (owner_paused).
	Paused string `yaml:"paused"`
}
