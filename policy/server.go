package policy

import "slices"

// Server is the HTTP side: the webhook, health, metrics and the API that the command line reads.
type Server struct {
	// Listen is the address, default 127.0.0.1:9095. An address that is not loopback needs webhook auth,
	// tls.client_ca_file or allow_anonymous. Port 0 takes any free port.
	Listen string `yaml:"listen" rule:"default=127.0.0.1:9095"`
	TLS    TLS    `yaml:"tls"`
	// AllowPlain says that an address which is not loopback may listen without TLS: something in front of it ends TLS, and nobody listens in
	// between. Default false.
	AllowPlain bool `yaml:"allow_plain"`
	// Webhook is who may post alerts.
	Webhook WebhookAuth `yaml:"webhook"`
	// API is who may read incidents and alerts. Empty: this machine, and whoever shows a client certificate.
	API APIAuth `yaml:"api"`
	// MaxBody is the largest webhook body in bytes, default 16 MiB. Larger bodies get 413.
	MaxBody Bytes `yaml:"max_body" rule:"default=16MiB;min=1;max=1GiB"`
	// StoreTimeout is how long storing a body may take before it is answered with 503, default 2s.
	StoreTimeout Duration `yaml:"store_timeout" rule:"default=2s;min=1ms"`
}

// TLS is that of a listener: on when CertFile is set, and mTLS when ClientCAFile is set too. The files are PEM and must exist. The
// certificate and its key are read again when they change.
type TLS struct {
	CertFile string `yaml:"cert_file" rule:"file"`
	// KeyFile is required with CertFile, and the other way round.
	KeyFile string `yaml:"key_file" rule:"file"`
	// ClientCAFile needs CertFile and KeyFile.
	ClientCAFile string `yaml:"client_ca_file" rule:"file"`
}

// WebhookAuth is who may post alerts. With everything empty anyone who reaches the listener may.
type WebhookAuth struct {
	// BearerTokens are accepted in "Authorization: Bearer …", each at least 16 characters. Two, so that they can be
	// rotated without losing an alert. Those of BearerTokenFiles are added to them.
	BearerTokens     []Secret `yaml:"bearer_tokens" rule:"minlen=16"`
	BearerTokenFiles []string `yaml:"bearer_token_files" rule:"into=BearerTokens;minlen=16"`
	// BearerTokenSHA256s are tokens of which only the hash is here, see [Digest].
	BearerTokenSHA256s []Secret `yaml:"bearer_token_sha256s" rule:"sha256"`
	// Username and Password are accepted as basic authentication; one needs the other. A password has at least 16 characters: whoever reaches
	// the listener can try any. PasswordSHA256 is in the place of Password.
	Username       string `yaml:"username"`
	Password       Secret `yaml:"password"`
	PasswordFile   string `yaml:"password_file" rule:"into=Password"`
	PasswordSHA256 Secret `yaml:"password_sha256" rule:"sha256"`
	// AllowAnonymous says that an address which is not loopback may listen without any of the above. Default false.
	AllowAnonymous bool `yaml:"allow_anonymous"`
}

// APIAuth is who may use the API. With nothing set it answers this machine, and whoever shows a client certificate.
type APIAuth struct {
	// Operators are people (or their tools) with names and rights. What they order is recorded under their name.
	Operators []Operator `yaml:"operators"`
	// BearerTokens may read, and nothing else.
	BearerTokens     []Secret `yaml:"bearer_tokens" rule:"minlen=16"`
	BearerTokenFiles []string `yaml:"bearer_token_files" rule:"into=BearerTokens;minlen=16"`
	// BearerTokenSHA256s are such tokens of which only the hash is here, see [Digest].
	BearerTokenSHA256s []Secret `yaml:"bearer_token_sha256s" rule:"sha256"`
}

// Operator is somebody who may use the API, and for what.
type Operator struct {
	// Name is what the record says, unique. Required.
	Name string `yaml:"name" rule:"need=alice;name"`
	// Token is accepted in "Authorization: Bearer …", at least 16 characters. Required, here or in TokenFile, or as its hash in TokenSHA256
	// (see [Digest]).
	Token       Secret `yaml:"token" rule:"minlen=16"`
	TokenFile   string `yaml:"token_file" rule:"into=Token;minlen=16"`
	TokenSHA256 Secret `yaml:"token_sha256" rule:"sha256"`
	// SlackUser is the same person in Slack (U…), so that one who speaks in two places counts once, and two who do count twice.
	SlackUser string `yaml:"slack_user" rule:"user"`
	// May are the rights: read; operate (pause, resume, ack, recall, override); approve. Each of the latter includes read.
	// Default read.
	May []string `yaml:"may" rule:"right"`
}

// The rights of an operator.
const (
	rightRead    = "read"    // see incidents, alerts and the state of everything
	rightOperate = "operate" // pause, resume, ack, recall, override
	rightApprove = "approve" // say yes or no to a fix that waits for it
)

// rights are the rights that may can name.
func rights() []string { return []string{rightRead, rightOperate, rightApprove} }

// Can says whether an operator has a right. Whoever has any may read.
func (o Operator) Can(right string) bool {
	return slices.Contains(o.May, right) || right == rightRead && len(o.May) > 0
}
