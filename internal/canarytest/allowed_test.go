package canarytest

// allowance is one place in which a canary belongs.
type allowance struct {
	canary, where string
	// why it belongs there.
	why string
}

// Why a secret may be somewhere.
const (
	shown   = "it is what is presented to whom it is for"
	inBody  = "PagerDuty's Events API takes the key in the body of an event, and nowhere else"
	inPath  = "the address itself is the secret: whoever is called hears it"
	asWords = "a server without TLS may ask for the password in the clear, and sslmode is disable"
)

// belong are all places in which canaries belong, good days and bad.
func belong() []allowance {
	const header = ": header Authorization"
	return []allowance{
		{"SHOP_READ", "shop" + header, shown}, {"SHOP_ADMIN", "shop" + header, shown},
		{"COLLECTOR_TOKEN", "collector" + header, shown}, {"COLLECTOR_SCOPE", "collector: header X-Scope", shown},
		{"SLACK_BOT", "slack" + header, shown}, {"SLACK_APP", "slack" + header, shown}, {"SLACK_BOT", "slack: body", shown},
		{"PAGERDUTY", "pagerduty: body", inBody},
		{"CHAT_PATH", "chat: url", inPath}, {"CHAT_URL", "chat: url", inPath}, {"SLACK_WEBHOOK_URL", "hooks: url", inPath},
		{"HEARTBEAT_PATH", "heartbeat: url", inPath}, {"HEARTBEAT_URL", "heartbeat: url", inPath},
		{"AM_TOKEN", "alertmanager1" + header, shown}, {"AM_PASSWORD", "alertmanager2" + header, shown},
		{"PROM_STORM", "prometheus1" + header, shown}, {"PROM_POOL", "prometheus2" + header, shown}, {"PROM_DRIFT", "prometheus3" + header, shown},
		{"PAGES_TOKEN", "pages" + header, shown}, {"BALANCER_TOKEN", "balancer" + header, shown}, {"APP_ADMIN", "app" + header, shown},
		{"CONSOLE_TOKEN", "console" + header, shown},
		{"PROBE_PASSWORD", "pg1: password", asWords}, {"PROBE_PASSWORD", "pg2: password", asWords},
		{"ACT_PASSWORD", "pg1: password", asWords}, {"ACT_PASSWORD", "pg2: password", asWords},
		{"STATS_PASSWORD", "pooler: password", asWords}, {"ADMIN_PASSWORD", "pooler: password", asWords},
		{"ARCHIVE_URL", "archive: password", asWords},
		{"REDIS_PASSWORD", "redis: command", asWords}, {"REDIS_PASSWORD", "redis2: command", asWords},
		{"DEADMAN_TOKEN", "deadman: line", shown},
		{"NATS_TOKEN", "nats: connect", shown}, {"NATS_PASSWORD", "nats: connect", shown},
	}
}
