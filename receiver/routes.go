package receiver

import (
	"net/http"
	"strings"
)

// Routes are the paths of the listener.
type Routes struct {
	Webhook, Health, Ready, Metrics http.Handler
	// API takes everything below /api/.
	API http.Handler
	// Slack takes what people press there, at /slack/interactions. Nil: nothing is pressed over HTTP.
	Slack http.Handler
}

// ServeHTTP routes by hand: the library's multiplexer cleans paths by redirecting, and a redirected webhook is a lost alert.
func (r Routes) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch path := "/" + strings.Trim(req.URL.Path, "/"); {
	case path == "/webhook":
		r.Webhook.ServeHTTP(w, req)
	case path == "/healthz":
		r.Health.ServeHTTP(w, req)
	case path == "/readyz":
		r.Ready.ServeHTTP(w, req)
	case path == "/metrics":
		r.Metrics.ServeHTTP(w, req)
	case path == "/slack/interactions" && r.Slack != nil:
		r.Slack.ServeHTTP(w, req)
	case strings.HasPrefix(req.URL.Path, "/api/"):
		r.API.ServeHTTP(w, req)
	default:
		http.Error(w, "nothing here; alerts go to POST /webhook", http.StatusNotFound)
	}
}
