// Package policy is what the operator allows: where to listen, which targets exist, which handlers may act on
// them, how, how often and for how long. It is strict YAML: unknown keys are refused, every problem is
// reported at once with its line and column, and what is not named is not allowed.
//
// A file goes one way: its YAML is read as nodes, which know where they stand; the nodes are read into the structs of
// this package ([Policy] and below), with the variables and secret files that they name; what is left out is
// filled in; and what the parts say about each other is checked. [Load] and [Parse] do all of it, so that whoever
// holds a Policy never asks again whether it makes sense.
//
// # Variables
//
// ${NAME} stands for an environment variable in every text of the file: addresses, URLs, names, labels and secrets.
// Not in what is a language of its own, in which "$" may mean something else: the expressions and paths of probes, and
// everything under controls, drain and grow (templates). Nor in closed sets (mode, allow, events, method, may, days,
// handlers, fixes, severities, sslmode, version_type) and in keys, so that the file alone says what is allowed. "$${" is a plain "${". A variable that is
// unset or empty is a problem.
//
// # Files
//
// Paths that are not absolute start at the folder of the policy file; defaults (of bus.data, and of guard.stop_file with an
// external bus) at the folder that the process runs in. A key x_file gives its secret to x when the
// policy is read: x is the field to use, and line ends at the end of the file are not part of it.
//
// # The tags
//
// The tag "yaml" is a key's name. The tag "rule" is what can be said about one value alone, parts between semicolons;
// the loader and [Schema] both read it:
//
//	default=V  what an absent key means, in the field's own notation
//	need=V     the key must be there; V is what the problem offers as an example
//	min=V max=V  the bounds, in the field's own notation; a list's are those of its elements
//	over=V under=V  the same, without V itself
//	minlen=N   the fewest characters of a secret
//	raw        ${NAME} is left alone here and below
//	into=F     a file whose content becomes the sibling field F
//	others     a mapping may have the key "", which stands for all that it does not name
//	each=K     the kind of text of a mapping's values; what stands beside it is that of its keys
//	name url base nats file anchor email channel team app user usergroup mention  the kind of text
//	host       a host name, an IP address, or the folder of a socket; without a port
//	socket     where another program takes commands: the absolute path of a socket, or tcp://host:port
//	runtime    the same of HAProxy, which may also be tls://host:port
//	sha256     the SHA-256 of a secret: 64 hexadecimal digits, with or without "sha256:" in front
//	server     a name in HAProxy's configuration: letters, digits, ".", "_", ":" and "-"
//	slot       a replication slot: small letters, digits and "_"
//	digits     digits alone
//	address    a server: host:port
//	prefix     what names of keys in Redis begin with: letters, digits and ":._-{}"
//	table column  a table of PostgreSQL, schema.table, and a column of it
//	member     a member of an application: printable ASCII without blanks and "@"
//	versiontype  the type of a column of versions
//	mode event method day right handler severity sslmode  the same, of a closed set
//	fix lagfix poolfix driftfix anyfix  a fix of an edge, of a lagging standby, of an exhausted pool, of drifted sessions, of any of them
package policy

import (
	"fmt"
	"slices"
)

// Policy is one whole configuration file. The zero value of every field means what its comment says; [Load] fills
// the defaults in and [Default] is what runs without a file.
type Policy struct {
	Server Server `yaml:"server"`
	// TLS is whom all connections that we open believe, and what they show.
	TLS           Trust          `yaml:"tls"`
	Bus           Bus            `yaml:"bus"`
	Alertmanagers []Alertmanager `yaml:"alertmanagers"`
	Outcomes      Outcomes       `yaml:"outcomes"`
	// Archive is where incidents are kept for longer than the bus does. Nil: nowhere.
	Archive *Archive `yaml:"archive"`
	// Tracing is where spans are sent. Nil: nowhere, and none are made.
	Tracing   *Tracing  `yaml:"tracing"`
	Limits    Limits    `yaml:"limits"`
	Guard     Guard     `yaml:"guard"`
	Approvals Approvals `yaml:"approvals"`
	// Postgres are the clusters that handlers name.
	Postgres []PostgresCluster `yaml:"postgres"`
	// Sessions are the stores of sessions that handlers name.
	Sessions []SessionStore `yaml:"sessions"`
	Handlers Handlers       `yaml:"handlers"`
}

// Bus is where events are kept. With URL empty, JetStream runs inside of this process.
type Bus struct {
	// Data is the folder of the embedded JetStream, default ./firebreak-data. Empty with URL.
	Data string `yaml:"data"`
	// Listen is where the embedded server takes NATS clients (services that import the breaker client). Empty: nowhere.
	Listen string `yaml:"listen"`
	// Token is what those clients must present, at least 16 characters. Required with Listen. With URL it is what
	// Firebreak itself presents there.
	Token     Secret `yaml:"token"`
	TokenFile string `yaml:"token_file" rule:"into=Token"`
	// TLS is that of Listen. AllowPlain says that an address which is not loopback may listen without it. Default false.
	TLS        TLS  `yaml:"tls"`
	AllowPlain bool `yaml:"allow_plain"`
	// URL is an external NATS, e.g. nats://n1:4222,nats://n2:4222.
	URL string `yaml:"url" rule:"nats"`
	// CredentialsFile is a NATS credentials file for URL.
	CredentialsFile string `yaml:"credentials_file" rule:"file"`
	// Username and Password are what Firebreak presents at URL; one needs the other. Not beside Token or CredentialsFile.
	Username     string `yaml:"username"`
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file" rule:"into=Password"`
	// Replicas of every stream on an external NATS, 1 to 5, default 3 there and 1 embedded.
	Replicas int `yaml:"replicas" rule:"min=1;max=5"`
	// MaxBytes is how much the alerts' stream may hold before new alerts are answered with 503, default 8 GiB.
	MaxBytes Bytes `yaml:"max_bytes" rule:"default=8GiB;min=1"`
	// IncidentsMaxBytes is how much the incidents' stream may hold before no new incident is opened, default 8 GiB. Incidents that are
	// open go on all the same.
	IncidentsMaxBytes Bytes `yaml:"incidents_max_bytes" rule:"default=8GiB;min=1"`
	// MaxAge is how long alerts and incidents are kept, default 2160h (90 days).
	MaxAge Duration `yaml:"max_age" rule:"default=2160h;min=1s"`
}

// Alertmanager is one Alertmanager whose API v2 is read when its webhook did not say everything. It is asked with a
// bearer token, with a user name and password, or with neither; never with both.
type Alertmanager struct {
	// URL is the address that its pages have too, without /api/v2. Required.
	URL             string `yaml:"url" rule:"need=http://alertmanager:9093;base"`
	BearerToken     Secret `yaml:"bearer_token"`
	BearerTokenFile string `yaml:"bearer_token_file" rule:"into=BearerToken"`
	// Username and Password are for basic authentication; one needs the other.
	Username     string `yaml:"username"`
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file" rule:"into=Password"`
	// Receiver is the name of the receiver in Alertmanager's configuration that posts to our webhook, default firebreak. An alert
	// that is not routed to it is not ours, whatever the API says.
	Receiver string `yaml:"receiver" rule:"default=firebreak"`
}

// Outcomes are the places that are told what happened, beside the log.
type Outcomes struct {
	Webhooks []OutcomeWebhook `yaml:"webhooks"`
	// Slack, PagerDuty and Messages are told nothing unless they are there.
	Slack     *Slack     `yaml:"slack"`
	PagerDuty *PagerDuty `yaml:"pagerduty"`
	Messages  []Message  `yaml:"messages"`
	// Console is a link to an incident for people; {incident} in it is replaced by its id. Empty: no link.
	Console string `yaml:"console" rule:"url"`
	// Escalation says by the alert's label severity who is told next while nobody has taken an incident; "" is any other severity, and
	// none. A severity that is there with no rung has no ladder. Nil: there is none at all.
	Escalation map[string][]Rung `yaml:"escalation" rule:"others"`
}

// OutcomeWebhook is a generic webhook, signed after Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature).
type OutcomeWebhook struct {
	// Name is unique among all outcomes, of letters, digits, "_" and "-"; not slack, pagerduty or log. Required.
	Name string `yaml:"name" rule:"need=incident-desk;name"`
	// URL is where the events are posted to. Required.
	URL string `yaml:"url" rule:"need=https://example.com/hooks/firebreak;url"`
	// Secret signs: "whsec_" and base64 of at least 24 bytes, or plain text of at least 24 bytes. Required.
	Secret     Secret `yaml:"secret"`
	SecretFile string `yaml:"secret_file" rule:"into=Secret"`
	// Events names the kinds of events to send (see [EventKinds]); empty sends every outcome that people should see.
	Events []string `yaml:"events" rule:"event"`
	// Timeout of one try, default 10s.
	Timeout Duration `yaml:"timeout" rule:"default=10s;min=1ms"`
}

// Mode is what a handler may do.
type Mode string

// The modes, strictest first.
const (
	Off     Mode = "off"     // look at nothing
	Observe Mode = "observe" // look, decide, say what would have been done
	Approve Mode = "approve" // act inside the bounds, each time after a person has said yes to it
	Auto    Mode = "auto"    // act inside the bounds
)

// modes are the modes, strictest first.
func modes() []string { return []string{string(Off), string(Observe), string(Approve), string(Auto)} }

// stricter says whether m allows less than n.
func (m Mode) stricter(n Mode) bool {
	return slices.Index(modes(), string(m)) < slices.Index(modes(), string(n))
}

// Check says what is wrong with a mode that was not read from a file, nil if nothing is.
func (m Mode) Check() error {
	if !slices.Contains(modes(), string(m)) {
		return fmt.Errorf("mode %q: must be off, observe, approve or auto", m)
	}
	return nil
}

// Strictest is the one of two modes that allows less.
func Strictest(a, b Mode) Mode {
	if a.stricter(b) {
		return a
	}
	return b
}
