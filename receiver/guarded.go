package receiver

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Guarded limits guessing at credentials: an answer of 401 counts against the address that it goes to, and beyond a budget becomes a 429 with
// Retry-After. Whatever is answered otherwise passes untouched and counts nothing.
//
// Alertmanager takes a 429 as it takes a 401: it does not send that body again at once, only with the group's next notification. So nothing
// is lost by it that was not lost by the wrong credential; and a right one is never answered with 429, which would lose alerts.
//
// The address is that of the connection. Behind a proxy all have the proxy's, and share one budget for what is wrong. What a client
// says of itself (X-Forwarded-For) is not believed: whoever guesses would say another one each time.
type Guarded struct {
	next    http.Handler
	guesses *guesses
	wrong   *prometheus.CounterVec
	log     zerolog.Logger
}

// NewGuarded puts the limit in front of a handler. now is the clock; nil is the machine's.
func NewGuarded(next http.Handler, reg prometheus.Registerer, now func() time.Time, log zerolog.Logger) *Guarded {
	if now == nil {
		now = time.Now
	}
	g := &Guarded{next: next, guesses: newGuesses(now), log: log, wrong: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "firebreak_wrong_credentials_total",
		Help: "Requests without a right credential, by what they were answered with: 401, or 429 beyond the budget of their address."}, []string{"code"})}
	reg.MustRegister(g.wrong)
	for _, code := range []string{"401", "429"} {
		g.wrong.WithLabelValues(code)
	}
	return g
}

// ServeHTTP answers.
func (g *Guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.next.ServeHTTP(&guardedWriter{ResponseWriter: w, guarded: g, request: r}, r)
}

// guardedWriter looks at the status before it is sent.
type guardedWriter struct {
	http.ResponseWriter
	guarded *Guarded
	request *http.Request
	// replaced says that another answer was sent, and that the handler's own is thrown away.
	replaced bool
}

// Unwrap lets those who stream reach what they stream to.
func (w *guardedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader sends the status, or 429 in the place of 401.
func (w *guardedWriter) WriteHeader(status int) {
	if status != http.StatusUnauthorized {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	wait, say := w.guarded.guesses.wrong(w.request.RemoteAddr)
	if say {
		w.guarded.log.Warn().Str("remote", w.request.RemoteAddr).Str("path", w.request.URL.Path).
			Msg("wrong credentials; more of them from this address are counted (firebreak_wrong_credentials_total), and not logged for a minute")
	}
	if wait <= 0 {
		w.guarded.wrong.WithLabelValues("401").Inc()
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.guarded.wrong.WithLabelValues("429").Inc()
	w.replaced = true
	h := w.Header()
	h.Del("Content-Length")
	h.Set("Content-Type", "application/json")
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	w.ResponseWriter.WriteHeader(http.StatusTooManyRequests)
	_ = json.NewEncoder(w.ResponseWriter).Encode(map[string]any{"error": tooMany(w.request.URL.Path)}) // the peer may be gone
}

// tooMany is said in the form that the path has for errors.
func tooMany(path string) any {
	const words = "too many wrong credentials came from this address; the right one is taken at once"
	if strings.HasPrefix(path, "/api/") {
		return words
	}
	return problem{Code: "too_many_guesses", Message: words}
}

// Write writes the handler's answer, unless another one was sent.
func (w *guardedWriter) Write(b []byte) (int, error) {
	if w.replaced {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}
