package policy

import "reflect"

// Handlers holds one section for each failure family.
type Handlers struct {
	RetryStorm     RetryStorm     `yaml:"retrystorm"`
	ReplicationLag ReplicationLag `yaml:"replicationlag"`
	PoolExhaustion PoolExhaustion `yaml:"poolexhaustion"`
	SessionDrift   SessionDrift   `yaml:"sessiondrift"`
}

// retryStorm is the name of the handler that [RetryStorm] is the policy of.
const retryStorm = "retrystorm"

// handlerNames are the names of all handlers: the keys of [Handlers].
func handlerNames() []string { return names(fieldsOf(reflect.TypeFor[Handlers]())) }

// RetryStorm is the policy of the handler "retrystorm".
type RetryStorm struct {
	// Mode of all targets that do not name their own, default observe.
	Mode Mode `yaml:"mode" rule:"default=observe;mode"`
	// Alerts are the alertnames that this handler answers, default [RetryStorm].
	Alerts []string `yaml:"alerts"`
	// Thresholds tell a storm from load.
	Thresholds StormThresholds `yaml:"thresholds"`
	// Edges are the targets: nothing is looked at or changed that is not named here.
	Edges []Edge `yaml:"edges"`
}

// StormThresholds are the numbers that tell a storm from load, and that judge a fix. Zero takes the default.
type StormThresholds struct {
	// Ratio is attempts per call that make a storm possible, default 1.3. It is more than RatioHealed.
	Ratio float64 `yaml:"ratio" rule:"default=1.3;over=1"`
	// RatioHealed is attempts per call at or below which the storm is over, default 1.1, at least 1.
	RatioHealed float64 `yaml:"ratio_healed" rule:"default=1.1;min=1"`
	// MinCalls is how many calls a sample must cover to be judged, default 100, at least 1.
	MinCalls float64 `yaml:"min_calls" rule:"default=100;min=1"`
	// ErrorShare is failed attempts ÷ attempts that mean "dependency down", default 0.5, less than 1.
	ErrorShare float64 `yaml:"error_share" rule:"default=0.5;over=0;under=1"`
	// GoodputDrop is the share of goodput whose loss is "worse", default 0.1, less than 1.
	GoodputDrop float64 `yaml:"goodput_drop" rule:"default=0.1;over=0;under=1"`
	// ManyEdges is how many edges alerting at once share a cause: page, touch nothing. Default 3, at least 2.
	ManyEdges int `yaml:"many_edges" rule:"default=3;min=2"`
	// SampleEvery is the time between two looks, default 5s, at least 10ms.
	SampleEvery Duration `yaml:"sample_every" rule:"default=5s;min=10ms"`
	// ConfirmAfter is when to look a second time before acting: both looks must ask for the same change. Default sample_every.
	ConfirmAfter Duration `yaml:"confirm_after" rule:"min=10ms"`
	// Samples is how many looks must agree in one decision, default 1. Two decisions in a row must agree in any case.
	Samples int `yaml:"samples" rule:"default=1;min=1"`
	// VerifyWithin is how long an effect is looked for, default 60s, at least twice SampleEvery.
	VerifyWithin Duration `yaml:"verify_within" rule:"default=60s;min=10ms"`
	// HoldFor is how long it must be well before the ramp begins, default 60s.
	HoldFor Duration `yaml:"hold_for" rule:"default=60s;min=10ms"`
	// RampEvery is the time between two steps of the ramp, default 30s.
	RampEvery Duration `yaml:"ramp_every" rule:"default=30s;min=10ms"`
}

// Edge is the calls of one service to one dependency: what is probed, and what may be changed.
type Edge struct {
	// Service and Edge name it, together once only: letters, digits, "_" and "-", since they become keys. Required.
	Service string `yaml:"service" rule:"need=checkout;name"`
	Edge    string `yaml:"edge" rule:"need=payments;name"`
	// Domain is the failure domain that the limits count in, default the service's name. Same letters.
	Domain string `yaml:"domain" rule:"name"`
	// Zone is what fails together, such as a region or a data centre: the blast radius is counted in it. Default all. Same letters.
	Zone string `yaml:"zone" rule:"name"`
	// Mode of this edge, default the handler's. It can only be stricter than the handler's.
	Mode Mode `yaml:"mode" rule:"mode"`
	// Match are the labels that an alert must carry to be about this edge, no two edges the same. Default
	// {service: Service, edge: Edge}.
	Match map[string]string `yaml:"match"`
	Probe EdgeProbe         `yaml:"probe"`
	Fix   EdgeFix           `yaml:"fix"`
}

// EdgeProbe is where the numbers of an edge come from: exactly one of the two.
type EdgeProbe struct {
	Prometheus *PrometheusProbe `yaml:"prometheus"`
	JSON       *JSONProbe       `yaml:"json"`
	// Timeout of one look, default 3s.
	Timeout Duration `yaml:"timeout" rule:"default=3s;min=1ms"`
}

// PrometheusProbe asks Prometheus. Every expression must give one number (a scalar, or a vector of one). "$" in an
// expression is left alone.
type PrometheusProbe struct {
	URL             string `yaml:"url" rule:"need=http://prometheus:9090;base"`
	BearerToken     Secret `yaml:"bearer_token"`
	BearerTokenFile string `yaml:"bearer_token_file" rule:"into=BearerToken"`
	// Calls are unique requests per second; Attempts are attempts per second, first tries included.
	Calls    string `yaml:"calls" rule:"need=sum(rate(edge_calls_total[1m]));raw"`
	Attempts string `yaml:"attempts" rule:"need=sum(rate(edge_attempts_total[1m]));raw"`
	// Successes are calls per second that ended well: the goodput.
	Successes string `yaml:"successes" rule:"need=sum(rate(edge_successes_total[1m]));raw"`
	// Failures are attempts per second that failed at the dependency.
	Failures string `yaml:"failures" rule:"need=sum(rate(edge_failures_total[1m]));raw"`
	// PoolWaiting is optional: callers waiting for a database connection.
	PoolWaiting string `yaml:"pool_waiting" rule:"raw"`
	// QueueAge is optional: seconds that the oldest request has waited at the caller.
	QueueAge string `yaml:"queue_age" rule:"raw"`
}

// JSONProbe reads cumulative counters of an edge from JSON documents, one for each instance, and adds them up. The
// counters are given as gjson paths, in which "$" is left alone.
type JSONProbe struct {
	URLs            []string `yaml:"urls" rule:"need=http://checkout-1:8080/debug/edges;url"`
	BearerToken     Secret   `yaml:"bearer_token"`
	BearerTokenFile string   `yaml:"bearer_token_file" rule:"into=BearerToken"`
	Calls           string   `yaml:"calls" rule:"need=edges.payments.calls;raw"`
	Attempts        string   `yaml:"attempts" rule:"need=edges.payments.attempts;raw"`
	Successes       string   `yaml:"successes" rule:"need=edges.payments.successes;raw"`
	Failures        string   `yaml:"failures" rule:"need=edges.payments.failures;raw"`
	// PoolWaiting and QueueAge (seconds) are optional gauges.
	PoolWaiting string `yaml:"pool_waiting" rule:"raw"`
	QueueAge    string `yaml:"queue_age" rule:"raw"`
}
