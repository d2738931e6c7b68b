// Package receiver is HTTP in: the webhook, health, readiness and metrics. It stores what it takes, and answers; it never acts.
//
// The webhook answers 200 only when every alert of the body is stored for good. Alertmanager tries again after a 5xx and after
// nothing else, so whatever may pass is a 503, never a 429; and it follows a 301 as a GET without a body, so this path is
// never redirected.
package receiver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/rs/zerolog"
)

// Journal stores entries for good. It is [bus.Journal] but in tests.
type Journal interface {
	Append(ctx context.Context, data []byte) error
	// MaxEntry is the largest entry that Append takes.
	MaxEntry() int
}

// Config is what a [Webhook] works with.
type Config struct {
	Journal Journal
	// Auth is who may post.
	Auth Auth
	// MaxBody is the largest body in bytes. StoreTimeout is how long storing may take.
	MaxBody      int64
	StoreTimeout time.Duration
	Metrics      *Metrics
	// Tracer follows what is taken. Nil: nothing is followed, and the trace that a delivery came with is kept all the same.
	Tracer *tracing.Tracer
	Log    zerolog.Logger
	// Truncated is called for every delivery that lacked alerts of its group; nil: nobody is told. It must not block.
	Truncated func(alerts.Delivery)
	// Now is the clock; nil is the machine's.
	Now func() time.Time
}

// Webhook takes Alertmanager's notifications.
type Webhook struct {
	cfg     Config
	buffers sync.Pool // of *[]byte: bodies are read into and records are built in them
}

// NewWebhook makes the handler of POST /webhook.
func NewWebhook(cfg Config) *Webhook {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Webhook{cfg: cfg, buffers: sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}}
}

// problem is an answer that is not 200.
type problem struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// ServeHTTP answers one notification.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	stored, p := h.take(w, r)
	status := http.StatusOK
	w.Header().Set("Content-Type", "application/json")
	if p != nil {
		status = p.status
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="firebreak"`)
		}
		// Of wrong credentials [Guarded] says what is to be said: a line for each would let strangers fill the log.
		if status != http.StatusUnauthorized {
			h.cfg.Log.Warn().Int("status", status).Str("code", p.Code).Str("problem", p.Message).Str("remote", r.RemoteAddr).
				Msg("a notification was not taken")
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]*problem{"error": p}) // the peer may be gone
	} else {
		_, _ = io.WriteString(w, `{"stored":`+strconv.Itoa(stored)+"}\n")
	}
	h.cfg.Metrics.requests.WithLabelValues(strconv.Itoa(status)).Inc()
	h.cfg.Metrics.duration.Observe(time.Since(begun).Seconds())
}

func (h *Webhook) take(w http.ResponseWriter, r *http.Request) (int, *problem) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return 0, &problem{status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "only POST is taken here",
			Hint: "if Alertmanager sends this, something in between answers it with a redirect"}
	}
	if !h.cfg.Auth.Allows(r) {
		return 0, &problem{status: http.StatusUnauthorized, Code: "unauthorized", Message: "the credentials are missing or wrong",
			Hint: "set http_config.authorization or basic_auth in Alertmanager's webhook_configs; Alertmanager does not retry this at once"}
	}
	// Behind the credentials: a stranger's trace is none of ours.
	ctx, span, place := h.cfg.Tracer.Begin(r.Context(), tracing.Receive, tracing.FromHeader(r.Header))
	defer span.End()
	stored, p := h.takeBody(ctx, w, r, span, place)
	if p != nil {
		span.Fail(p.Code)
	}
	return stored, p
}

// takeBody reads, understands and stores a body.
func (h *Webhook) takeBody(ctx context.Context, w http.ResponseWriter, r *http.Request, span *tracing.Span, place tracing.Parent) (int, *problem) {
	buf := h.buffers.Get().(*[]byte)
	defer h.buffers.Put(buf)
	body, p := h.read(w, r, (*buf)[:0])
	*buf = body[:0]
	span.Count(tracing.Bytes, len(body))
	if p != nil {
		return 0, p
	}
	parsed, err := alerts.Parse(body)
	if err != nil {
		return 0, bodyProblem(err)
	}
	span.Count(tracing.Alerts, len(parsed.Alerts))
	return h.store(ctx, parsed, place)
}

// read reads the whole body, bounded, into the buffer that it may grow.
func (h *Webhook) read(w http.ResponseWriter, r *http.Request, buf []byte) ([]byte, *problem) {
	if n := r.ContentLength; n > int64(cap(buf)) && n <= h.cfg.MaxBody {
		buf = make([]byte, 0, n+1)
	}
	in := http.MaxBytesReader(w, r.Body, h.cfg.MaxBody)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		var large *http.MaxBytesError
		switch {
		case err == io.EOF:
			h.cfg.Metrics.payload.Observe(float64(len(buf)))
			return buf, nil
		case errors.As(err, &large):
			return buf, &problem{status: http.StatusRequestEntityTooLarge, Code: "body_too_large",
				Message: "the body is larger than " + strconv.FormatInt(h.cfg.MaxBody, 10) + " bytes",
				Hint:    "raise server.max_body, or set max_alerts in Alertmanager; Alertmanager does not retry this"}
		case err != nil:
			// That says nothing about the body: whoever is still there may send it again.
			return buf, &problem{status: http.StatusServiceUnavailable, Code: "body_unreadable", Message: "the body ended early: " + err.Error()}
		}
	}
}

func bodyProblem(err error) *problem {
	p := &problem{status: http.StatusBadRequest, Code: "body_invalid", Message: err.Error()}
	var bad *alerts.BodyError
	if errors.As(err, &bad) {
		p.Code, p.Message, p.Hint = bad.Code, bad.Message, bad.Hint
	}
	return p
}

// store stores every alert of a body, in as many entries as it takes, and waits for all. place is where in a trace they are.
func (h *Webhook) store(ctx context.Context, body alerts.Body, place tracing.Parent) (int, *problem) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.StoreTimeout, errStoreTimeout)
	defer cancel()
	d := body.Delivery(h.cfg.Now().UTC())
	d.TraceParent, d.TraceState = place.Trace, place.State
	for _, entry := range entries(d, body.Alerts, h.cfg.Journal.MaxEntry()) {
		if err := appendTo(ctx, h.cfg.Journal, h.cfg.Tracer, entry); err != nil {
			return 0, storeProblem(err)
		}
	}
	h.count(body)
	if body.Truncated > 0 {
		h.cfg.Metrics.truncated.Add(float64(body.Truncated))
		h.cfg.Log.Warn().Uint64("left_out", body.Truncated).Str("receiver", body.Receiver).
			Msg("alertmanager left alerts out of a notification (max_alerts); its API is read instead")
		if h.cfg.Truncated != nil {
			h.cfg.Truncated(d)
		}
	}
	return len(body.Alerts), nil
}

func storeProblem(err error) *problem {
	if errors.Is(err, bus.ErrTooLarge) {
		return &problem{status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Message: "one alert with its delivery is too large: " + err.Error(),
			Hint: "its receiver's name or its external URL takes more than a message of the bus; Alertmanager does not retry this"}
	}
	return &problem{status: http.StatusServiceUnavailable, Code: "not_stored", Message: "the alerts could not be stored: " + err.Error(),
		Hint: "nothing is acknowledged; Alertmanager sends it again by itself"}
}

var errStoreTimeout = errors.New("storing took too long")

func (h *Webhook) count(body alerts.Body) {
	for _, a := range body.Alerts {
		h.cfg.Metrics.received.WithLabelValues(string(a.Status())).Inc()
	}
}

// entries cuts a delivery so that each piece fits into one message of the bus.
func entries(d alerts.Delivery, raws []alerts.Raw, limit int) [][]byte {
	header := len(alerts.AppendRecord(nil, d, nil)) + 16 // the delivery's own line, and room for the digits of its count
	var out [][]byte
	for len(raws) > 0 {
		n, size := 0, header
		for n < len(raws) && (n == 0 || size+len(raws[n])+1 <= limit) {
			size += len(raws[n]) + 1
			n++
		}
		out = append(out, alerts.AppendRecord(make([]byte, 0, size), d, raws[:n]))
		raws = raws[n:]
	}
	return out
}

// appendTo stores one entry, and follows how long that takes: it waits for the disk, or for the other servers of a cluster.
func appendTo(ctx context.Context, j Journal, t *tracing.Tracer, entry []byte) error {
	ctx, span := t.Start(ctx, tracing.Journal)
	defer span.End()
	span.Count(tracing.Bytes, len(entry))
	err := j.Append(ctx, entry)
	span.Error(err)
	return err
}
