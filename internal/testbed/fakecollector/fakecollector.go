// Package fakecollector is a collector of OpenTelemetry as a test wants one: it takes OTLP over HTTP as the specification has it, in protobuf,
// and keeps the spans. It shares no code with what sends them.
package fakecollector

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// maxBody is the largest body that is taken, in bytes, unpacked.
const maxBody = 16 << 20

// Span is one that came.
type Span struct {
	Service string
	Name    string
	// Trace, ID and Parent are hex; Parent is empty for a root.
	Trace, ID, Parent string
	Begun, Ended      time.Time
	// Texts and Counts are its attributes.
	Texts  map[string]string
	Counts map[string]int64
	// Failed is the description of its status if that is an error.
	Failed string
	Kind   string
}

// Collector takes spans.
type Collector struct {
	// URL is the endpoint, without /v1/traces.
	URL string

	mu      sync.Mutex // guards the fields below
	status  int        // what is answered; 0 is 200
	spans   []Span
	bodies  [][]byte
	headers []http.Header
	wrong   []string
	changed chan struct{} // closed and made anew whenever a request came
}

// New is a collector for one test.
func New(t interface{ Cleanup(func()) }) *Collector {
	c := &Collector{changed: make(chan struct{})}
	s := httptest.NewServer(c)
	c.URL = s.URL
	t.Cleanup(s.Close)
	return c
}

// Refuse answers everything with a status from now on, and takes nothing; 0 ends that.
func (c *Collector) Refuse(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// Spans are all that came so far, in the order of their beginning.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := slices.Clone(c.spans)
	slices.SortStableFunc(out, func(a, b Span) int { return a.Begun.Compare(b.Begun) })
	return out
}

// Requests are the headers of all requests so far, those that were refused among them, and the bodies, unpacked, of those that were read.
func (c *Collector) Requests() ([]http.Header, [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.headers), slices.Clone(c.bodies)
}

// Changed is closed when the next request has come.
func (c *Collector) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Wrong says what no sender may send.
func (c *Collector) Wrong() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.wrong)
}

// ServeHTTP takes one batch.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, said := read(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { close(c.changed); c.changed = make(chan struct{}) }()
	c.headers = append(c.headers, r.Header.Clone())
	var batch collector.ExportTraceServiceRequest
	if said == "" && proto.Unmarshal(body, &batch) != nil {
		said = "the body is no protobuf of spans"
	}
	switch {
	case said != "":
		c.wrong = append(c.wrong, said)
		http.Error(w, said, http.StatusBadRequest)
		return
	case c.status != 0:
		http.Error(w, "told to refuse, and repeats "+r.Header.Get("Authorization"), c.status)
		return
	}
	c.bodies = append(c.bodies, body)
	for _, rs := range batch.ResourceSpans {
		service, _ := attributes(rs.Resource.GetAttributes())
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans = append(c.spans, span(service["service.name"], s))
			}
		}
	}
	answer, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer) // the sender may be gone
}

// read is the body, and what is wrong with the request.
func read(r *http.Request) ([]byte, string) {
	in := io.Reader(r.Body)
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/v1/traces":
		return nil, r.Method + " " + r.URL.Path + ", want POST /v1/traces"
	case r.Header.Get("Content-Type") != "application/x-protobuf":
		return nil, "Content-Type is " + r.Header.Get("Content-Type")
	case r.Header.Get("Content-Encoding") == "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, "the body is not gzip"
		}
		in = z
	}
	body, err := io.ReadAll(io.LimitReader(in, maxBody))
	if err != nil {
		return nil, "the body ended early"
	}
	return body, ""
}

func span(service string, s *trace.Span) Span {
	out := Span{Service: service, Name: s.Name, Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Begun: time.Unix(0, int64(s.StartTimeUnixNano)), Ended: time.Unix(0, int64(s.EndTimeUnixNano)), Kind: s.Kind.String()}
	out.Texts, out.Counts = attributes(s.Attributes)
	if s.Status.GetCode() == trace.Status_STATUS_CODE_ERROR {
		out.Failed = s.Status.GetMessage()
	}
	return out
}

func attributes(list []*common.KeyValue) (texts map[string]string, counts map[string]int64) {
	texts, counts = map[string]string{}, map[string]int64{}
	for _, kv := range list {
		switch v := kv.Value.GetValue().(type) {
		case *common.AnyValue_StringValue:
			texts[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			counts[kv.Key] = v.IntValue
		}
	}
	return texts, counts
}
