// Package policy is what the operator allows: where to listen, which targets exist, which handlers may act on
// them, how, how often and for how long. It is strict YAML: unknown keys are refused, every problem is
// reported at once with its line, and what is not named is not allowed.
package policy

import "time"

// Policy is one whole configuration file. The zero value of every field means what its comment says; [Load] fills
// the defaults in and [Default] is what runs without a file.
type Policy struct {
	Server        Server         `yaml:"server"`
	Bus           Bus            `yaml:"bus"`
	Alertmanagers []Alertmanager `yaml:"alertmanagers"`
	Outcomes      Outcomes       `yaml:"outcomes"`
	Limits        Limits         `yaml:"limits"`
	Handlers      Handlers       `yaml:"handlers"`
}

// Server is the HTTP side: the webhook, health, metrics and the API that the command line reads.
type Server struct {
	// Listen is the address, default 127.0.0.1:9095. An address that is not loopback needs auth or allow_anonymous.
	Listen string `yaml:"listen"`
	TLS    TLS    `yaml:"tls"`
	// Webhook is who may post alerts.
	Webhook WebhookAuth `yaml:"webhook"`
	// API is who may read incidents and alerts. Empty: whoever reaches the listener.
	API APIAuth `yaml:"api"`
	// MaxBody is the largest webhook body in bytes, default 16 MiB. Larger bodies get 413.
	MaxBody Bytes `yaml:"max_body"`
	// StoreTimeout is how long storing a body may take before it is answered with 503, default 2s.
	StoreTimeout Duration `yaml:"store_timeout"`
}

// TLS turns HTTPS on when CertFile is set, and mTLS when ClientCAFile is set too.
type TLS struct {
	CertFile     string `yaml:"cert_file"`
	KeyFile      string `yaml:"key_file"`
	ClientCAFile string `yaml:"client_ca_file"`
}

// WebhookAuth is who may post alerts. With everything empty anyone who reaches the listener may.
type WebhookAuth struct {
	// BearerTokens are accepted in "Authorization: Bearer …". Two, so that they can be rotated without losing an alert.
	BearerTokens     []Secret `yaml:"bearer_tokens"`
	BearerTokenFiles []string `yaml:"bearer_token_files"`
	Username         string   `yaml:"username"`
	Password         Secret   `yaml:"password"`
	PasswordFile     string   `yaml:"password_file"`
	// AllowAnonymous says that an address which is not loopback may listen without any of the above.
	AllowAnonymous bool `yaml:"allow_anonymous"`
}

// APIAuth is who may use the API.
type APIAuth struct {
	BearerTokens     []Secret `yaml:"bearer_tokens"`
	BearerTokenFiles []string `yaml:"bearer_token_files"`
}

// Bus is where events are kept. With URL empty, JetStream runs inside of this process.
type Bus struct {
	// Data is the folder of the embedded JetStream, default ./firebreak-data.
	Data string `yaml:"data"`
	// Listen is where the embedded server takes NATS clients (services that import the breaker client). Empty: nowhere.
	Listen string `yaml:"listen"`
	// Token is what those clients must present. Required with Listen.
	Token     Secret `yaml:"token"`
	TokenFile string `yaml:"token_file"`
	// URL is an external NATS, e.g. nats://n1:4222,nats://n2:4222.
	URL string `yaml:"url"`
	// CredentialsFile is a NATS credentials file for URL.
	CredentialsFile string `yaml:"credentials_file"`
	// Replicas of every stream on an external NATS, default 3 there and 1 embedded.
	Replicas int `yaml:"replicas"`
	// MaxBytes is how much the alerts' stream may hold before new alerts are answered with 503, default 8 GiB.
	MaxBytes Bytes `yaml:"max_bytes"`
	// MaxAge is how long alerts and incidents are kept, default 2160h (90 days).
	MaxAge Duration `yaml:"max_age"`
}

// Alertmanager is one Alertmanager whose API v2 is read when its webhook did not say everything.
type Alertmanager struct {
	URL             string `yaml:"url"`
	BearerToken     Secret `yaml:"bearer_token"`
	BearerTokenFile string `yaml:"bearer_token_file"`
	Username        string `yaml:"username"`
	Password        Secret `yaml:"password"`
	PasswordFile    string `yaml:"password_file"`
}

// Outcomes are the places that are told what happened, beside the log.
type Outcomes struct {
	Webhooks []OutcomeWebhook `yaml:"webhooks"`
}

// OutcomeWebhook is a generic webhook, signed after Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature).
type OutcomeWebhook struct {
	Name string `yaml:"name"`
	URL  string `yaml:"url"`
	// Secret signs: "whsec_" and base64, or plain text of at least 24 bytes.
	Secret     Secret `yaml:"secret"`
	SecretFile string `yaml:"secret_file"`
	// Events names the kinds of events to send; empty sends every outcome that people should see.
	Events  []string `yaml:"events"`
	Timeout Duration `yaml:"timeout"` // of one try, default 10s
}

// Limits bound all handlers together. They are enforced outside of the handlers, in one compare-and-set.
type Limits struct {
	// PerDomain bounds one failure domain, Global all of them.
	PerDomain Budget `yaml:"per_domain"` // default 3 an hour, 6 a day, 1 at once
	Global    Budget `yaml:"global"`     // default 10 an hour, 40 a day, 2 at once
	// Cooldown is how long a failure domain is left alone after a fix has ended, default 10m.
	Cooldown *Duration `yaml:"cooldown"`
	// AlertMaxAge is the age past which an alert is not acted on any more, default 2m.
	AlertMaxAge Duration `yaml:"alert_max_age"`
}

// Budget is how many fixes may start in a window, and how many may stand at once. Zero takes the default.
type Budget struct {
	Hour       int `yaml:"hour"`
	Day        int `yaml:"day"`
	Concurrent int `yaml:"concurrent"`
}

// Mode is what a handler may do.
type Mode string

// The modes, strictest first.
const (
	Off     Mode = "off"     // look at nothing
	Observe Mode = "observe" // look, decide, say what would have been done
	Auto    Mode = "auto"    // act inside the bounds
)

// Handlers holds one section for each failure family.
type Handlers struct {
	RetryStorm RetryStorm `yaml:"retrystorm"`
}

// RetryStorm is the policy of the handler "retrystorm".
type RetryStorm struct {
	// Mode of all targets that do not name their own, default observe.
	Mode Mode `yaml:"mode"`
	// Alerts are the alertnames that this handler answers, default [RetryStorm].
	Alerts []string `yaml:"alerts"`
	// Thresholds tell a storm from load.
	Thresholds StormThresholds `yaml:"thresholds"`
	// Edges are the targets: nothing is looked at or changed that is not named here.
	Edges []Edge `yaml:"edges"`
}

// StormThresholds are the numbers of decision-table 2.3. Zero takes the default.
type StormThresholds struct {
	Ratio        float64  `yaml:"ratio"`         // attempts per call that make a storm possible, default 1.3
	RatioHealed  float64  `yaml:"ratio_healed"`  // at or below it the storm is over, default 1.1
	MinCalls     float64  `yaml:"min_calls"`     // calls that a sample must cover to be judged, default 100
	ErrorShare   float64  `yaml:"error_share"`   // failed attempts ÷ attempts that mean "dependency down", default 0.5
	GoodputDrop  float64  `yaml:"goodput_drop"`  // a fall of goodput that is "worse", default 0.1
	ManyEdges    int      `yaml:"many_edges"`    // so many edges alerting at once share a cause: page, touch nothing, default 3
	SampleEvery  Duration `yaml:"sample_every"`  // between two looks, default 5s
	Samples      int      `yaml:"samples"`       // looks that must agree before acting, default 2
	VerifyWithin Duration `yaml:"verify_within"` // default 60s
	HoldFor      Duration `yaml:"hold_for"`      // how long it must be well before the ramp begins, default 60s
	RampEvery    Duration `yaml:"ramp_every"`    // between two steps of the ramp, default 30s
}

// Edge is the calls of one service to one dependency: what is probed, and what may be changed.
type Edge struct {
	Service string `yaml:"service"`
	Edge    string `yaml:"edge"`
	// Domain is the failure domain that the limits count in, default the service's name.
	Domain string `yaml:"domain"`
	// Mode of this edge, default the handler's. It can only be stricter than the handler's.
	Mode Mode `yaml:"mode"`
	// Match are the labels that an alert must carry to be about this edge. Default {service: Service, edge: Edge}.
	Match map[string]string `yaml:"match"`
	Probe EdgeProbe         `yaml:"probe"`
	Fix   EdgeFix           `yaml:"fix"`
}

// EdgeProbe is where the numbers of an edge come from: exactly one of the two.
type EdgeProbe struct {
	Prometheus *PrometheusProbe `yaml:"prometheus"`
	JSON       *JSONProbe       `yaml:"json"`
	Timeout    Duration         `yaml:"timeout"` // of one look, default 3s
}

// PrometheusProbe asks Prometheus. Every expression must give one number (a scalar, or a vector of one).
type PrometheusProbe struct {
	URL             string `yaml:"url"`
	BearerToken     Secret `yaml:"bearer_token"`
	BearerTokenFile string `yaml:"bearer_token_file"`
	Calls           string `yaml:"calls"`        // unique requests per second
	Attempts        string `yaml:"attempts"`     // attempts per second, first tries included
	Successes       string `yaml:"successes"`    // calls per second that ended well: the goodput
	Failures        string `yaml:"failures"`     // attempts per second that failed at the dependency
	PoolWaiting     string `yaml:"pool_waiting"` // optional: callers waiting for a database connection
	QueueAge        string `yaml:"queue_age"`    // optional: seconds that the oldest request has waited at the caller
}

// JSONProbe reads cumulative counters of an edge from JSON documents, one for each instance, and adds them up. Paths are gjson paths.
type JSONProbe struct {
	URLs            []string `yaml:"urls"`
	BearerToken     Secret   `yaml:"bearer_token"`
	BearerTokenFile string   `yaml:"bearer_token_file"`
	Calls           string   `yaml:"calls"`
	Attempts        string   `yaml:"attempts"`
	Successes       string   `yaml:"successes"`
	Failures        string   `yaml:"failures"`
	PoolWaiting     string   `yaml:"pool_waiting"` // optional gauge
	QueueAge        string   `yaml:"queue_age"`    // optional gauge, seconds
}

// EdgeFix is what may be changed on an edge, and how it is reached. With neither Breaker nor HTTP nothing is allowed.
type EdgeFix struct {
	// Breaker reaches services that import the breaker client.
	Breaker *BreakerFix `yaml:"breaker"`
	// HTTP reaches services by their admin endpoints.
	HTTP *HTTPFix `yaml:"http"`
	// Allow names the fixes that may be used: open, retry_budget, shed. Empty: none.
	Allow []string `yaml:"allow"`
	// BudgetPercent of retry_budget: retries per hundred calls, default 10.
	BudgetPercent int `yaml:"budget_percent"`
	// ShedPercent of shed: share of calls refused at first, default 50.
	ShedPercent int `yaml:"shed_percent"`
	// TTL is how long the change stands without renewal, default 60s. Limit is how long altogether, default 5m, at most 5m
	// for open and 10m for the others.
	TTL   Duration `yaml:"ttl"`
	Limit Duration `yaml:"limit"`
	// Ramp are the shares of calls in percent that are given back step by step, default [50, 75, 90]. The last step, 100,
	// is the end of the change itself.
	Ramp []int `yaml:"ramp"`
	// Timeout of one command, default 5s.
	Timeout Duration `yaml:"timeout"`
}

// BreakerFix needs no settings: the key is <service>.<edge> in the bucket "breakers".
type BreakerFix struct{}

// HTTPFix reaches the admin endpoints of each instance of a service by templates (see remediations/httpadmin).
type HTTPFix struct {
	// Instances are base URLs, one for each instance: a change is made on all of them, or said to be on k of n.
	Instances       []string `yaml:"instances"`
	BearerToken     Secret   `yaml:"bearer_token"`
	BearerTokenFile string   `yaml:"bearer_token_file"`
	// Controls are the endpoints by fix: open, retry_budget, shed.
	Controls map[string]HTTPControl `yaml:"controls"`
}

// HTTPControl is one thing that can be set and unset over HTTP. Path and Body are text/template with
// .Service .Edge .Action .TTLSeconds .Until .Released .Held .Params; in Body every value is written as JSON.
type HTTPControl struct {
	Apply  HTTPRequest  `yaml:"apply"`
	Revert HTTPRequest  `yaml:"revert"`
	Adjust *HTTPRequest `yaml:"adjust"` // optional: renew and ramp
	Read   HTTPRead     `yaml:"read"`
	// SelfExpiring says that the service ends the change by itself at the time that the body carried.
	SelfExpiring bool `yaml:"self_expiring"`
}

// HTTPRequest is one command.
type HTTPRequest struct {
	Method string `yaml:"method"` // default POST
	Path   string `yaml:"path"`
	Body   string `yaml:"body"`
}

// HTTPRead is how the state is read back.
type HTTPRead struct {
	Path string `yaml:"path"`
	// State is the gjson path of the value that says whether the change stands, On and Off what it reads then.
	State string `yaml:"state"`
	On    string `yaml:"on"`
	Off   string `yaml:"off"`
	// Action is the gjson path of the action id, if the service keeps it: the only way to tell ours from somebody else's.
	Action string `yaml:"action"`
}

// Duration is a time.Duration that is written as text ("90s") in YAML and JSON.
type Duration time.Duration

// D is the plain duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is the duration as Go writes it, e.g. "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the duration as Go does, e.g. "1m30s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

// Bytes is a size that is written with a unit ("8GiB", "512KiB") or as a plain number of bytes.
type Bytes int64

// Secret is text that never prints itself. Reveal is the only way to its value.
type Secret string

// Reveal is the secret's value.
func (s Secret) Reveal() string { return string(s) }

// String hides the value.
func (s Secret) String() string { return "[redacted]" }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return "[redacted]" }

// MarshalText hides the value from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }
